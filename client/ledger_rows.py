"""Rows of the ledger, as the rounds and replies they stand for; the caller holds a transaction."""

from __future__ import annotations

import hmac
import sqlite3
from collections import defaultdict
from collections.abc import Collection

from highstreet.client.errors import RoundRepeatedError
from highstreet.client.ledger_entries import ExposedRound, LedgerEvent, RoundKey
from highstreet.client.ledger_file import (
    Event,
    agreement_digest,
    exposure_digest,
    reply_digest,
    restoration_digest,
    round_digest,
)
from highstreet.privacy.releases import GaussianRelease, customer_release

__all__ = [
    "History",
    "agreed_set",
    "all_rounds",
    "events_after",
    "exposed_in",
    "find_round",
    "histories_since",
    "insert_agreement",
    "insert_reply",
    "insert_restoration",
    "insert_round",
    "latest_day",
    "latest_spends",
    "releases_since",
    "replies_since",
    "reply_to",
    "restored_on",
    "round_digests",
]

#: Rounds that a customer was exposed in, by their numbers in the ledger.
History = tuple[int, ...]


def events_after(connection: sqlite3.Connection, sequence: int, *, limit: int) -> list[LedgerEvent]:
    """Return events with larger numbers, in order, at most so many; nothing in them is of a customer."""
    rows = connection.execute(
        "SELECT sequence, 'spend', digest, programme_id, phase, request_sha256, day, noise_multiplier,"
        " sampling_rate FROM rounds WHERE sequence > :after"
        " UNION ALL SELECT sequence, 'reply', digest, NULL, NULL, NULL, NULL, NULL, NULL"
        " FROM replies WHERE sequence > :after"
        " UNION ALL SELECT sequence, 'agreement', digest, programme_id, phase, request_sha256, NULL, NULL,"
        " NULL FROM agreements WHERE sequence > :after"
        " UNION ALL SELECT sequence, 'restoration', digest, NULL, NULL, NULL, day, NULL, NULL"
        " FROM restorations WHERE sequence > :after ORDER BY 1 LIMIT :limit",
        {"after": sequence, "limit": limit},
    )
    return [LedgerEvent(*row) for row in rows]


def find_round(connection: sqlite3.Connection, key: RoundKey) -> int | None:
    """Return the number of a round that was paid for, None for one that was not.

    Raises:
        RoundRepeatedError: another request for the same phase was paid for, or its set agreed to.
    """
    for table in ("rounds", "agreements"):
        row = connection.execute(
            f"SELECT request_sha256 FROM {table} WHERE programme_id = ? AND phase = ?",  # noqa: S608 - from the line above
            (key.programme_id, key.phase),
        ).fetchone()
        if row is not None and not hmac.compare_digest(row[0], key.request_sha256):
            raise RoundRepeatedError(
                f"Phase {key.phase} of programme {key.programme_id} was asked for before by another request; "
                "nothing was sent.",
                next_step="Ask the coordinator why it asks twice.",
            )
    row = connection.execute(
        "SELECT sequence FROM rounds WHERE programme_id = ? AND phase = ?", (key.programme_id, key.phase)
    ).fetchone()
    return None if row is None else int(row[0])


def exposed_in(connection: sqlite3.Connection, round_sequence: int) -> set[bytes]:
    """Return the customers charged for a round."""
    rows = connection.execute("SELECT customer FROM exposures WHERE sequence = ?", (round_sequence,))
    return {customer for (customer,) in rows}


def reply_to(connection: sqlite3.Connection, round_sequence: int) -> bytes | None:
    """Return the reply that a round was given, None before."""
    row = connection.execute("SELECT reply FROM replies WHERE round = ?", (round_sequence,)).fetchone()
    return None if row is None else bytes(row[0])


def agreed_set(connection: sqlite3.Connection, key: RoundKey) -> bytes | None:
    """Return the set of contributors agreed to in a phase, None before."""
    row = connection.execute(
        "SELECT set_sha256 FROM agreements WHERE programme_id = ? AND phase = ?",
        (key.programme_id, key.phase),
    ).fetchone()
    return None if row is None else bytes(row[0])


def latest_day(connection: sqlite3.Connection) -> int:
    """Return the day of the latest spend or restoration, in days since 1970-01-01; 0 before the first."""
    (latest,) = connection.execute(
        "SELECT max((SELECT coalesce(max(day), 0) FROM rounds),"
        " (SELECT coalesce(max(day), 0) FROM restorations))"
    ).fetchone()
    return int(latest)


