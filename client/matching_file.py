"""The file of private matchings: its tables, opened only if it is whole, and its transactions."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from highstreet.client.errors import MatchingStateError
from highstreet.files import make_private_folder, sync_folder

__all__ = ["open_matching_file", "transaction"]

_PRIVATE_FILE = 0o600
_BUSY_TIMEOUT_SECONDS = 20.0
#: "HSMT" in ASCII: tells this file from any other SQLite file.
_APPLICATION_ID = 0x48534D54
_RESTORE = (
    "Nothing is sent. Remove it, and take part in no matching until the charter's period has passed: what "
    "this store answered is not known any more."
)

# Rows of `matchings` stay for good; all else is secret or personal and goes when a matching is over.
_VERSION_1 = """
CREATE TABLE matchings (
    request_sha256 BLOB PRIMARY KEY CHECK (length(request_sha256) = 32),
    context_sha256 BLOB NOT NULL CHECK (length(context_sha256) = 32),
    coop_id TEXT NOT NULL,
    matching_id TEXT NOT NULL,
    vault_id TEXT NOT NULL,
    begun_on_day INTEGER NOT NULL,
    table_request_sha256 BLOB CHECK (length(table_request_sha256) = 32),
    is_destroyed INTEGER NOT NULL DEFAULT 0 CHECK (is_destroyed IN (0, 1)),
    UNIQUE (coop_id, matching_id)
) STRICT;
CREATE TABLE holders (
    request_sha256 BLOB PRIMARY KEY REFERENCES matchings (request_sha256),
    secret_key BLOB NOT NULL,
    keys_sha256 BLOB CHECK (length(keys_sha256) = 32)
) STRICT;
CREATE TABLE answers (
    request_sha256 BLOB NOT NULL REFERENCES holders (request_sha256),
    member_id TEXT NOT NULL,
    list_sha256 BLOB NOT NULL CHECK (length(list_sha256) = 32),
    PRIMARY KEY (request_sha256, member_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE stores (
    request_sha256 BLOB PRIMARY KEY REFERENCES matchings (request_sha256),
    seed BLOB NOT NULL,
    dummies INTEGER NOT NULL,
    mask_seed BLOB,
    made_up_seed BLOB,
    CHECK ((mask_seed IS NULL) = (made_up_seed IS NULL))
) STRICT;
-- A customer who withdraws keeps the place in the list, which is sent as it was; only the tag goes.
CREATE TABLE customers (
    request_sha256 BLOB NOT NULL REFERENCES stores (request_sha256),
    place INTEGER NOT NULL,
    customer TEXT NOT NULL,
    input BLOB NOT NULL,
    tag BLOB,
    is_left_out INTEGER NOT NULL DEFAULT 0 CHECK (is_left_out = 0 OR tag IS NULL),
    PRIMARY KEY (request_sha256, place),
    UNIQUE (request_sha256, customer)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER matchings_remain BEFORE DELETE ON matchings BEGIN SELECT RAISE(ABORT, 'they stay'); END;
CREATE TRIGGER matchings_stay_over BEFORE UPDATE ON matchings
    WHEN old.is_destroyed = 1 OR new.request_sha256 <> old.request_sha256
        OR (old.table_request_sha256 IS NOT NULL AND new.table_request_sha256 IS NOT old.table_request_sha256)
BEGIN SELECT RAISE(ABORT, 'they stay'); END;
"""
_MIGRATIONS = (_VERSION_1,)


def open_matching_file(path: Path) -> sqlite3.Connection:
    """Open the file after checking it as a whole; make it if there is none.

    What is deleted from it is overwritten. A transaction is on the disk when it ends: EXTRA is what FULL is
    for other journals, it also forces the removal of the rollback journal. That journal, unlike a write-ahead
    log, keeps no copy of a secret past the transaction.

    Raises:
        MatchingStateError: damaged, another program's, of a newer version, locked or not writable.
    """
    make_private_folder(path.parent)
    with _named(path):
        connection = _connect(path)
        try:
            _migrate(connection, path)
            if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                raise _damaged(path)
            if connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
                raise _damaged(path)
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """Hold the write lock for a block that is applied and forced to disk as a whole, or not at all.

    Raises:
        MatchingStateError: the file could not do it; nothing was changed.
    """
    with _named(path):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def _connect(path: Path) -> sqlite3.Connection:
    if not path.exists():
        # Made by us, so that it is never readable by others; SQLite gives its journal the same mode.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, _PRIVATE_FILE))
        sync_folder(path.parent)
    path.chmod(_PRIVATE_FILE)
    connection = sqlite3.connect(
        path, timeout=_BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
    )
    for pragma in (
        "journal_mode = DELETE",
        "synchronous = EXTRA",
        "fullfsync = ON",
        "foreign_keys = ON",
        "trusted_schema = OFF",
        "secure_delete = ON",
    ):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    with transaction(connection, path):
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if application != _APPLICATION_ID and (version or tables):
            raise MatchingStateError(f"{path} is not a file of matchings.", next_step=_RESTORE)
        if version > len(_MIGRATIONS):
            raise MatchingStateError(
                f"{path} was written by a newer Highstreet (schema {version}, known {len(_MIGRATIONS)}).",
                next_step="Update Highstreet on this computer; nothing was changed.",
            )
        for number, script in enumerate(_MIGRATIONS[version:], start=version + 1):
            for statement in _statements(script):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {number}")


def _statements(script: str) -> Iterator[str]:
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours; none of them repeats a cell."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        text = str(error).casefold()
        if "full" in text or "no space" in text:
            what, next_step = f"The disk that holds {path} is full; nothing was sent.", "Free some space."
        elif "locked" in text or "busy" in text:
            what, next_step = f"Another process is writing to {path}.", "Wait until it has ended."
        elif isinstance(error, sqlite3.OperationalError | OSError) and "malformed" not in text:
            what, next_step = f"{path} cannot be used.", "Check the disk and the file's owner."
        else:
            raise _damaged(path) from error
        raise MatchingStateError(what, next_step=next_step) from error


def _damaged(path: Path) -> MatchingStateError:
    return MatchingStateError(f"{path} is damaged.", next_step=_RESTORE)
