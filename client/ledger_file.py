"""The ledger's file: opened only if it is whole, and never older than what was last known of it.

Every event (a spend, a reply, a committee member's agreement, a restoration) is chained to the one before by
SHA-256. A small file beside the database, the mark, holds the number and digest of the last event; it is
written after the database and before anything is computed or sent. A database that is behind its mark was put
back from an old copy, and is refused: it would forget what was spent. A copy of the whole folder put back at
once is beyond what one machine can notice; the owner says so (`client.restoration`).
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from highstreet.client.database_kind import DatabaseKind, Fault
from highstreet.client.errors import (
    LedgerBusyError,
    LedgerError,
    LedgerFullError,
    LedgerRewoundError,
    LedgerTooNewError,
    LedgerUnreadableError,
)
from highstreet.client.ledger_schema import MIGRATIONS
from highstreet.client.private_database import PrivateDatabase
from highstreet.files import make_private_folder, read_limited, write_private

__all__ = [
    "LEDGER_KIND",
    "Event",
    "agreement_digest",
    "exposure_digest",
    "last_event",
    "mark_path",
    "open_ledger",
    "open_put_aside",
    "refuse_stray_exposures",
    "reply_digest",
    "restoration_digest",
    "round_digest",
    "settle",
]

_MARK_LIMIT_BYTES = 1024
_RESTORE = (
    "Nothing is sent. A backup of it does not know what was spent since: say `highstreet store restored`, "
    "which leaves the co-op and keeps this shop out of rounds until the period of the budget is over."
)

LEDGER_KIND = DatabaseKind(
    noun="ledger",
    outcome="nothing was spent and nothing sent",
    repair=_RESTORE,
    application_id=0x4853424C,  # "HSBL" in ASCII
    migrations=MIGRATIONS,
    identity=lambda: os.urandom(32),
    has_write_ahead_log=True,
    forgets=False,  # nothing is ever deleted from it
    is_checked_whole=True,
    is_shared=True,
    root=LedgerError,
    errors={
        Fault.FULL: LedgerFullError,
        Fault.BUSY: LedgerBusyError,
        Fault.DAMAGED: LedgerUnreadableError,
        Fault.FOREIGN: LedgerUnreadableError,
        Fault.NEWER: LedgerTooNewError,
    },
)


@dataclass(frozen=True, slots=True)
class Event:
    """The last thing the ledger knows.

    Attributes:
        sequence: its number; 0 before the first.
        digest: of the chain up to it.
    """

    sequence: int
    digest: bytes


def open_ledger(path: Path) -> PrivateDatabase:
    """Open the ledger after checking every event against chain and mark; make it if there never was one.

    Raises:
        LedgerError: it is damaged, older than its mark, newer than this program, missing, locked or not
            writable.
    """
    make_private_folder(path.parent)
    mark = _read_mark(path)
    if mark is not None and not path.exists():
        raise LedgerRewoundError(
            f"The ledger {path} is gone, but spending was recorded in it.", next_step=_RESTORE
        )
    database = PrivateDatabase.open(path, LEDGER_KIND)
    try:
        with database.reading() as connection:
            _verify(connection, mark)
        settle(database)
    except BaseException:
        database.close()
        raise
    return database


def open_put_aside(path: Path) -> PrivateDatabase:
    """Open a ledger that is in use no more after checking its chain; what its mark says does not matter.

    Raises:
        LedgerError: there is none, or it is damaged, newer than this program or locked.
    """
    if not path.is_file():
        raise LedgerUnreadableError(f"There is no ledger {path}.")
    database = PrivateDatabase.open(path, LEDGER_KIND)
    try:
        with database.reading() as connection:
            _check_chain(connection)
    except BaseException:
        database.close()
        raise
    return database


def settle(database: PrivateDatabase) -> None:
    """Write the mark of the last committed event; nothing may be computed or sent before.

    Under the database's write lock, so that two processes cannot put the mark back.
    """
    place = mark_path(database.path)
    with database.writing() as connection:
        for orphan in place.parent.glob(f".{place.name}.*.tmp"):
            orphan.unlink(
                missing_ok=True
            )  # of a process killed here; the lock says nobody else is writing one
        event = last_event(connection)
        mark = {"version": 1, "sequence": event.sequence, "digest": event.digest.hex()}
        write_private(place, json.dumps(mark).encode())


def last_event(connection: sqlite3.Connection) -> Event:
    """Return the newest event, or the start of the chain."""
    row = connection.execute(
        "SELECT sequence, digest FROM rounds UNION ALL SELECT sequence, digest FROM replies "
        "UNION ALL SELECT sequence, digest FROM agreements "
        "UNION ALL SELECT sequence, digest FROM restorations ORDER BY sequence DESC LIMIT 1"
    ).fetchone()
    return Event(*row) if row else Event(0, _start(connection))


def refuse_stray_exposures(connection: sqlite3.Connection) -> None:
    """Refuse a ledger in which somebody was exposed outside its rounds.

    The budget is held against all rounds of the period; that bounds every customer only while each one's
    history is a part of them. By index only: an event's number is a round's or that of another event.

    Raises:
        LedgerUnreadableError: an exposure belongs to no round.
    """
    (newest,) = connection.execute("SELECT coalesce(max(sequence), 0) FROM rounds").fetchone()
    (is_stray,) = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM exposures WHERE sequence < 1)"
        " OR EXISTS (SELECT 1 FROM exposures WHERE sequence > ?)"
        " OR EXISTS (SELECT 1 FROM replies CROSS JOIN exposures USING (sequence))"
        " OR EXISTS (SELECT 1 FROM agreements CROSS JOIN exposures USING (sequence))"
        " OR EXISTS (SELECT 1 FROM restorations CROSS JOIN exposures USING (sequence))",
        (newest,),
    ).fetchone()
    if is_stray:
        raise LedgerUnreadableError("The ledger exposes somebody outside its rounds.", next_step=_RESTORE)


def exposure_digest(customers: list[bytes]) -> bytes:
    """Return the digest of a round's customers, in ascending order."""
    return hashlib.sha256(b"".join(sorted(customers))).digest()


