"""The matching a training takes its counts from: settled when the training is asked for, for all rounds."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from highstreet.audit.charter import Charter
from highstreet.audit.requests import request_sha256
from highstreet.privacy.releases import Weighting
from highstreet.protos.rounds_pb2 import SignedRequest
from highstreet.server.errors import DatabaseError, ProgrammeRefusedError

__all__ = ["MatchedTable", "latest_table", "table_of"]

_MATCH = "Hold one with `highstreet coop match --wait`, then train."


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedTable:
    """A matching whose table was summed; only what may be shown.

    Attributes:
        matching_id, number: which.
        finished_at: unix seconds.
        sha256: names the request of its table's sum; stores keep their counts under it.
        contributors: ids of the stores whose tables are in the sum: no other store can have counts.
        told: how many of them dealt with the sum, and with no later one: a store keeps one sum's counts.
        replaced: ids of the contributors that dealt with a later one.
    """

    matching_id: str
    number: int
    finished_at: int
    sha256: bytes
    contributors: frozenset[str]
    told: int
    replaced: frozenset[str] = frozenset()

    def in_words(self, participants: Collection[str]) -> str:
        """Say which counts are taken, and for how many who may take part there are none."""
        day = datetime.fromtimestamp(self.finished_at, tz=UTC).date().isoformat()
        said = f"Contributions are divided by the counts of matching {self.number} of {day}"
        able = set(participants)
        without, replaced = len(able - self.contributors), len(able & self.replaced)
        if not without and not replaced:
            return f"{said}."
        why = [f"{without} {'was' if without == 1 else 'were'} not in its sum"] if without else []
        why += [f"{replaced} dealt with a later one's"] if replaced else []
        return (
            f"{said}; of the {len(participants)} stores that can take part now, {' and '.join(why)} "
            "and can add noise only."
        )


def latest_table(connection: sqlite3.Connection, charter: Charter) -> MatchedTable | None:
    """Return the table of the latest matching whose counts enough stores keep, None where none are taken.

    It is finished, under this charter, and at least the floor of its stores dealt with it and with no later
    one. How old it is does not matter to the promise: whoever came to a shop since weighs nothing there.

    Raises:
        ProgrammeRefusedError: there is none: no matching finished, or the latest was under another charter or
            dealt with by too few stores, and so were those before it.
    """
    if charter.privacy.weighting is not Weighting.ONE_OVER_SHOPS:
        return None
    finished = connection.execute(
        "SELECT programme_id, number, charter_sha256 FROM programmes"
        " WHERE kind = 'matching' AND state = 'finished' ORDER BY number DESC"
    ).fetchall()
    if not finished:
        raise ProgrammeRefusedError(
            "This co-op divides contributions by what a matching tells, and none has finished yet.",
            next_step=_MATCH,
        )
    ours = [each for each in finished if bytes(each["charter_sha256"]) == charter.sha256()]
    for each in ours:
        table = table_of(connection, each["programme_id"])
        if table.told >= charter.rounds.cohort_floor:
            return table
    if finished[0] not in ours:
        raise ProgrammeRefusedError(
            f"Matching {finished[0]['number']} was held under another charter.", next_step=_MATCH
        )
    latest = table_of(connection, finished[0]["programme_id"])
    raise ProgrammeRefusedError(
        f"Only {latest.told} stores have dealt with what matching {latest.number} told, of the "
        f"{charter.rounds.cohort_floor} that a sum needs: the others would add noise only.",
        next_step="Stores that were away may still read it (see `highstreet coop status`); else hold "
        "another with `highstreet coop match --wait` when its period is over.",
    )


def table_of(connection: sqlite3.Connection, matching_id: str, *, before: int | None = None) -> MatchedTable:
    """Return the table of a finished matching, from what is on record.

    Args:
        connection: to coop.db.
        matching_id: which.
        before: number of the training that takes its counts: what a matching asked for after that replaced
            is passed over. None: nothing is.

    Raises:
        DatabaseError: it is not on record.
    """
    row = connection.execute(
        "SELECT number, finished_at, request FROM programmes JOIN rounds USING (programme_id)"
        " WHERE programme_id = ? AND kind = 'matching' AND round = 0 AND closed_at IS NOT NULL",
        (matching_id,),
    ).fetchone()
    if row is None or row["finished_at"] is None:
        raise DatabaseError(
            "coop.db lost the matching that a training takes its counts from.",
            next_step="Restore it from a backup.",
        )
    contributors = _members(
        connection,
        "SELECT member_id FROM replies WHERE programme_id = ? AND round = 0 AND announced = 1",
        matching_id,
    )
    told = _members(
        connection,
        "SELECT member_id FROM matching_messages WHERE programme_id = ? AND part = 'counts' AND refusal = ''",
        matching_id,
    )
    # Of any later one, however it ended and whatever it was answered: what a store that refused keeps now is
    # not known here.
    replaced = _members(
        connection,
        "SELECT member_id FROM matching_messages JOIN programmes USING (programme_id)"
        " WHERE part = 'counts' AND programmes.number > ? AND (? IS NULL OR programmes.number < ?)",
        row["number"],
        before,
        before,
    )
    return MatchedTable(
        matching_id=matching_id,
        number=int(row["number"]),
        finished_at=int(row["finished_at"]),
        sha256=request_sha256(SignedRequest.FromString(bytes(row["request"]))),
        contributors=contributors,
        told=len(told - replaced),
        replaced=contributors & replaced,
    )


def _members(connection: sqlite3.Connection, query: str, *values: object) -> frozenset[str]:
    return frozenset(str(row["member_id"]) for row in connection.execute(query, values))
