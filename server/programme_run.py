"""A programme from its first open phase to its release, resumed wherever the last run stopped."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.audit.charter import Charter
from highstreet.audit.errors import CharterError
from highstreet.audit.requests import mechanism_of, sign_request
from highstreet.audit.signing import SignatureKind, SignedDocument
from highstreet.audit.sums import refuse_impossible_sum, sum_deadline
from highstreet.models.plan import PhasePlan
from highstreet.models.programme import initial_state
from highstreet.models.state import SharedState
from highstreet.server.aggregation import close_phase
from highstreet.server.announcing import settle_set
from highstreet.server.asked_round import AskedRound
from highstreet.server.candidates import candidate_of
from highstreet.server.checkpoints import Checkpoints, Outcome, Programme
from highstreet.server.errors import ProgrammeFailedError, PublishError
from highstreet.server.exchange import Carrier, Line
from highstreet.server.matched_table import table_of
from highstreet.server.membership import current_ids, members_ever, roster
from highstreet.server.participants import current_participants
from highstreet.server.releases import Candidate
from highstreet.server.rounds import build_request
from highstreet.server.sum_opening import open_sum

__all__ = ["ProgrammeRun", "roster_sha256"]

_LOG = logging.getLogger("highstreet.rounds")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgrammeRun:
    """Everything a run of a programme needs.

    Attributes:
        programme: which one.
        charter: the agreement in force.
        key: signs the requests.
        connection: to coop.db.
        carrier: takes messages to the nodes.
        publish: makes a release of the candidate; the same programme again changes nothing.
        clock: seconds since 1970.
        sleep: waits so many seconds.
    """

    programme: Programme
    charter: Charter
    key: Ed25519PrivateKey
    connection: sqlite3.Connection
    carrier: Carrier
    publish: Callable[[Candidate], None]
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def run(self) -> None:
        """Hold the rounds that are left, publish the release, and note how it ended.

        A crash at any point leaves a programme that `run` finishes: closed rounds are not held again, an
        open round is asked with the same bytes.
        """
        book = Checkpoints(self.connection, clock=self.clock)
        book.forget_dropped()  # by a run that was killed before it could
        try:
            self._refuse_other_charter()
            book.mark_running(self.programme.programme_id)
            self.publish(
                candidate_of(self.programme.programme_id, self.charter, book, self._hold_rounds(book))
            )
        except (ProgrammeFailedError, PublishError, CharterError) as error:
            _LOG.warning("programme %s failed: %s", self.programme.number, error.what)
            book.mark_failed(self.programme.programme_id, error.for_user())
            return
        book.mark_finished(self.programme.programme_id)
        _LOG.info("programme %s finished", self.programme.number)

    def _refuse_other_charter(self) -> None:
        if self.programme.charter_sha256 != self.charter.sha256():
            raise ProgrammeFailedError(
                "The charter was changed after this programme was requested.",
                next_step="Request a new one with `highstreet coop train`.",
            )

    def _hold_rounds(self, book: Checkpoints) -> SharedState:
        plan = self.charter.plan
        closed = book.last_closed(self.programme.programme_id)
        state = initial_state(plan) if closed is None else SharedState.from_bytes(closed[1])
        first = 0 if closed is None else closed[0] + 1
        for phase in plan.phases[first:]:
            state = self._hold(book, phase, state)
        return state

    def _hold(self, book: Checkpoints, phase: PhasePlan, state: SharedState) -> SharedState:
        """Hold one round: contributions, one set of those that can be used, its sum, the next state."""
        asked = self._asked(book, phase, state)
        line = Line(
            carrier=self.carrier,
            current=lambda: current_ids(self.connection),
            clock=self.clock,
            sleep=self.sleep,
        )
        message = asked.contribute_message()
        ends = sum_deadline(self.charter, opened_at=asked.opened.opened_at)
        settle_set(
            asked,
            book,
            line,
            key=self.key,
            terms=self.charter.rounds,
            message=lambda member: message,
            deadline=ends,
        )
        opened_sum = open_sum(asked, book, line, deadline=ends)
        outcome = Outcome(
            contributors=len(opened_sum.contributors),
            answers=opened_sum.answers,
            wrong=len(opened_sum.wrong),
            is_checked=opened_sum.is_checked,
        )
        following = close_phase(
            self.charter.plan,
            phase,
            state,
            opened_sum.values,
            mechanism=mechanism_of(phase, self.charter, participants=len(asked.participants)),
            contributors=outcome.contributors,
        )
        book.close_round(asked.opened, following, outcome)
        _LOG.info(
            "programme %s phase %s: %s stores, %s answers of the committee, %s of them wrong",
            self.programme.number,
            phase.name,
            outcome.contributors,
            outcome.answers,
            outcome.wrong,
        )
        return following

    def _asked(self, book: Checkpoints, phase: PhasePlan, state: SharedState) -> AskedRound:
        """Return the round of a phase as it is on record; asked now if it was not yet."""
        opened = book.open_round(
            self.programme.programme_id, phase, lambda now: self._request(phase, state, opened_at=now)
        )
        return AskedRound.rebuild(
            opened,
            charter=self.charter,
            coordinator_public_key=self.key.public_key().public_bytes_raw(),
            members={member.member_id: member for member in members_ever(self.connection)},
        )

    def _request(self, phase: PhasePlan, state: SharedState, *, opened_at: int) -> tuple[bytes, bytes]:
        """Return a new round's signed request and its state; called within a transaction of coop.db."""
        chosen = current_participants(self.connection, self.charter)
        if not chosen.are_enough:
            raise ProgrammeFailedError(chosen.shortage, next_step=chosen.next_step)
        refuse_impossible_sum(phase, self.charter, participants=len(chosen.member_ids))
        content, matching = state.to_bytes(), self.programme.counts_from
        request = build_request(
            self.charter,
            phase,
            content,
            programme_id=self.programme.programme_id,
            roster_sha256=roster_sha256(self.connection, self.charter, self.key),
            participants=chosen.member_ids,
            opened_at=opened_at,
            as_of_day=self.programme.as_of_day,
            matching_table_sha256=b"" if matching is None else table_of(self.connection, matching).sha256,
        )
        return sign_request(request, self.key).SerializeToString(deterministic=True), content


def roster_sha256(connection: sqlite3.Connection, charter: Charter, key: Ed25519PrivateKey) -> bytes:
    """Return the hash of the roster as it stands."""
    document = roster(connection, charter.coop.id)
    return SignedDocument.create(SignatureKind.ROSTER, document, key).sha256()
