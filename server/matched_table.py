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
        told: how many of them dealt with the sum.
    """

    matching_id: str
    number: int
    finished_at: int
    sha256: bytes
    contributors: frozenset[str]
    told: int

    def in_words(self, participants: Collection[str]) -> str:
        """Say which counts are taken, and for how many who may take part there are none."""
        day = datetime.fromtimestamp(self.finished_at, tz=UTC).date().isoformat()
        said = f"Contributions are divided by the counts of matching {self.number} of {day}"
        without = len(set(participants) - self.contributors)
        if not without:
            return f"{said}."
        return (
            f"{said}; of the {len(participants)} stores that can take part now, {without} "
            f"{'was' if without == 1 else 'were'} not in its sum and can add noise only."
        )


def latest_table(connection: sqlite3.Connection, charter: Charter) -> MatchedTable | None:
    """Return the table of the latest finished matching, None where the charter takes no counts.

    How old it is does not matter to the promise: whoever came to a shop since weighs nothing there.

    Raises:
        ProgrammeRefusedError: there is none, it was under another charter, or too few stores dealt with it.
    """
    if charter.privacy.weighting is not Weighting.ONE_OVER_SHOPS:
        return None
    row = connection.execute(
        "SELECT programme_id, number, charter_sha256 FROM programmes"
        " WHERE kind = 'matching' AND state = 'finished' ORDER BY number DESC LIMIT 1"
    ).fetchone()
    if row is None:
        raise ProgrammeRefusedError(
            "This co-op divides contributions by what a matching tells, and none has finished yet.",
            next_step=_MATCH,
        )
    if bytes(row["charter_sha256"]) != charter.sha256():
        raise ProgrammeRefusedError(
            f"Matching {row['number']} was held under another charter.", next_step=_MATCH
        )
    table = table_of(connection, row["programme_id"])
    if table.told < charter.rounds.cohort_floor:
        raise ProgrammeRefusedError(
            f"Only {table.told} stores have dealt with what matching {table.number} told, of the "
            f"{charter.rounds.cohort_floor} that a sum needs: the others would add noise only.",
            next_step="Stores that were away may still read it (see `highstreet coop status`); else hold "
            "another with `highstreet coop match --wait` when its period is over.",
        )
    return table


def table_of(connection: sqlite3.Connection, matching_id: str) -> MatchedTable:
    """Return the table of a finished matching, from what is on record.

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
    contributors = connection.execute(
        "SELECT member_id FROM replies WHERE programme_id = ? AND round = 0 AND announced = 1", (matching_id,)
    )
    (told,) = connection.execute(
        "SELECT count(*) FROM matching_messages WHERE programme_id = ? AND part = 'counts' AND refusal = ''",
        (matching_id,),
    ).fetchone()
    return MatchedTable(
        matching_id=matching_id,
        number=int(row["number"]),
        finished_at=int(row["finished_at"]),
        sha256=request_sha256(SignedRequest.FromString(bytes(row["request"]))),
        contributors=frozenset(str(each["member_id"]) for each in contributors),
        told=int(told),
    )
