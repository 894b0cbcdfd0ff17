"""A private database: an SQLite file of one shop, opened only when it can be relied on, and durable.

Only its owner can read it. What a transaction wrote is on the disk when it ends, or nothing of it is. What is
deleted is overwritten, and where the kind forgets, no log or journal beside the file keeps it: a write-ahead
log for no longer than a reader who began before, or a full disk, keeps it from being emptied.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from highstreet.client.database_kind import DatabaseKind, Fault, fault_of
from highstreet.files import make_private_folder, sync_folder

__all__ = ["PrivateDatabase"]

_PRIVATE_FILE = 0o600
_BUSY_TIMEOUT_SECONDS = 20.0
_BUSY_PAUSE_SECONDS = 0.02
#: Files that SQLite keeps beside a database; it gives them the database's mode.
_BESIDE = ("", "-wal", "-shm", "-journal")


class PrivateDatabase:
    """An open private database; every failure is told by its kind's errors."""

    def __init__(self, path: Path, connection: sqlite3.Connection, kind: DatabaseKind) -> None:
        self.path = path
        self.connection = connection
        self.kind = kind

    @classmethod
    def open(cls, path: Path, kind: DatabaseKind) -> Self:
        """Open a database, made when there is none, and bring its schema up to date.

        One of another program or a newer version is left as it is.

        Raises:
            ClientError: of the kind: damaged, foreign, newer, locked, or it cannot be read or written.
        """
        make_private_folder(path.parent)
        with _explaining(kind, path):
            _make_private(path)
            connection = sqlite3.connect(
                path,
                timeout=_BUSY_TIMEOUT_SECONDS,
                isolation_level=None,
                check_same_thread=not kind.is_shared,
            )
        opened = cls(path, connection, kind)
        try:
            with opened.explaining():
                opened._version()  # before anything is changed: it may be another program's
                opened._set_up()
                opened._migrate()
                connection.execute("PRAGMA foreign_keys = ON")
                if kind.is_checked_whole:
                    opened._check()
                opened._forget()
        except BaseException:
            connection.close()
            raise
        return opened

    def close(self) -> None:
        """Close the file; an open transaction is rolled back."""
        self._forget()
        self.connection.close()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """See one unchanging state for as long as the block lasts."""
        with self._transaction("BEGIN"):
            yield self.connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Hold the write lock for a block that is on the disk as a whole when it ends, or not at all."""
        with self._transaction("BEGIN IMMEDIATE"):
            yield self.connection
        self._forget()

    def rewrite(self) -> None:
        """Write the whole file anew and empty its log, so that nothing is left in it of what was deleted.

        What is deleted is overwritten in its place; but pages that were moved or taken apart before may hold
        older copies in what they do not use. Here every page is new, and the old file's end is cut off.

        Raises:
            ClientError: of the kind: somebody else reads or writes it, or there is no room; say it again.
        """
        with self.explaining():
            self.connection.execute("PRAGMA temp_store = MEMORY")  # no copy in a folder of the system's
            self.connection.execute("VACUUM")
            if self.kind.has_write_ahead_log:
                (busy, _, _) = self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                if busy:
                    raise self._fault(Fault.BUSY)

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """Turn SQLite's and the disk's errors into the kind's."""
        with _explaining(self.kind, self.path):
            yield

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        with self.explaining():
            self.connection.execute(begin)
            try:
                yield
                self.connection.execute("COMMIT")
            finally:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")

    def _fault(self, fault: Fault) -> Exception:
        return self.kind.explained(fault, self.path)

    def _version(self) -> int:
        """Return the schema's version, 0 for a new file; refuse what is not for this program."""
        version, application, tables = self.connection.execute(
            "SELECT user_version, application_id, (SELECT count(*) FROM sqlite_master)"
            " FROM pragma_user_version, pragma_application_id"
        ).fetchone()  # at once: another process may be making it
        if application != self.kind.application_id and (version or tables):
            raise self._fault(Fault.FOREIGN)
        if version > len(self.kind.migrations):
            raise self._fault(Fault.NEWER)
        return int(version)

    def _set_up(self) -> None:
        journal = "wal" if self.kind.has_write_ahead_log else "delete"
        deadline = time.monotonic() + _BUSY_TIMEOUT_SECONDS
        while not self._keeps_journal(journal, or_wait=time.monotonic() < deadline):
            time.sleep(_BUSY_PAUSE_SECONDS)
        # FULL forces every commit to the disk, EXTRA the removal of a rollback journal as well; fullfsync
        # makes that true on macOS. References are held from when the schema is up to date: a migration may
        # make a table anew that others refer to, and inside its transaction this cannot be set.
        for pragma in (
            f"synchronous = {'FULL' if self.kind.has_write_ahead_log else 'EXTRA'}",
            "fullfsync = ON",
            "checkpoint_fullfsync = ON",
            "trusted_schema = OFF",
            "secure_delete = ON",
            "foreign_keys = OFF",
        ):
            self.connection.execute(f"PRAGMA {pragma}")

    def _keeps_journal(self, journal: str, *, or_wait: bool) -> bool:
        """Give the file its kind of journal; False when somebody else writes: SQLite does not wait then."""
        try:
            for pragma in ("journal_mode", f"journal_mode = {journal}"):
                (mode,) = self.connection.execute(f"PRAGMA {pragma}").fetchone()
                if mode == journal:
                    return True
        except sqlite3.Error as error:
            if or_wait and fault_of(error) is Fault.BUSY:
                return False
            raise
        raise self._fault(Fault.DISK)

    def _migrate(self) -> None:
        """Bring the schema up to date, one transaction a step; another process may take one first."""
        for name, function in self.kind.functions.items():
            self.connection.create_function(name, -1, function)
        while (seen := self._version()) < len(self.kind.migrations):
            with self._transaction("BEGIN IMMEDIATE"):
                if self._version() == seen:
                    for statement in _statements(self.kind.migrations[seen]):
                        self.connection.execute(statement)
                    if seen == 0 and self.kind.identity is not None:
                        self.connection.execute("INSERT INTO identity VALUES (?, 1)", (self.kind.identity(),))
                    self.connection.execute(f"PRAGMA application_id = {self.kind.application_id}")
                    self.connection.execute(f"PRAGMA user_version = {seen + 1}")

    def _check(self) -> None:
        for pragma in ("quick_check(1)", "foreign_key_check"):
            if self.connection.execute(f"PRAGMA {pragma}").fetchone() not in (None, ("ok",)):
                raise self._fault(Fault.DAMAGED)

    def _forget(self) -> None:
        """Empty the write-ahead log, which holds pages as they were before; what was written stays written.

        While a reader needs it, or the disk is full, it cannot be: whoever writes, closes or opens next does.
        """
        if not (self.kind.forgets and self.kind.has_write_ahead_log):
            return
        with suppress(sqlite3.Error):
            self.connection.execute("PRAGMA busy_timeout = 0")
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with suppress(sqlite3.Error):
            self.connection.execute(f"PRAGMA busy_timeout = {int(_BUSY_TIMEOUT_SECONDS * 1000)}")


@contextmanager
def _explaining(kind: DatabaseKind, path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise kind.explained(fault_of(error), path) from error


def _make_private(path: Path) -> None:
    """Make the file with its final mode before SQLite sees it; make one private that no longer was."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _PRIVATE_FILE))
        sync_folder(path.parent)
    for ending in _BESIDE:
        place = path.with_name(path.name + ending)
        with suppress(FileNotFoundError):
            if place.stat().st_mode & 0o777 != _PRIVATE_FILE:
                place.chmod(_PRIVATE_FILE)


def _statements(script: str) -> Iterator[str]:
    """Split a script at complete statements (triggers hold semicolons), to run in one transaction."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
