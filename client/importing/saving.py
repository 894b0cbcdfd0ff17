"""Saving: what is staged goes into the vault's tables. Runs inside one transaction of the caller's."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from highstreet.audit.consent import Act, Channel, ConsentEvent, Method, Purpose
from highstreet.client.consent_intake import event_number, fresh_events
from highstreet.client.consent_log import ConsentLog
from highstreet.client.consented_cohort import Exclusion
from highstreet.client.importing.staging import Staging

__all__ = ["SavedCounts", "orders_with_other_lines", "save_staged"]

_TEXTS = ("title", "category", "product_type", "brand", "maker", "size", "gtin")
_KEEP_KNOWN_TEXTS = ", ".join(f"{name} = coalesce(nullif(excluded.{name}, ''), {name})" for name in _TEXTS)

# Products come as listed; an empty cell never erases what an earlier file said.
_PRODUCTS = f"""
    INSERT INTO products (product_id, title, category, product_type, brand, maker, size, price, gtin, listed)
    SELECT product_id, title, category, product_type, brand, maker, size, price, gtin, 1
    FROM staging.products WHERE true ORDER BY line
    ON CONFLICT (product_id) DO UPDATE SET {_KEEP_KNOWN_TEXTS},
        price = coalesce(excluded.price, price), listed = 1
"""  # noqa: S608  # column names from the tuple above
_CUSTOMERS = """
    INSERT INTO customers (customer_id)
    SELECT customer_id FROM {source} AS s
    WHERE customer_id <> ''
        AND NOT EXISTS (SELECT 1 FROM customers AS c WHERE c.customer_id = s.customer_id)
    GROUP BY customer_id ORDER BY min(line)
"""
# In the order to be added in; the same words twice in one file are one event.
_ANSWERS = """
    SELECT c.customer, a.purpose, a.channel, a.act, a.at, min(a.method), min(a.source)
    FROM staging.answers AS a JOIN customers AS c ON c.customer_id = a.customer_id
    GROUP BY a.at, c.customer, a.purpose, a.channel, a.act
    ORDER BY a.at, c.customer, a.purpose, a.channel, a.act
"""
_MARK_MINORS = """
    INSERT OR IGNORE INTO exclusions (reason, customer)
    SELECT DISTINCT ?, c.customer
    FROM staging.minors AS s JOIN customers AS c ON c.customer_id = s.customer_id
"""
# The last word of a file on a customer's identifier; an empty one takes away what was known.
_LAST_IDENTIFIERS = """
    SELECT c.customer, s.kind, s.value
    FROM (
        SELECT customer_id, kind, value,
            row_number() OVER (PARTITION BY customer_id, kind ORDER BY line DESC) AS nth
        FROM staging.identifiers
    ) AS s JOIN customers AS c ON c.customer_id = s.customer_id
    WHERE s.nth = 1
"""
_IDENTIFIERS = f"""
    INSERT INTO identifiers (customer, kind, value) {_LAST_IDENTIFIERS} AND s.value <> ''
    ON CONFLICT (customer, kind) DO UPDATE SET value = excluded.value WHERE value <> excluded.value
"""
_GONE_IDENTIFIERS = f"""
    DELETE FROM identifiers WHERE (customer, kind) IN
        (SELECT customer, kind FROM ({_LAST_IDENTIFIERS} AND s.value = ''))
"""  # noqa: S608  # the question above
# The same for attributes.
_LAST_ATTRIBUTES = """
    SELECT c.customer, s.attribute, s.cell
    FROM (
        SELECT customer_id, attribute, cell,
            row_number() OVER (PARTITION BY customer_id, attribute ORDER BY line DESC) AS nth
        FROM staging.attributes
    ) AS s JOIN customers AS c ON c.customer_id = s.customer_id
    WHERE s.nth = 1
"""
_ATTRIBUTES = f"""
    INSERT INTO customer_attributes (customer, attribute, cell) {_LAST_ATTRIBUTES} AND s.cell <> ''
    ON CONFLICT (customer, attribute) DO UPDATE SET cell = excluded.cell WHERE cell <> excluded.cell
"""
_GONE_ATTRIBUTES = f"""
    DELETE FROM customer_attributes WHERE (customer, attribute) IN
        (SELECT customer, attribute FROM ({_LAST_ATTRIBUTES} AND s.cell = ''))
"""  # noqa: S608  # the question above
_UNLISTED_PRODUCTS = """
    INSERT INTO products (product_id)
    SELECT product_id FROM staging.order_lines AS s
    WHERE NOT EXISTS (SELECT 1 FROM products AS p WHERE p.product_id = s.product_id)
    GROUP BY product_id ORDER BY min(line)
"""
# An order is a number and a customer (guests are one): whose lines are kept depends on nobody else's.
_ORDERS = """
    INSERT INTO orders (order_id, customer, ordered_at)
    SELECT s.order_id, c.customer, min(s.ordered_at)
    FROM staging.order_lines AS s LEFT JOIN customers AS c ON c.customer_id = s.customer_id
    WHERE true GROUP BY s.order_id, c.customer ORDER BY min(s.line)
    ON CONFLICT (order_id, ifnull(customer, 0)) DO UPDATE
        SET ordered_at = min(ordered_at, excluded.ordered_at)
        WHERE excluded.ordered_at < ordered_at
