"""What the coordinator remembers of programmes and rounds; a crash costs at most the round in progress."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Collection, Mapping, Sequence

from highstreet.models.state import SharedState
from highstreet.server.attestations import Attested
from highstreet.server.checkpoint_entries import (
    Announced,
    NamedPhase,
    OpenRound,
    Outcome,
    Programme,
    ProgrammeKind,
    ProgrammeState,
    Stage,
    StoredReply,
)
from highstreet.server.database import empty_log, transaction
from highstreet.server.errors import DatabaseError

__all__ = [
    "Announced",
    "Checkpoints",
    "OpenRound",
    "Outcome",
    "Programme",
    "ProgrammeKind",
    "ProgrammeState",
    "Stage",
    "StoredReply",
]


class Checkpoints:
    """Programmes and rounds in coop.db. Each call is durable when it returns.

    Args:
        connection: of `highstreet.server.database.connect`; belongs to the calling thread.
        clock: seconds since 1970.
    """

    def __init__(self, connection: sqlite3.Connection, *, clock: Callable[[], float] = time.time) -> None:
        self._connection = connection
        self._clock = clock

    def active(self) -> Programme | None:
        """Return the programme that is requested or running."""
        return self._programme("state IN ('requested', 'running')")

    def due(self) -> Programme | None:
        """Return what a run is needed for now: the active programme, else one that is not quite over.

        That is a finished matching, while it lasts, of which contributors that were away can still be told.
        """
        return self.active() or self._programme(
            "state = 'finished' AND programme_id IN (SELECT programme_id FROM matchings WHERE evidence IS NOT"
            " NULL AND evidence_until > ?)",
            int(self._clock()),
        )

    def drop_expired_evidence(self) -> None:
        """Drop what the counts of matchings are read from once their time is over."""
        over = ("evidence IS NOT NULL AND evidence_until <= ?", (int(self._clock()),))
        if self._connection.execute(f"SELECT 1 FROM matchings WHERE {over[0]}", over[1]).fetchone():  # noqa: S608
            self._connection.execute(f"UPDATE matchings SET evidence = NULL WHERE {over[0]}", over[1])  # noqa: S608

    def _programme(self, condition: str, *values: object) -> Programme | None:
        columns = "programme_id, number, state, charter_sha256, as_of_day, kind, counts_from"
        row = self._connection.execute(
            f"SELECT {columns} FROM programmes WHERE {condition} ORDER BY number DESC LIMIT 1",  # noqa: S608 - ours
            values,
        ).fetchone()
        if row is None:
            return None
        return Programme(
            programme_id=row["programme_id"],
            number=row["number"],
            state=ProgrammeState(row["state"]),
            charter_sha256=bytes(row["charter_sha256"]),
            as_of_day=int(row["as_of_day"]),
            kind=ProgrammeKind(row["kind"]),
            counts_from=row["counts_from"],
        )

    def mark_running(self, programme_id: str) -> None:
        """Note that a programme has started."""
        self._connection.execute(
            "UPDATE programmes SET state = 'running' WHERE programme_id = ? AND state = 'requested'",
            (programme_id,),
        )

    def mark_finished(self, programme_id: str) -> None:
        """Note that a programme has led to a release."""
        self._end(programme_id, ProgrammeState.FINISHED, "")

    def mark_failed(self, programme_id: str, reason: str) -> None:
        """Note that a programme ended without a release, and why; nothing where it was over."""
        self._end(programme_id, ProgrammeState.FAILED, reason)

    def last_closed(self, programme_id: str) -> tuple[int, bytes] | None:
        """Return the last closed round's number and the state after it."""
        row = self._connection.execute(
            "SELECT round, state FROM rounds WHERE programme_id = ? AND closed_at IS NOT NULL"
            " ORDER BY round DESC LIMIT 1",
            (programme_id,),
        ).fetchone()
        return None if row is None else (int(row["round"]), bytes(row["state"]))

    def last_request(self, programme_id: str) -> bytes:
        """Return the signed request of the last round; empty when there was none."""
        row = self._connection.execute(
            "SELECT request FROM rounds WHERE programme_id = ? ORDER BY round DESC LIMIT 1", (programme_id,)
        ).fetchone()
        return b"" if row is None else bytes(row["request"])

    def contributors(self, programme_id: str) -> tuple[int, ...]:
        """Return how many stores contributed to each closed round, in order."""
        rows = self._connection.execute(
            "SELECT contributors FROM rounds WHERE programme_id = ? AND closed_at IS NOT NULL ORDER BY round",
            (programme_id,),
        )
        return tuple(int(row["contributors"]) for row in rows)

    def open_round(
        self, programme_id: str, phase: NamedPhase, build: Callable[[int], tuple[bytes, bytes]]
    ) -> OpenRound:
        """Return the round of a phase: the stored one, or a new one, stored before anybody sees it.

        Args:
            programme_id: the programme.
            phase: index and name; of the charter's plan, or of a matching's table.
            build: makes the signed request and the state that goes with it from the opening time; called only
                when there is none yet, so that no two requests are ever made for one round.
        """
        with transaction(self._connection) as connection:
            row = connection.execute(
                "SELECT request, asked_state, opened_at FROM rounds WHERE programme_id = ? AND round = ?",
                (programme_id, phase.index),
            ).fetchone()
            if row is None:
                opened_at = int(self._clock())
                request, state = build(opened_at)
                connection.execute(
                    "INSERT INTO rounds (programme_id, round, phase, request, asked_state, opened_at)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (programme_id, phase.index, phase.name, request, state, opened_at),
                )
            else:
                request, opened_at = bytes(row["request"]), int(row["opened_at"])
                state = bytes(row["asked_state"] or b"")
        return OpenRound(
            programme_id=programme_id,
            round=phase.index,
            signed_request=request,
            state=state,
            opened_at=opened_at,
        )

    def save_reply(self, opened: OpenRound, member_id: str, *, reply: bytes, refusal: str = "") -> None:
        """Keep a store's answer; the first one stands."""
        self._connection.execute(
            "INSERT OR IGNORE INTO replies (programme_id, round, member_id, reply, refusal, received_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (opened.programme_id, opened.round, member_id, reply, refusal, int(self._clock())),
        )

    def save_attestation(self, attested: Attested) -> None:
        """Keep the attestation of a contribution that was accepted, for good; the first one stands."""
        attested.keep(self._connection)

    def replies(self, opened: OpenRound) -> Sequence[StoredReply]:
        """Return the answers kept so far."""
        rows = self._connection.execute(
            "SELECT member_id, reply FROM replies WHERE programme_id = ? AND round = ? ORDER BY member_id",
            (opened.programme_id, opened.round),
        )
        return [StoredReply(member_id=row["member_id"], reply=bytes(row["reply"] or b"")) for row in rows]

    def announce(self, opened: OpenRound, contributors: Sequence[str], *, set_sha256: bytes) -> Announced:
        """Settle the one set of a round, before anybody is told of it; the first one stands."""
        with transaction(self._connection) as connection:
            changed = connection.execute(
                "UPDATE rounds SET announced_at = ?, set_sha256 = ?"
                " WHERE programme_id = ? AND round = ? AND announced_at IS NULL",
                (int(self._clock()), set_sha256, opened.programme_id, opened.round),
            )
            if changed.rowcount == 1:
                connection.executemany(
                    "UPDATE replies SET announced = 1 WHERE programme_id = ? AND round = ? AND member_id = ?",
                    [(opened.programme_id, opened.round, member_id) for member_id in contributors],
                )
        announced = self.announced(opened)
        if announced is None:
            raise DatabaseError(
                "coop.db lost a round that is open.", next_step="Restore coop.db from a backup."
            )
        return announced

    def announced(self, opened: OpenRound) -> Announced | None:
        """Return the announced set of a round, None while there is none."""
        row = self._connection.execute(
            "SELECT announced_at, set_sha256 FROM rounds WHERE programme_id = ? AND round = ?",
            (opened.programme_id, opened.round),
        ).fetchone()
        if row is None or row["announced_at"] is None:
            return None
        members = self._connection.execute(
            "SELECT member_id FROM replies WHERE programme_id = ? AND round = ? AND announced = 1"
            " ORDER BY member_id",
            (opened.programme_id, opened.round),
        )
        return Announced(
            at=int(row["announced_at"]),
            contributors=tuple(str(each["member_id"]) for each in members),
            set_sha256=bytes(row["set_sha256"]),
        )

    def save_complaints(
        self,
        opened: OpenRound,
        complaints: Mapping[str, Collection[str]],
        *,
        left_out: Collection[str],
        at_fault: Collection[str],
    ) -> None:
        """Note which committee members could not use whose contribution, in place of what was noted before.

        It stays when the round is over: whose contributions spoil rounds is for the co-op to know.

        Args:
            opened: the round.
            complaints: for each complaining member, of whom.
            left_out: contributors that are not in the set.
            at_fault: those among them who are at fault unless more members lie than the charter reckons with.
        """
        rows = [
            (opened.programme_id, opened.round, accused, member_id, accused in left_out, accused in at_fault)
            for member_id, listed in complaints.items()
            for accused in listed
        ]
        with transaction(self._connection) as connection:
            connection.execute(
                "DELETE FROM complaints WHERE programme_id = ? AND round = ?",
                (opened.programme_id, opened.round),
            )
            connection.executemany("INSERT INTO complaints VALUES (?, ?, ?, ?, ?, ?)", rows)

    def save_committee_reply(self, opened: OpenRound, stage: Stage, member_id: str, reply: bytes) -> None:
        """Keep a committee member's agreement or answer; the first one stands."""
        self._connection.execute(
            "INSERT OR IGNORE INTO committee_replies"
            " (programme_id, round, stage, member_id, reply, received_at) VALUES (?, ?, ?, ?, ?, ?)",
            (opened.programme_id, opened.round, stage.value, member_id, reply, int(self._clock())),
        )

    def committee_replies(self, opened: OpenRound, stage: Stage) -> Sequence[StoredReply]:
        """Return the agreements or answers kept so far, in the order they came; requests depend on it."""
        rows = self._connection.execute(
            "SELECT member_id, reply FROM committee_replies"
            " WHERE programme_id = ? AND round = ? AND stage = ? ORDER BY number",
            (opened.programme_id, opened.round, stage.value),
        )
        return [StoredReply(member_id=row["member_id"], reply=bytes(row["reply"])) for row in rows]

    def close_round(self, opened: OpenRound, state: SharedState, outcome: Outcome) -> None:
        """Write the state after a round; from now on the programme goes on behind it.

        The stores' contributions and the committee's replies are dropped in the same step: only the sum is
        kept. Refusals stay. See `forget_dropped` for the bytes.
        """
        with transaction(self._connection):
            self._close(opened, state.to_bytes(), outcome)
            self._drop_contributions(opened.programme_id)
        self.forget_dropped()

    def close_table(self, opened: OpenRound, outcome: Outcome) -> None:
        """Note how the sum of a matching's tables came about.

        Its contributions and the committee's replies stay until the matching is over: they are what evidence
        is made from (`MatchingBook.keep_evidence`). The sum itself is kept nowhere.
        """
        with transaction(self._connection):
            self._close(opened, None, outcome)

    def forget_dropped(self) -> bool:
        """Leave no byte of dropped contributions in any file of coop.db; return whether that is done.

        It is tried whenever something was dropped. After a crash in between, or where a reader was in the
        way, whoever comes next tries again: a run when it goes on, `RunKeeper` when nothing runs.
        """
        return empty_log(self._connection)

    def _close(self, opened: OpenRound, state: bytes | None, outcome: Outcome) -> None:
        self._connection.execute(
            "UPDATE rounds SET closed_at = ?, contributors = ?, answers = ?, wrong = ?, is_checked = ?,"
            " state = ? WHERE programme_id = ? AND round = ? AND closed_at IS NULL",
            (
                int(self._clock()),
                outcome.contributors,
                outcome.answers,
                outcome.wrong,
                outcome.is_checked,
                state,
                opened.programme_id,
                opened.round,
            ),
        )

    def _drop_contributions(self, programme_id: str) -> None:
        self._connection.execute(
            "UPDATE replies SET reply = NULL WHERE programme_id = ? AND refusal = ''", (programme_id,)
        )
        self._connection.execute("DELETE FROM committee_replies WHERE programme_id = ?", (programme_id,))
        self._connection.execute(
            "UPDATE matching_messages SET message = x'' WHERE programme_id = ?", (programme_id,)
        )
        self._connection.execute(
            "UPDATE rounds SET asked_state = NULL WHERE programme_id = ?", (programme_id,)
        )

    def _end(self, programme_id: str, state: ProgrammeState, reason: str) -> None:
        """End a programme; contributions of a round that is still open go with it.

        One that is over stays as it is, with what a finished matching still tells from.
        """
        with transaction(self._connection) as connection:
            ended = connection.execute(
                "UPDATE programmes SET state = ?, failure = ?, finished_at = ? WHERE programme_id = ?"
                " AND state IN ('requested', 'running')",
                (state.value, reason, int(self._clock()), programme_id),
            )
            if ended.rowcount == 0:
                return
            self._drop_contributions(programme_id)
            if state is ProgrammeState.FAILED:
                connection.execute(
                    "UPDATE matchings SET evidence = NULL WHERE programme_id = ?", (programme_id,)
                )
        self.forget_dropped()