def restored_on(connection: sqlite3.Connection) -> int | None:
    """Return the day up to which spends may be forgotten, None when nothing was ever restored."""
    (latest,) = connection.execute("SELECT max(day) FROM restorations").fetchone()
    return None if latest is None else int(latest)


def releases_since(connection: sqlite3.Connection, start: int) -> dict[int, GaussianRelease]:
    """Return every release opened since a day, whoever took part, by its number in the ledger."""
    rows = connection.execute(
        "SELECT sequence, noise_multiplier, sampling_rate FROM rounds WHERE day >= ? ORDER BY sequence",
        (start,),
    )
    return {number: customer_release(noise_multiplier=z, sampling_rate=q) for number, z, q in rows}


def histories_since(connection: sqlite3.Connection, start: int) -> dict[bytes, History]:
    """Return, for each customer exposed since a day, the rounds that did it."""
    rows = connection.execute(
        "SELECT customer, sequence FROM exposures JOIN rounds USING (sequence) "
        "WHERE day >= ? ORDER BY sequence",
        (start,),
    )
    found: dict[bytes, list[int]] = defaultdict(list)
    for customer, sequence in rows:
        found[customer].append(sequence)
    return {customer: tuple(sequences) for customer, sequences in found.items()}


def all_rounds(connection: sqlite3.Connection) -> dict[int, ExposedRound]:
    """Return every round ever paid for, by its number in the ledger."""
    rows = connection.execute(
        "SELECT sequence, programme_id, phase, day, noise_multiplier, sampling_rate,"
        " EXISTS (SELECT 1 FROM replies WHERE round = rounds.sequence) FROM rounds ORDER BY sequence"
    )
    return {
        sequence: ExposedRound(
            programme_id=programme_id,
            phase=phase,
            day=day,
            noise_multiplier=noise_multiplier,
            sampling_rate=sampling_rate,
            is_answered=bool(is_answered),
        )
        for sequence, programme_id, phase, day, noise_multiplier, sampling_rate, is_answered in rows
    }


def round_digests(connection: sqlite3.Connection) -> dict[int, bytes]:
    """Return what the ledger's chain knows each round by, by its number in the ledger."""
    return dict(connection.execute("SELECT sequence, digest FROM rounds").fetchall())


def replies_since(connection: sqlite3.Connection, start: int) -> int:
    """Return how many of the rounds paid for since a day were answered."""
    (replies,) = connection.execute(
        "SELECT count(*) FROM replies JOIN rounds ON rounds.sequence = replies.round WHERE day >= ?",
        (start,),
    ).fetchone()
    return int(replies)


def latest_spends(connection: sqlite3.Connection) -> dict[str, int]:
    """Return every programme ever paid for, with the day of the latest spend on it."""
    return dict(
        connection.execute("SELECT programme_id, max(day) FROM rounds GROUP BY programme_id").fetchall()
    )


def insert_round(
    connection: sqlite3.Connection,
    before: Event,
    key: RoundKey,
    *,
    release: GaussianRelease,
    customers: Collection[bytes],
    day: int,
) -> None:
    """Write a spend after the last event, with everybody it is charged to."""
    members = sorted(customers)
    number = before.sequence + 1
    values = (
        number,
        key.programme_id,
        key.phase,
        key.request_sha256,
        day,
        float(release.noise_multiplier),
        float(release.sampling_rate),
        exposure_digest(members),
    )
    connection.execute(
        "INSERT INTO rounds VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*values, round_digest(before.digest, values)),
    )
    connection.executemany("INSERT INTO exposures VALUES (?, ?)", ((number, member) for member in members))


def insert_reply(connection: sqlite3.Connection, before: Event, round_sequence: int, reply: bytes) -> None:
    """Write the reply to a round after the last event."""
    number = before.sequence + 1
    digest = reply_digest(before.digest, number, round_sequence, reply)
    connection.execute("INSERT INTO replies VALUES (?, ?, ?, ?)", (number, round_sequence, reply, digest))


def insert_agreement(connection: sqlite3.Connection, before: Event, key: RoundKey, set_sha256: bytes) -> None:
    """Write the set of contributors agreed to after the last event."""
    values = (before.sequence + 1, key.programme_id, key.phase, key.request_sha256, set_sha256)
    connection.execute(
        "INSERT INTO agreements VALUES (?, ?, ?, ?, ?, ?)", (*values, agreement_digest(before.digest, values))
    )


def insert_restoration(connection: sqlite3.Connection, before: Event, day: int) -> None:
    """Write a restoration after the last event."""
    number = before.sequence + 1
    connection.execute(
        "INSERT INTO restorations VALUES (?, ?, ?)",
        (number, day, restoration_digest(before.digest, number, day)),
    )
