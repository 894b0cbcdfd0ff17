"""coop.db: what the coordinator must not forget, in one SQLite file."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from highstreet.files import DiskFullError, access_error
from highstreet.server.errors import DatabaseError

__all__ = ["connect", "empty_log", "transaction"]

#: Each script runs once, in order; user_version counts those that ran. Never edit one, add one.
_MIGRATIONS = (
    """
    CREATE TABLE invites (
        invite_id     TEXT PRIMARY KEY,
        name          TEXT NOT NULL,
        secret_sha256 BLOB NOT NULL,
        created_at    INTEGER NOT NULL,
        expires_at    INTEGER NOT NULL,
        used_at       INTEGER,
        used_by       TEXT REFERENCES members (member_id)
    ) STRICT;
    CREATE TABLE members (
        member_id          TEXT PRIMARY KEY,
        name               TEXT NOT NULL,
        signing_public_key BLOB NOT NULL,
        node_public_key    BLOB NOT NULL,
        keys_sha256        BLOB NOT NULL,
        node_id            INTEGER,
        certificate_serial TEXT NOT NULL UNIQUE,
        certificate_pem    BLOB NOT NULL,
        claimed_at         INTEGER NOT NULL,
        joined_at          INTEGER,
        left_at            INTEGER
    ) STRICT;
    CREATE UNIQUE INDEX member_names ON members (name) WHERE left_at IS NULL;
    CREATE UNIQUE INDEX member_signing_keys ON members (signing_public_key) WHERE left_at IS NULL;
    CREATE UNIQUE INDEX member_node_keys ON members (node_public_key) WHERE left_at IS NULL;
    CREATE TABLE programmes (
        programme_id   TEXT PRIMARY KEY,
        number         INTEGER NOT NULL UNIQUE,
        requested_at   INTEGER NOT NULL,
        finished_at    INTEGER,
        state          TEXT NOT NULL CHECK (state IN ('requested', 'running', 'finished', 'failed')),
        failure        TEXT NOT NULL DEFAULT '',
        charter_sha256 BLOB NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX one_active_programme ON programmes ((1)) WHERE state IN ('requested', 'running');
    CREATE TABLE rounds (
        programme_id TEXT NOT NULL REFERENCES programmes (programme_id),
        round        INTEGER NOT NULL,
        phase        TEXT NOT NULL,
        request      BLOB NOT NULL,
        opened_at    INTEGER NOT NULL,
        closed_at    INTEGER,
        contributors INTEGER,
        state        BLOB,
        PRIMARY KEY (programme_id, round)
    ) STRICT;
    CREATE TABLE replies (
        programme_id TEXT NOT NULL,
        round        INTEGER NOT NULL,
        member_id    TEXT NOT NULL REFERENCES members (member_id),
        reply        BLOB,
        refusal      TEXT NOT NULL DEFAULT '',
        received_at  INTEGER NOT NULL,
        PRIMARY KEY (programme_id, round, member_id),
        FOREIGN KEY (programme_id, round) REFERENCES rounds (programme_id, round)
    ) STRICT;
    CREATE TABLE releases (
        number       INTEGER PRIMARY KEY,
        programme_id TEXT NOT NULL UNIQUE REFERENCES programmes (programme_id),
        manifest     BLOB NOT NULL,
        signature    BLOB NOT NULL,
        created_at   INTEGER NOT NULL
    ) STRICT;
    """,
    # Days since 1970; with the default no purchase counts, so a row that forgets it uses nobody's data.
    """
    ALTER TABLE programmes ADD COLUMN as_of_day INTEGER NOT NULL DEFAULT 0;
    UPDATE programmes SET as_of_day = requested_at / 86400;
    """,
    # A roster names every member's encryption key. Memberships from before have none and end: those stores
    # join anew, as they have to anyway, since their charter names neither colluders nor committee.
    """
    ALTER TABLE members ADD COLUMN encryption_public_key BLOB NOT NULL DEFAULT x'';
    UPDATE members SET left_at = CAST(strftime('%s', 'now') AS INTEGER) WHERE left_at IS NULL;
    CREATE UNIQUE INDEX member_encryption_keys ON members (encryption_public_key) WHERE left_at IS NULL;
    CREATE TABLE vouching_messages (
        number     INTEGER PRIMARY KEY AUTOINCREMENT,
        sender     TEXT NOT NULL REFERENCES members (member_id),
        recipient  TEXT NOT NULL REFERENCES members (member_id),
        step       INTEGER NOT NULL,
        commitment BLOB NOT NULL,
        nonce      BLOB NOT NULL,
        sent_at    INTEGER NOT NULL,
        UNIQUE (sender, recipient, step)
    ) STRICT;
    CREATE TABLE vouches (
        number    INTEGER PRIMARY KEY AUTOINCREMENT,
        voucher   TEXT NOT NULL REFERENCES members (member_id),
        subject   TEXT NOT NULL REFERENCES members (member_id),
        signature BLOB NOT NULL,
        UNIQUE (voucher, subject)
    ) STRICT;
    """,
    # Rounds go through the secure sum. One that is open was asked in a form that is not spoken any more, so
    # its programme ends, and what stores sent for it, each with its own noise, is dropped.
    """
    UPDATE programmes SET state = 'failed', finished_at = CAST(strftime('%s', 'now') AS INTEGER),
        failure = 'The software was updated while it ran. Nothing was released.'
        WHERE state IN ('requested', 'running');
    UPDATE replies SET reply = NULL WHERE refusal = '';
    ALTER TABLE rounds ADD COLUMN asked_state BLOB;
    ALTER TABLE rounds ADD COLUMN announced_at INTEGER;
    ALTER TABLE rounds ADD COLUMN set_sha256 BLOB;
    ALTER TABLE rounds ADD COLUMN answers INTEGER;
    ALTER TABLE rounds ADD COLUMN wrong INTEGER;
    ALTER TABLE rounds ADD COLUMN is_checked INTEGER;
    ALTER TABLE replies ADD COLUMN announced INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE committee_replies (
        number       INTEGER PRIMARY KEY AUTOINCREMENT,
        programme_id TEXT NOT NULL,
        round        INTEGER NOT NULL,
        stage        TEXT NOT NULL CHECK (stage IN ('agreement', 'answer')),
        member_id    TEXT NOT NULL REFERENCES members (member_id),
        reply        BLOB NOT NULL,
        received_at  INTEGER NOT NULL,
        UNIQUE (programme_id, round, stage, member_id),
        FOREIGN KEY (programme_id, round) REFERENCES rounds (programme_id, round)
    ) STRICT;
    """,
    # Before a set is announced the committee looks the contributions through.
    """
    CREATE TABLE complaints (
        programme_id TEXT NOT NULL,
        round        INTEGER NOT NULL,
        contributor  TEXT NOT NULL REFERENCES members (member_id),
        complainer   TEXT NOT NULL REFERENCES members (member_id),
        left_out     INTEGER NOT NULL,
        at_fault     INTEGER NOT NULL,
        PRIMARY KEY (programme_id, round, contributor, complainer),
        FOREIGN KEY (programme_id, round) REFERENCES rounds (programme_id, round)
    ) STRICT;
    """,
    # Ids, ascending, a space between two.
    """
    ALTER TABLE vouches ADD COLUMN replaces TEXT NOT NULL DEFAULT '';
    CREATE TABLE withdrawals (
        number    INTEGER PRIMARY KEY AUTOINCREMENT,
        voucher   TEXT NOT NULL REFERENCES members (member_id),
        subject   TEXT NOT NULL REFERENCES members (member_id),
        signature BLOB NOT NULL,
        UNIQUE (voucher, subject)
    ) STRICT;
    """,
    # A matching is a run of its own kind; the sum of its tables is its one round.
    """
    ALTER TABLE programmes ADD COLUMN kind TEXT NOT NULL DEFAULT 'training'
        CHECK (kind IN ('training', 'matching'));
    CREATE TABLE matchings (
        programme_id TEXT PRIMARY KEY REFERENCES programmes (programme_id),
        request      BLOB NOT NULL,
        opened_at    INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE matching_messages (
        number       INTEGER PRIMARY KEY AUTOINCREMENT,
        programme_id TEXT NOT NULL REFERENCES matchings (programme_id),
        part         TEXT NOT NULL CHECK (part IN ('key', 'list', 'evaluations', 'counts')),
        member_id    TEXT NOT NULL REFERENCES members (member_id),
        holder_id    TEXT NOT NULL DEFAULT '',
        message      BLOB NOT NULL,
        refusal      TEXT NOT NULL DEFAULT '',
        UNIQUE (programme_id, part, member_id, holder_id)
    ) STRICT;
    """,
    # What a matching's counts are read from outlives the matching a while, for stores that were away.
    """
    ALTER TABLE matchings ADD COLUMN evidence BLOB;
    ALTER TABLE matchings ADD COLUMN evidence_until INTEGER NOT NULL DEFAULT 0;
    """,
    # The matching whose counts a training takes; none where its charter takes none.
    """
    ALTER TABLE programmes ADD COLUMN counts_from TEXT REFERENCES programmes (programme_id);
    """,
    # What contributors signed of how their contributions were made; stays when those are dropped.
    """
    CREATE TABLE attestations (
        programme_id TEXT NOT NULL,
        round        INTEGER NOT NULL,
        member_id    TEXT NOT NULL REFERENCES members (member_id),
        document     BLOB NOT NULL,
        signature    BLOB NOT NULL,
        PRIMARY KEY (programme_id, round, member_id),
        FOREIGN KEY (programme_id, round) REFERENCES rounds (programme_id, round)
    ) STRICT;
    """,
    # What the rules on bias said of each candidate, whether it was released or kept back.
    """
    CREATE TABLE verdicts (
        number       INTEGER PRIMARY KEY AUTOINCREMENT,
        programme_id TEXT NOT NULL REFERENCES programmes (programme_id),
        verdict      TEXT NOT NULL CHECK (verdict IN ('pass', 'fail', 'undetermined')),
        document     BLOB NOT NULL,
        UNIQUE (programme_id, document)
    ) STRICT;
    """,
    # A matching's lists are attested too, before there is a round of its tables.
    """
    CREATE TABLE attestations_of_all (
        programme_id TEXT NOT NULL REFERENCES programmes (programme_id),
        round        INTEGER NOT NULL,
        kind         TEXT NOT NULL,
        member_id    TEXT NOT NULL REFERENCES members (member_id),
        document     BLOB NOT NULL,
        signature    BLOB NOT NULL,
        PRIMARY KEY (programme_id, round, kind, member_id)
    ) STRICT;
    INSERT INTO attestations_of_all
        SELECT programme_id, round, 'training', member_id, document, signature FROM attestations;
    DROP TABLE attestations;
    ALTER TABLE attestations_of_all RENAME TO attestations;
    """,
)


def connect(path: Path, *, create: bool = False) -> sqlite3.Connection:
    """Open coop.db and bring its tables up to date; each statement commits unless in `transaction`.

    Every commit is on the disk when it returns (WAL, synchronous=FULL). One connection belongs to one thread.

    Raises:
        DatabaseError: missing, not ours, or made by a newer version of this software.
    """
    if create:
        _make_private(path)
    elif not path.is_file():
        raise DatabaseError(f"{path} does not exist.", next_step="Restore it from a backup.")
    connection = sqlite3.connect(path, isolation_level=None, timeout=30)
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        # What is dropped (contributions of a closed round) is overwritten, not left in free pages; what is
        # left of it in coop.db-wal is for `empty_log`.
        connection.execute("PRAGMA secure_delete=ON")
        _migrate(connection, path)
    except sqlite3.Error as error:
        connection.close()
        raise _as_ours(path, error) from error
    except DatabaseError:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Do everything inside or nothing; the write lock is taken first, so what is read stays true."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if isinstance(error, sqlite3.OperationalError):
            raise _as_ours(Path("coop.db"), error) from error
        raise


def empty_log(connection: sqlite3.Connection) -> bool:
    """Write all that was committed into coop.db and cut coop.db-wal to nothing; return whether it is done.

    What was dropped before is then in neither file: pages it lay on are overwritten (secure_delete) and the
    log that still held them is empty. Not done where another connection kept reading or writing all the time
    that `connect` has SQLite wait; try again later.

    Raises:
        DatabaseError, DiskFullError: coop.db could not be written.
    """
    try:
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError as error:
        raise _as_ours(Path("coop.db"), error) from error
    return not busy


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Run the scripts this file has not seen, each with its new version in one transaction."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == len(_MIGRATIONS):
        return
    with transaction(connection):
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > len(_MIGRATIONS):
            raise DatabaseError(
                f"{path} was written by a newer version of this software.",
                next_step="Install that version or a later one.",
            )
        for number, script in enumerate(_MIGRATIONS[version:], start=version + 1):
            for statement in script.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number:d}")


def _make_private(path: Path) -> None:
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise access_error(path, error) from error


def _as_ours(path: Path, error: sqlite3.Error) -> DatabaseError | DiskFullError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}:
        return DiskFullError(
            f"{path} could not be written; nothing was changed.",
            next_step="Free some space on the disk and try again.",
        )
    if code == sqlite3.SQLITE_BUSY:
        return DatabaseError(f"{path} is in use by another process.", next_step="Try again in a minute.")
    return DatabaseError(f"{path} is not a database of ours.", next_step="Restore it from a backup.")
