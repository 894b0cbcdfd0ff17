"""The journal of requests under customers' rights: what was asked for, when, through whom, and where it lies.

An entry about somebody who is erased stays without the person: that there was a request of that kind on that
day.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = [
    "Request",
    "RequestKind",
    "UnfinishedErasure",
    "finish_erasure",
    "folders_before",
    "folders_of",
    "last_change",
    "note_request",
    "requests_of",
    "still_to_do",
    "unfinished_erasures",
]


class RequestKind(StrEnum):
    """What was asked for; GDPR, Articles 15 and 20, 16, 18, 21 and 17."""

    ACCESS = "access"
    CORRECT = "correct"
    RESTRICT = "restrict"
    LIFT = "lift"
    OBJECT = "object"
    ERASE = "erase"

    @property
    def plain_words(self) -> str:
        """The request as an owner would say it."""
        return _PLAIN_WORDS[self]


_PLAIN_WORDS = {
    RequestKind.ACCESS: "a copy of the data",
    RequestKind.CORRECT: "a correction",
    RequestKind.RESTRICT: "keep the data and use them for nothing",
    RequestKind.LIFT: "the data may be used again",
    RequestKind.OBJECT: "an objection",
    RequestKind.ERASE: "erasure",
}
#: What changes whose data, or which, may go into the shop's own model.
_CHANGES = (
    RequestKind.CORRECT,
    RequestKind.RESTRICT,
    RequestKind.LIFT,
    RequestKind.OBJECT,
    RequestKind.ERASE,
)


#: What journals of earlier versions do not say of an unfinished erasure; they did not look whether there
#: were former ledgers.
_OF_BEFORE: dict[str, object] = {"values": None, "epsilon_is_least": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it is on record.

    Attributes:
        kind: what was asked for.
        made_at: unix seconds.
        source: through whom: the owner's command, or a shop system with its number of the request.
    """

    kind: RequestKind
    made_at: int
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedErasure:
    """An erasure that has left the vault and may not have reached every file yet.

    Attributes:
        request: its number in the journal.
        erasure_id: as in the register.
        customers: row keys to look for in other files; nothing in the vault says any more whose they were.
        people: how many persons they are.
        removed: what was taken out of the vault.
        rounds, epsilon, epsilon_is_least, counted_epsilon: what the certificate will say.
        values: what has to be looked for in every file, from `keep_values`; empty: nothing could be. None in
            a journal of versions that kept nothing to look for.
    """

    request: int
    erasure_id: str
    customers: tuple[int, ...]
    people: int
    removed: dict[str, int]
    rounds: int
    epsilon: float
    epsilon_is_least: bool
    counted_epsilon: float
    values: str | None = field(repr=False)


def note_request(
    connection: sqlite3.Connection,
    kind: RequestKind,
    customer: int | None,
    *,
    made_at: int,
    source: str,
    folder: str = "",
    erasure_id: str = "",
    unfinished: str = "",
) -> int:
    """Write a request down and return its number; the caller holds a writing transaction.

    Args:
        connection: of the vault.
        kind: what was asked for.
        customer: row key; None for an erasure.
        made_at: unix seconds.
        source: see `Request`.
        folder: what was made for it, inside the folder `rights`.
        erasure_id: of an erasure, as in the register.
        unfinished: from `still_to_do`.
    """
    cursor = connection.execute(
        "INSERT INTO rights_requests (kind, customer, made_at, source, folder, erasure_id, unfinished)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            kind.value,
            customer,
            made_at,
            source,
            folder,
            erasure_id,
            unfinished,
        ),
    )
    return int(cursor.lastrowid or 0)


def requests_of(connection: sqlite3.Connection, customer: int) -> tuple[Request, ...]:
    """Return a customer's requests, oldest first."""
    rows = connection.execute(
        "SELECT kind, made_at, source FROM rights_requests WHERE customer = ? ORDER BY request", (customer,)
    )
    return tuple(
        Request(kind=RequestKind(kind), made_at=made_at, source=source) for kind, made_at, source in rows
    )


def folders_of(connection: sqlite3.Connection, customers: Sequence[int]) -> list[str]:
    """Return the folders that hold copies of these customers' data."""
    rows = connection.execute(
        "SELECT folder FROM rights_requests WHERE folder <> ''"
        " AND customer IN (SELECT value FROM json_each(?))",
        (json.dumps(list(customers)),),
    )
    return [folder for (folder,) in rows]


def folders_before(connection: sqlite3.Connection, moment: int) -> list[str]:
    """Return the folders that were made before a moment, unix seconds."""
    rows = connection.execute(
        "SELECT folder FROM rights_requests WHERE folder <> '' AND made_at < ?", (moment,)
    )
    return [folder for (folder,) in rows]


def last_change(connection: sqlite3.Connection) -> int:
    """Return the number of the last request that changed what the shop's own model may be fitted on."""
    (latest,) = connection.execute(
        "SELECT ifnull(max(request), 0) FROM rights_requests WHERE kind IN (SELECT value FROM json_each(?))",
        (json.dumps([kind.value for kind in _CHANGES]),),
    ).fetchone()
    return int(latest)


def still_to_do(
    customers: Sequence[int],
    *,
    people: int,
    removed: Mapping[str, int],
    rounds: int,
    epsilon: float,
    epsilon_is_least: bool,
    counted_epsilon: float,
    values: str,
) -> str:
    """Return what the journal keeps of an erasure until it is finished: see `UnfinishedErasure`."""
    return json.dumps(
        {
            "customers": list(customers),
            "people": people,
            "removed": dict(removed),
            "rounds": rounds,
            "epsilon": epsilon,
            "epsilon_is_least": epsilon_is_least,
            "counted_epsilon": counted_epsilon,
            "values": values,
        }
    )


def unfinished_erasures(connection: sqlite3.Connection) -> list[UnfinishedErasure]:
    """Return erasures that were cut off, or are under way, oldest first."""
    rows = connection.execute(
        "SELECT request, erasure_id, unfinished FROM rights_requests WHERE unfinished <> '' ORDER BY request"
    )
    found = []
    for request, erasure_id, text in rows:
        plain = _OF_BEFORE | json.loads(text)
        customers = tuple(plain.pop("customers"))
        found.append(UnfinishedErasure(request=request, erasure_id=erasure_id, customers=customers, **plain))
    return found


def finish_erasure(connection: sqlite3.Connection, request: int) -> None:
    """Write down that an erasure reached every file; its row keys and values are forgotten."""
    connection.execute("UPDATE rights_requests SET unfinished = '' WHERE request = ?", (request,))
