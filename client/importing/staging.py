"""Staging: the rows of one file, read but not yet saved, in a private file of their own beside the vault.

Reading a file never touches the vault's tables. Saving is one transaction of `INSERT ... SELECT`; the
staging file is thrown away afterwards, and one that a crash left behind before the next import.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from highstreet.client.database_kind import fault_of
from highstreet.client.importing.problems import Problems
from highstreet.client.importing.records import (
    AnswerRecord,
    AttributeRecord,
    CustomerRecord,
    IdentifierRecord,
    LineRecord,
    MinorRecord,
    Problem,
    ProductRecord,
    Record,
)
from highstreet.client.vault import Vault, vault_kind

__all__ = ["Staging", "discard_leftovers", "open_staging"]

_BATCH_ROWS = 5_000
_TABLES = """
CREATE TABLE staging.products
    (line INTEGER PRIMARY KEY, product_id, title, category, product_type, brand, maker, size, price, gtin);
CREATE TABLE staging.customers (line INTEGER PRIMARY KEY, customer_id);
CREATE TABLE staging.identifiers (line, customer_id, kind, value);
CREATE TABLE staging.attributes (line, customer_id, attribute, cell);
CREATE TABLE staging.answers (line, customer_id, purpose, channel, act, at, earliest, method, source);
CREATE TABLE staging.minors (line, customer_id);
CREATE TABLE staging.order_lines
    (line INTEGER PRIMARY KEY, order_id, ordered_at, customer_id, product_id, quantity, unit_price, discount);