def round_digest(before: bytes, values: tuple[int | float | str | bytes, ...]) -> bytes:
    """Chain a spend: sequence, programme, phase, request, day, noise multiplier, sampling rate, customers."""
    return _chain(before, "round", values)


def reply_digest(before: bytes, sequence: int, round_sequence: int, reply: bytes) -> bytes:
    """Chain a reply to the round it answers."""
    return _chain(before, "reply", (sequence, round_sequence, hashlib.sha256(reply).digest()))


def agreement_digest(before: bytes, values: tuple[int | str | bytes, ...]) -> bytes:
    """Chain an agreement: sequence, programme, phase, request, set of contributors."""
    return _chain(before, "agreement", values)


def restoration_digest(before: bytes, sequence: int, day: int) -> bytes:
    """Chain a restoration: sequence, and the day until which spends may be forgotten."""
    return _chain(before, "restoration", (sequence, day))


def mark_path(path: Path) -> Path:
    """Return where a ledger's mark lies."""
    return path.with_name(path.name + ".mark")


def _chain(before: bytes, kind: str, values: tuple[int | float | str | bytes, ...]) -> bytes:
    plain = [value.hex() if isinstance(value, bytes) else value for value in values]
    return hashlib.sha256(before + json.dumps([kind, *plain]).encode()).digest()


def _start(connection: sqlite3.Connection) -> bytes:
    (salt,) = connection.execute("SELECT salt FROM identity").fetchone()
    return hashlib.sha256(b"highstreet ledger 1" + salt).digest()


def _read_mark(path: Path) -> Event | None:
    place = mark_path(path)
    if not place.exists():
        return None
    try:
        plain = json.loads(read_limited(place, limit_bytes=_MARK_LIMIT_BYTES))
        if plain["version"] != 1:
            raise ValueError
        return Event(int(plain["sequence"]), bytes.fromhex(plain["digest"]))
    except (ValueError, KeyError, TypeError) as error:
        raise LedgerUnreadableError(f"The ledger's mark {place} is damaged.", next_step=_RESTORE) from error


def _check_chain(connection: sqlite3.Connection) -> list[bytes]:
    """Return the chain's start and the digest of every event after checking each."""
    digests = [_start(connection)]
    for event in _recomputed(connection, digests):
        if event.sequence != len(digests):
            raise LedgerUnreadableError("An entry of the ledger is missing.", next_step=_RESTORE)
        digests.append(event.digest)
    return digests


def _verify(connection: sqlite3.Connection, mark: Event | None) -> None:
    digests = _check_chain(connection)
    if mark is None:
        if len(digests) > 1:
            raise LedgerRewoundError("The ledger's mark is gone, so its age is unknown.", next_step=_RESTORE)
    elif mark.sequence >= len(digests) or digests[mark.sequence] != mark.digest:
        raise LedgerRewoundError(
            "The ledger is older than what this store has already spent, or is another store's.",
            next_step=_RESTORE,
        )


def _recomputed(connection: sqlite3.Connection, digests: list[bytes]) -> Iterator[Event]:
    """Yield every event with the digest it should have; refuse the first that has another."""
    events = sorted(
        (row[0], kind, row)
        for kind in ("rounds", "replies", "agreements", "restorations")
        for row in connection.execute(f"SELECT * FROM {kind}").fetchall()  # noqa: S608 - from the line above
    )
    for sequence, kind, row in events:
        is_same = True
        if kind == "rounds":
            members = connection.execute("SELECT customer FROM exposures WHERE sequence = ?", (sequence,))
            is_same = exposure_digest([customer for (customer,) in members]) == row[7]
            digest = round_digest(digests[-1], row[:8])
        elif kind == "replies":
            digest = reply_digest(digests[-1], sequence, row[1], row[2])
        elif kind == "agreements":
            digest = agreement_digest(digests[-1], row[:5])
        else:
            digest = restoration_digest(digests[-1], row[0], row[1])
        if not is_same or digest != row[-1]:
            raise LedgerUnreadableError(f"Entry {sequence} of the ledger was changed.", next_step=_RESTORE)
        yield Event(sequence, digest)
