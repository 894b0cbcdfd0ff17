"""The vault: one shop's customers, orders and consents in an SQLite file only its owner can read."""

from __future__ import annotations

import os
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path
from types import TracebackType

from highstreet.client.errors import (
    UnknownCustomerError,
    VaultBusyError,
    VaultError,
    VaultFullError,
    VaultTooNewError,
    VaultUnreadableError,
)
from highstreet.files import make_private_folder

__all__ = ["SCHEMA_VERSION", "Vault", "as_vault_error"]

_PRIVATE_FILE = 0o600
_BUSY_TIMEOUT_SECONDS = 20.0
#: Marks the file as a vault ("HSVT"), so that another program's database is not taken for one.
_APPLICATION_ID = 0x48535654


def _migrations() -> list[tuple[int, str]]:
    found = []
    for entry in resources.files("highstreet.client").joinpath("migrations").iterdir():
        if entry.name.endswith(".sql"):
            found.append((int(entry.name[:4]), entry.read_text(encoding="utf-8")))
    return sorted(found)


#: The newest schema this version of Highstreet knows; a newer one is refused.
SCHEMA_VERSION = 3


def as_vault_error(error: sqlite3.Error | OSError, path: Path) -> VaultError:
    """Say what a low-level failure means for the shop; no cell of the database is repeated."""
    text = str(error).casefold()
    if "disk is full" in text or "no space" in text or "file too large" in text:
        return VaultFullError(
            f"The disk that holds {path} is full; nothing was changed.",
            next_step="Free some space on it, then run the same command again.",
        )
    if "locked" in text or "busy" in text:
        return VaultBusyError(
            "Another Highstreet command is writing to this shop's data.",
            next_step="Wait until it has ended, then run the same command again.",
        )
    if isinstance(error, sqlite3.IntegrityError):
        return VaultError(
            f"A change that contradicts what is in {path} was refused; nothing was changed.",
            next_step="This is a fault of Highstreet's: report it with the command that was run.",
        )
    if "disk i/o error" in text:
        return VaultError(
            f"The disk that holds {path} could not be read or written; nothing was changed.",
            next_step="Check that the disk is connected and not full, then run the same command again.",
        )
    if "readonly" in text or "unable to open" in text or isinstance(error, PermissionError):
        return VaultError(
            f"The shop's data in {path} cannot be written by this user.",
            next_step="Run the command as the user who made the store, or give its folder with --home.",
        )
    return VaultUnreadableError(
        f"The shop's data in {path} cannot be read: the file is damaged or is not a vault.",
        next_step="Put back the last good copy of that file; do not delete it, it may be repairable.",
    )


class Vault:
    """An open vault. Use as a context manager; one per thread.

    All writing goes through `write`, which commits as a whole or not at all and is durable when it returns.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, vault_id: str) -> None:
        self.path = path
        self.connection = connection
        #: Random name of this vault; ties a cohort to the vault it was made from.
        self.vault_id = vault_id

    @classmethod
    def open(cls, path: Path) -> Vault:
        """Open the vault, making it when there is none, and bring its schema up to date.

        Raises:
            VaultTooNewError: written by a newer version.
            VaultUnreadableError: damaged, or not a vault.
            VaultError: no right to read or write it.
        """
        make_private_folder(path.parent)
        connection: sqlite3.Connection | None = None
        try:
            _make_private(path)
            connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_SECONDS, isolation_level=None)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            # What is replaced or removed (an identifier) is overwritten, not left in free pages.
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("PRAGMA trusted_schema = OFF")
            # A step may make a table anew that others refer to; inside its transaction this cannot be set.
            connection.execute("PRAGMA foreign_keys = OFF")
            _migrate(connection, path)
            connection.execute("PRAGMA foreign_keys = ON")
            (vault_id,) = connection.execute("SELECT vault_id FROM identity").fetchone()
        except (sqlite3.Error, OSError) as error:
            if connection is not None:
                connection.close()
            raise as_vault_error(error, path) from error
        except VaultError:
            if connection is not None:
                connection.close()
            raise
        return cls(path, connection, vault_id)

    def close(self) -> None:
        """Close the file; open transactions are rolled back."""
        self.connection.close()

    def __enter__(self) -> Vault:
        """Return the vault itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the vault."""
        self.close()

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """See one unchanging state of the vault for as long as the block lasts."""
        with self._transaction("BEGIN"):
            yield self.connection

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Change the vault: everything in the block is saved durably at its end, or nothing is."""
        with self._transaction("BEGIN IMMEDIATE"):
            yield self.connection

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        try:
            self.connection.execute(begin)
            yield
            self.connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise as_vault_error(error, self.path) from error
        finally:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")

    def customer_key(self, customer_id: str) -> int:
        """Return the row key of a customer by the shop's own number or name for them.

        Raises:
            UnknownCustomerError: there is none; the message does not repeat what was typed.
        """
        with self.read() as connection:
            found = connection.execute(
                "SELECT customer FROM customers WHERE customer_id = ?", (customer_id.strip(),)
            ).fetchone()
        if found is None:
            raise UnknownCustomerError(
                "This shop has no customer of that number.",
                next_step="Write it as in the imported files, or import the file that names the customer.",
            )
        return int(found[0])

    def last_order_day(self) -> int | None:
        """Return the day of the latest order (days since 1970-01-01), None without orders.

        For serving inside the shop only: it depends on customers, so nothing that leaves may be computed
        from it.
        """
        with self.read() as connection:
            (latest,) = connection.execute("SELECT max(ordered_at) FROM orders").fetchone()
        return None if latest is None else int(latest) // 86_400


def _make_private(path: Path) -> None:
    """Create the file with its final mode before SQLite sees it: -wal and -shm inherit it."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, _PRIVATE_FILE))
    for suffix in ("", "-wal", "-shm"):
        beside = path.with_name(path.name + suffix)
        if beside.exists() and beside.stat().st_mode & 0o777 != _PRIVATE_FILE:
            beside.chmod(_PRIVATE_FILE)


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    version = _version(connection, path)
    for number, script in _migrations():
        if number <= version:
            continue
        # One transaction per step; another process may have taken it first, so look again under the lock.
        connection.execute("BEGIN IMMEDIATE")
        try:
            if _version(connection, path) < number:
                for statement in _statements(script):
                    connection.execute(statement)
                if number == 1:
                    connection.execute("INSERT INTO identity VALUES (?, 1)", (uuid.uuid4().hex,))
                    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def _version(connection: sqlite3.Connection, path: Path) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != _APPLICATION_ID and (version or tables):
        raise VaultUnreadableError(
            f"{path} is a database of another program, not a vault.",
            next_step="Give this shop's own folder with --home.",
        )
    if version > SCHEMA_VERSION:
        raise VaultTooNewError(
            f"The shop's data was written by a newer Highstreet (schema {version}; known: {SCHEMA_VERSION}).",
            next_step="Update Highstreet on this computer; nothing was changed.",
        )
    return int(version)


def _statements(script: str) -> Iterator[str]:
    """Split a script at complete statements (triggers hold semicolons), to run in one transaction."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