"""
_LINES = """
    INSERT INTO lines ("order", product, quantity, unit_price, discount)
    SELECT o."order", p.product, s.quantity, s.unit_price, s.discount
    FROM staging.order_lines AS s
    LEFT JOIN customers AS c ON c.customer_id = s.customer_id
    JOIN orders AS o ON o.order_id = s.order_id AND ifnull(o.customer, 0) = ifnull(c.customer, 0)
    JOIN products AS p ON p.product_id = s.product_id
    WHERE true ORDER BY s.line
    ON CONFLICT DO NOTHING
"""
# Orders of the vault to which the file would add lines: the rest of them, or what became of them since.
_ORDERS_WITH_OTHER_LINES = """
    SELECT count(DISTINCT o."order") FROM staging.order_lines AS s
    LEFT JOIN main.customers AS c ON c.customer_id = s.customer_id
    JOIN main.orders AS o ON o.order_id = s.order_id AND ifnull(o.customer, 0) = ifnull(c.customer, 0)
    WHERE (s.customer_id = '' OR c.customer IS NOT NULL) AND NOT EXISTS (
        SELECT 1 FROM main.lines AS l JOIN main.products AS p ON p.product = l.product
        WHERE l."order" = o."order" AND p.product_id = s.product_id AND l.quantity = s.quantity
            AND ifnull(l.unit_price, -1) = ifnull(s.unit_price, -1) AND l.discount = s.discount
    )
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedCounts:
    """How many rows of each table are new. Products count when they were not listed before.

    Identifiers and attributes count when they are new, other than before, or gone; minors when they are one
    from now on.
    """

    products: int
    customers: int
    identifiers: int
    attributes: int
    minors: int
    answers: int
    orders: int
    lines: int


def orders_with_other_lines(staging: Staging) -> int:
    """Return to how many orders of the vault saving would add lines; nothing is saved by asking."""
    (orders,) = staging.one(_ORDERS_WITH_OTHER_LINES)
    return orders


def save_staged(connection: sqlite3.Connection, log: ConsentLog, *, now: int) -> SavedCounts:
    """Move everything staged into the vault; what is there stays, but for identifiers and attributes.

    Saving the same rows again, or in pieces that overlap, gives the same vault. Of identifiers
    and attributes the latest file's are kept. Who is a minor stays one: a file may be older than that.

    Args:
        connection: of the vault, in a transaction, with the staging area attached.
        log: the vault's, for what customers said; it is settled when the transaction is committed.
        now: microseconds since 1970-01-01 UTC, by the clock that the rows were read by.

    Raises:
        InconsistentConsentLogError: answers or minors are among them, and the log cannot be relied on.
    """
    before = _sizes(connection)
    connection.execute(_PRODUCTS)
    connection.execute(_CUSTOMERS.format(source="staging.customers"))
    connection.execute(_CUSTOMERS.format(source="staging.order_lines"))
    identifiers = sum(connection.execute(each).rowcount for each in (_IDENTIFIERS, _GONE_IDENTIFIERS))
    attributes = sum(connection.execute(each).rowcount for each in (_ATTRIBUTES, _GONE_ATTRIBUTES))
    _add_answers(connection, log, now=now)
    minors = _mark_minors(connection, log)
    connection.execute(_UNLISTED_PRODUCTS)
    connection.execute(_ORDERS)
    connection.execute(_LINES)
    after = _sizes(connection)
    new = {name: after[name] - before[name] for name in before}
    return SavedCounts(identifiers=identifiers, attributes=attributes, minors=minors, **new)


def _add_answers(connection: sqlite3.Connection, log: ConsentLog, *, now: int) -> None:
    rows = connection.execute(_ANSWERS).fetchall()
    if not rows:
        return  # a file without answers is saved whatever becomes of the log
    events = (
        ConsentEvent(
            event_id=event_number(),
            customer=customer,
            purpose=Purpose(purpose),
            channel=Channel(channel),
            act=Act(act),
            at=at,
            method=Method(method),
            source=source,
        )
        for customer, purpose, channel, act, at, method, source in rows
    )
    log.add(connection, fresh_events(connection, events, now=now))


def _mark_minors(connection: sqlite3.Connection, log: ConsentLog) -> int:
    """Mark who the file says is a minor; return how many were none before."""
    (is_named,) = connection.execute("SELECT EXISTS (SELECT 1 FROM staging.minors)").fetchone()
    if not is_named:
        return 0
    with log.folded(connection):  # in a log put back, it would stand in for a change that was lost
        return connection.execute(_MARK_MINORS, (Exclusion.MINOR.value,)).rowcount


def _sizes(connection: sqlite3.Connection) -> dict[str, int]:
    counts = connection.execute(
        "SELECT (SELECT count(*) FROM products WHERE listed = 1), (SELECT count(*) FROM customers),"
        " (SELECT count(*) FROM consents), (SELECT count(*) FROM orders), (SELECT count(*) FROM lines)"
    ).fetchone()
    return dict(zip(("products", "customers", "answers", "orders", "lines"), counts, strict=True))
