"""What an erasure takes out of the vault, and what the person was known by, to be looked for everywhere."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Sequence

from highstreet.client.byte_search import SHORTEST_BYTES
from highstreet.client.consent_log import ConsentLog

__all__ = ["erase_rows", "known_by", "not_known_otherwise"]

#: Values looked for in every byte of every file; who has more orders is known by the latest of them.
_MOST_ORDERS = 32
_MOST_VALUES = 256

_NAMES = """
    SELECT customer_id FROM customers WHERE customer IN (SELECT value FROM json_each(:keys))
    UNION SELECT value FROM identifiers WHERE customer IN (SELECT value FROM json_each(:keys))
"""
_ORDER_NUMBERS = """
    SELECT order_id FROM orders WHERE customer IN (SELECT value FROM json_each(:keys))
    ORDER BY ordered_at DESC LIMIT :most
"""
#: Tables whose rows go, with the question that finds them, in an order that references allow.
_ROWS = {
    "order lines": 'DELETE FROM lines WHERE "order" IN'
    ' (SELECT "order" FROM orders WHERE customer IN (SELECT value FROM json_each(:keys)))',
    "orders": "DELETE FROM orders WHERE customer IN (SELECT value FROM json_each(:keys))",
    "products that only they bought": "DELETE FROM products WHERE listed = 0"
    " AND NOT EXISTS (SELECT 1 FROM lines WHERE lines.product = products.product)",
    "identifiers": "DELETE FROM identifiers WHERE customer IN (SELECT value FROM json_each(:keys))",
    "attributes": "DELETE FROM customer_attributes WHERE customer IN (SELECT value FROM json_each(:keys))",
    "restrictions": "DELETE FROM exclusions WHERE customer IN (SELECT value FROM json_each(:keys))",
    "names in the ledger": "DELETE FROM pseudonyms WHERE customer IN (SELECT value FROM json_each(:keys))",
}
_REQUESTS = """
    UPDATE rights_requests SET customer = NULL, source = '', folder = ''
    WHERE customer IN (SELECT value FROM json_each(:keys))
"""
_CUSTOMERS = "DELETE FROM customers WHERE customer IN (SELECT value FROM json_each(:keys))"
#: Other rows that hold a value as a part of one of theirs: a file that holds it holds it for them.
_OTHERS = """
    SELECT EXISTS (SELECT 1 FROM customers WHERE instr(lower(customer_id), :value))
        OR EXISTS (SELECT 1 FROM identifiers WHERE instr(lower(value), :value))
        OR EXISTS (SELECT 1 FROM orders WHERE instr(lower(order_id), :value))
        OR EXISTS (SELECT 1 FROM products WHERE instr(lower(product_id), :value)
            OR instr(lower(title), :value) OR instr(lower(maker), :value) OR instr(lower(brand), :value))
"""
_FILE_NAMES = "UPDATE imports SET file_name = '' WHERE instr(lower(file_name), :value)"


def known_by(connection: sqlite3.Connection, customers: Sequence[int]) -> list[str]:
    """Return the numbers and identifiers of customers (row keys), and the latest of their orders' numbers.

    At most so many as can be looked for; those of at least eight bytes first.
    """
    keys = {"keys": json.dumps(list(customers))}
    names = [value for (value,) in connection.execute(_NAMES, keys)]
    orders = [value for (value,) in connection.execute(_ORDER_NUMBERS, {**keys, "most": _MOST_ORDERS})]
    found = list(dict.fromkeys([*names, *orders]))
    found.sort(key=lambda value: len(value.encode()) < SHORTEST_BYTES)
    return found[:_MOST_VALUES]


def erase_rows(connection: sqlite3.Connection, log: ConsentLog, customers: Sequence[int]) -> dict[str, int]:
    """Take customers (row keys) out of every table; return how many rows of each kind there were.

    Entries of the consent log are emptied and stay. The caller holds a writing transaction.
    """
    removed: Counter[str] = Counter()
    removed["answers"] = log.empty(connection, customers)
    keys = {"keys": json.dumps(list(customers))}
    with log.uncounted(connection):
        for kind, statement in _ROWS.items():
            removed[kind] = connection.execute(statement, keys if ":keys" in statement else {}).rowcount
    connection.execute(_REQUESTS, keys)
    removed["customers"] = connection.execute(_CUSTOMERS, keys).rowcount
    return dict(removed)


def not_known_otherwise(connection: sqlite3.Connection, values: Sequence[str]) -> list[str]:
    """Return those values that no row holds any more, after emptying names of imported files that hold one.

    The caller holds a writing transaction and has erased the rows.
    """
    left = []
    for value in values:
        if len(value.encode()) < SHORTEST_BYTES:
            continue
        like = {"value": value.lower()}
        connection.execute(_FILE_NAMES, like)
        (is_held,) = connection.execute(_OTHERS, like).fetchone()
        if not is_held:
            left.append(value)
    return left
