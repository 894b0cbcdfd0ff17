"""What the coordinator remembers of a matching: its request, and the messages of each part as they came."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from highstreet.server.attestations import Attested
from highstreet.server.database import transaction

__all__ = ["Kept", "MatchingBook", "OpenMatching", "Part"]


class Part(StrEnum):
    """What stores were asked for; the tables themselves are contributions of a round."""

    KEY = "key"
    LIST = "list"
    EVALUATIONS = "evaluations"
    COUNTS = "counts"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenMatching:
    """A matching that was asked.

    Attributes:
        programme_id: its id as a run, and as a matching.
        signed_request: a `SignedMatchingRequest`: the very bytes every store gets.
        opened_at: unix seconds.
    """

    programme_id: str
    signed_request: bytes
    opened_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a store gave in one part, or why it did not.

    Attributes:
        member_id: who takes part by it; of evaluations whose list it was.
        holder_id: of evaluations the key holder, else empty.
        message: as it was signed; empty in a refusal.
        refusal: a code's name; empty otherwise.
    """

    member_id: str
    holder_id: str
    message: bytes
    refusal: str


class MatchingBook:
    """Matchings in coop.db. Each call is durable when it returns.

    Args:
        connection: of `highstreet.server.database.connect`; belongs to the calling thread.
        clock: seconds since 1970.
    """

    def __init__(self, connection: sqlite3.Connection, *, clock: Callable[[], float] = time.time) -> None:
        self._connection = connection
        self._clock = clock

    def open(self, programme_id: str, build: Callable[[int], bytes]) -> OpenMatching:
        """Return the matching on record, or a new one, stored before anybody sees it.

        Args:
            programme_id: of its run.
            build: makes the signed request from the opening time; called only when there is none yet.
        """
        with transaction(self._connection) as connection:
            row = connection.execute(
                "SELECT request, opened_at FROM matchings WHERE programme_id = ?", (programme_id,)
            ).fetchone()
            if row is None:
                opened_at = int(self._clock())
                request = build(opened_at)
                connection.execute(
                    "INSERT INTO matchings (programme_id, request, opened_at) VALUES (?, ?, ?)",
                    (programme_id, request, opened_at),
                )
            else:
                request, opened_at = bytes(row["request"]), int(row["opened_at"])
        return OpenMatching(programme_id=programme_id, signed_request=request, opened_at=opened_at)

    def found(self, programme_id: str) -> OpenMatching | None:
        """Return the matching on record, None when its request was not made yet."""
        row = self._connection.execute(
            "SELECT request, opened_at FROM matchings WHERE programme_id = ?", (programme_id,)
        ).fetchone()
        if row is None:
            return None
        return OpenMatching(
            programme_id=programme_id,
            signed_request=bytes(row["request"]),
            opened_at=int(row["opened_at"]),
        )

    def save(
        self,
        programme_id: str,
        part: Part,
        member_id: str,
        message: bytes,
        *,
        holder_id: str = "",
        refusal: str = "",
    ) -> None:
        """Keep what a store gave; the first stands."""
        self._connection.execute(
            "INSERT OR IGNORE INTO matching_messages"
            " (programme_id, part, member_id, holder_id, message, refusal) VALUES (?, ?, ?, ?, ?, ?)",
            (programme_id, part.value, member_id, holder_id, message, refusal),
        )

    def save_attestation(self, attested: Attested) -> None:
        """Keep the attestation of a list that was accepted, for good; the first one stands."""
        attested.keep(self._connection)

    def keep_evidence(self, programme_id: str, evidence: bytes, *, until: int) -> None:
        """Keep what contributors read the sum from, for as long as the matching lasts; the first stands.

        Args:
            programme_id: of its run.
            evidence: signed by the committee; without the mask key nothing can be read from it.
            until: unix seconds.
        """
        self._connection.execute(
            "UPDATE matchings SET evidence = ?, evidence_until = ?"
            " WHERE programme_id = ? AND evidence IS NULL",
            (evidence, until, programme_id),
        )

    def evidence(self, programme_id: str) -> bytes:
        """Return what contributors read the sum from; empty while there is no sum, and when all is over."""
        row = self._connection.execute(
            "SELECT evidence FROM matchings WHERE programme_id = ?", (programme_id,)
        ).fetchone()
        return b"" if row is None else bytes(row["evidence"] or b"")

    def told_until(self, programme_id: str) -> int:
        """Return until when contributors can be told, unix seconds; 0 before there is a sum, and after."""
        row = self._connection.execute(
            "SELECT evidence_until FROM matchings WHERE programme_id = ? AND evidence IS NOT NULL",
            (programme_id,),
        ).fetchone()
        return 0 if row is None else int(row["evidence_until"])

    def drop_evidence(self, programme_id: str) -> None:
        """Forget it: nobody is left to be told, or the time is over."""
        self._connection.execute(
            "UPDATE matchings SET evidence = NULL WHERE programme_id = ?", (programme_id,)
        )

    def untold(self, programme_id: str) -> frozenset[str]:
        """Return the ids of contributors that have not dealt with the sum; of those who left, too."""
        rows = self._connection.execute(
            "SELECT member_id FROM replies WHERE programme_id = ? AND announced = 1 EXCEPT"
            " SELECT member_id FROM matching_messages WHERE programme_id = ? AND part = ?",
            (programme_id, programme_id, Part.COUNTS.value),
        )
        return frozenset(row["member_id"] for row in rows)

    def kept(self, programme_id: str, part: Part) -> Sequence[Kept]:
        """Return what was given so far in one part, by member and holder."""
        rows = self._connection.execute(
            "SELECT member_id, holder_id, message, refusal FROM matching_messages"
            " WHERE programme_id = ? AND part = ? ORDER BY member_id, holder_id",
            (programme_id, part.value),
        )
        return [
            Kept(
                member_id=row["member_id"],
                holder_id=row["holder_id"],
                message=bytes(row["message"]),
                refusal=row["refusal"],
            )
            for row in rows
        ]