"""
_INSERTS: dict[type[Record], str] = {
    ProductRecord: "INSERT INTO staging.products VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    CustomerRecord: "INSERT INTO staging.customers VALUES (?, ?)",
    IdentifierRecord: "INSERT INTO staging.identifiers VALUES (?, ?, ?, ?)",
    AttributeRecord: "INSERT INTO staging.attributes VALUES (?, ?, ?, ?)",
    AnswerRecord: "INSERT INTO staging.answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    MinorRecord: "INSERT INTO staging.minors VALUES (?, ?)",
    LineRecord: "INSERT INTO staging.order_lines VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
}
_INDEXES = (
    "CREATE INDEX staging.products_by_id ON products (product_id, line)",
    "CREATE INDEX staging.customers_by_id ON customers (customer_id, line)",
    "CREATE INDEX staging.lines_by_key"
    " ON order_lines"
    " (order_id, customer_id, product_id, quantity, ifnull(unit_price, -1), discount, ordered_at, line)",
)
#: Line numbers of rows that another row of the file speaks against. A customer's order lines are judged by
#: that customer's own rows only: the same order number may be another's too.
_CLASHES: tuple[tuple[Problem, str, str], ...] = (
    (
        Problem.DUPLICATE,
        "staging.products",
        "SELECT line FROM (SELECT line, row_number() OVER (PARTITION BY product_id ORDER BY line) AS nth"
        " FROM staging.products) WHERE nth > 1",
    ),
    (
        Problem.CUSTOMER_NOT_REPEATED,
        "staging.order_lines",
        "SELECT line FROM staging.order_lines AS guest WHERE customer_id = '' AND EXISTS"
        " (SELECT 1 FROM staging.order_lines AS s WHERE s.order_id = guest.order_id"
        " AND s.ordered_at = guest.ordered_at AND s.customer_id <> '')",
    ),
    (
        Problem.DUPLICATE,
        "staging.order_lines",
        "SELECT line FROM (SELECT line, row_number() OVER (PARTITION BY order_id, customer_id, product_id,"
        " quantity, ifnull(unit_price, -1), discount ORDER BY ordered_at, line) AS nth"
        " FROM staging.order_lines) WHERE nth > 1",
    ),
)


class Staging:
    """The open staging area of one file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._waiting: dict[type[Record], list[Sequence[object]]] = {kind: [] for kind in _INSERTS}

    def add(self, line: int, record: Record) -> None:
        """Keep one record, with the line it came from."""
        waiting = self._waiting[type(record)]
        waiting.append((line, *record))
        if len(waiting) >= _BATCH_ROWS:
            self._flush(type(record))

    def customer_ids(self) -> list[str]:
        """Write what is still waiting; return all customers that the file names."""
        for kind in self._waiting:
            self._flush(kind)
        rows = self._connection.execute(
            "SELECT customer_id FROM staging.customers UNION SELECT customer_id FROM staging.order_lines"
            " UNION SELECT customer_id FROM staging.answers UNION SELECT customer_id FROM staging.identifiers"
        )
        return [customer_id for (customer_id,) in rows if customer_id]

    def leave_out_before(self, customer_id: str, *, ordered: int, answered: int) -> list[int]:
        """Leave out a customer's orders and answers from before two moments; return the lines they came from.

        An answer that may be from before is left out too: it shows nobody to have come back.
        Where nothing of later is left, whatever else the file says of the customer is left out too.
        """
        who: dict[str, str | int] = {"customer": customer_id, "ordered": ordered, "answered": answered}
        lines = self._take("order_lines", "customer_id = :customer AND ordered_at < :ordered", who)
        self._take("answers", "customer_id = :customer AND earliest <= :answered", who)
        (is_back,) = self._connection.execute(
            "SELECT EXISTS (SELECT 1 FROM staging.order_lines WHERE customer_id = :customer)"
            " OR EXISTS (SELECT 1 FROM staging.answers WHERE customer_id = :customer)",
            who,
        ).fetchone()
        if not is_back:
            for table in ("identifiers", "minors"):
                self._take(table, "customer_id = :customer", who)
            lines |= self._take("customers", "customer_id = :customer", who)
        return sorted(lines)

    def _take(self, table: str, condition: str, values: dict[str, str | int]) -> set[int]:
        where = f"staging.{table} WHERE {condition}"
        lines = {line for (line,) in self._connection.execute(f"SELECT line FROM {where}", values)}  # noqa: S608
        self._connection.execute(f"DELETE FROM {where}", values)  # noqa: S608 - from the callers above
        return lines

    def finish(self, problems: Problems) -> None:
        """Write what is still waiting; leave out rows that contradict or repeat others, noting them."""
        for kind in self._waiting:
            self._flush(kind)
        for statement in _INDEXES:
            self._connection.execute(statement)
        for problem, table, query in _CLASHES:
            for (line,) in self._connection.execute(f"{query} ORDER BY 1"):
                problems.add(problem, line)
            self._connection.execute(f"DELETE FROM {table} WHERE line IN ({query})")  # noqa: S608
        self._connection.execute("COMMIT")

    def one(self, query: str, *values: str) -> tuple[int, ...]:
        """Return the single row of numbers of a question about what is staged."""
        row: tuple[int, ...] = self._connection.execute(query, values).fetchone()
        return row

    def pairs(self, query: str) -> Iterator[tuple[int, str]]:
        """Return the rows, a number and a text each, of a question about what is staged."""
        yield from self._connection.execute(query)

    def _flush(self, kind: type[Record]) -> None:
        self._connection.executemany(_INSERTS[kind], self._waiting[kind])
        self._waiting[kind].clear()


@contextmanager
def open_staging(vault: Vault) -> Iterator[Staging]:
    """Open an empty staging area beside a vault, and remove it at the end whatever happens.

    Raises:
        VaultError: (also while in use) no room, or no right to write.
    """
    path = _staging_path(vault)
    connection = vault.connection
    attached = False
    try:
        _make_empty(path)
        connection.execute("ATTACH DATABASE ? AS staging", (str(path),))
        attached = True
        connection.execute("PRAGMA staging.journal_mode = MEMORY")
        connection.execute("PRAGMA staging.synchronous = OFF")
        for statement in _TABLES.strip().split(";\n"):
            connection.execute(statement)
        connection.execute("BEGIN")
        staging = Staging(connection)
        yield staging
    except (sqlite3.Error, OSError) as error:
        raise vault_kind().explained(fault_of(error), path) from error
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if attached:
            connection.execute("DETACH DATABASE staging")
        path.unlink(missing_ok=True)


def discard_leftovers(vault: Vault) -> None:
    """Remove what an import that was cut off left staged. Only for the holder of the import lock."""
    for leftover in vault.path.parent.glob(_staging_path(vault).name + "*"):
        leftover.unlink(missing_ok=True)


def _staging_path(vault: Vault) -> Path:
    return vault.path.with_name(vault.path.name + "-staging")


def _make_empty(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
