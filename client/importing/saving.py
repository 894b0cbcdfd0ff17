"""Saving: what is staged goes into the vault's tables. Runs inside one transaction of the caller's."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

__all__ = ["SavedCounts", "save_staged"]

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
# Positions go on without gaps; an answer already in the log is not written again. A withdrawal that comes
# while a grant of that customer is dated later than now (the clock was ahead then) gets at least its date.
_ANSWERS = """
    INSERT INTO consents (position, customer, purpose, answer, recorded_at, source)
    SELECT
        (SELECT count(*) FROM consents) + row_number() OVER (ORDER BY recorded_at, customer, purpose, answer),
        customer, purpose, answer, recorded_at, source
    FROM (
        SELECT s.customer, s.purpose, s.answer, s.recorded_at, min(s.source) AS source
        FROM (
            SELECT c.customer, a.purpose, a.answer, a.source, max(a.recorded_at, ifnull((
                SELECT max(ahead.recorded_at) FROM consents AS ahead
                WHERE a.answer = 'withdrawal' AND ahead.answer = 'grant' AND ahead.recorded_at > :now
                    AND ahead.customer = c.customer AND ahead.purpose = a.purpose
            ), a.recorded_at)) AS recorded_at
            FROM staging.answers AS a JOIN customers AS c ON c.customer_id = a.customer_id
        ) AS s
        WHERE NOT EXISTS (
            SELECT 1 FROM consents AS known WHERE known.customer = s.customer AND known.purpose = s.purpose
                AND known.answer = s.answer AND known.recorded_at = s.recorded_at)
        GROUP BY s.customer, s.purpose, s.answer, s.recorded_at
    )
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


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedCounts:
    """How many rows of each table are new. Products count when they were not listed before.

    Identifiers and attributes count when they are new, other than before, or gone.
    """

    products: int
    customers: int
    identifiers: int
    attributes: int
    answers: int
    orders: int
    lines: int


def save_staged(connection: sqlite3.Connection, *, now: int) -> SavedCounts:
    """Move everything staged into the vault; what is there stays, but for identifiers and attributes.

    Saving the same rows again, or in pieces that overlap, gives the same vault. Of identifiers
    and attributes the latest file's are kept.

    Args:
        connection: of the vault, in a transaction, with the staging area attached.
        now: microseconds since 1970-01-01 UTC, by the clock that the rows were read by.
    """
    before = _sizes(connection)
    connection.execute(_PRODUCTS)
    connection.execute(_CUSTOMERS.format(source="staging.customers"))
    connection.execute(_CUSTOMERS.format(source="staging.order_lines"))
    identifiers = sum(connection.execute(each).rowcount for each in (_IDENTIFIERS, _GONE_IDENTIFIERS))
    attributes = sum(connection.execute(each).rowcount for each in (_ATTRIBUTES, _GONE_ATTRIBUTES))
    connection.execute(_ANSWERS, {"now": now})
    connection.execute(_UNLISTED_PRODUCTS)
    connection.execute(_ORDERS)
    connection.execute(_LINES)
    after = _sizes(connection)
    new = {name: after[name] - before[name] for name in before}
    return SavedCounts(identifiers=identifiers, attributes=attributes, **new)


def _sizes(connection: sqlite3.Connection) -> dict[str, int]:
    counts = connection.execute(
        "SELECT (SELECT count(*) FROM products WHERE listed = 1), (SELECT count(*) FROM customers),"
        " (SELECT count(*) FROM consents), (SELECT count(*) FROM orders), (SELECT count(*) FROM lines)"
    ).fetchone()
    return dict(zip(("products", "customers", "answers", "orders", "lines"), counts, strict=True))
