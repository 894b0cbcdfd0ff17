"""A programme from its first open phase to its release, resumed wherever the last run stopped."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.audit.charter import Charter
from highstreet.audit.requests import seal_request
from highstreet.audit.scorecard import scorecard
from highstreet.audit.signing import SignatureKind, SignedDocument
from highstreet.models.plan import PhasePlan
from highstreet.models.programme import initial_state
from highstreet.models.state import SharedState
from highstreet.protos.rounds_pb2 import RoundRequest, SignedRequest
from highstreet.server.aggregation import close_phase
from highstreet.server.checkpoints import Checkpoints, Programme
from highstreet.server.errors import ProgrammeFailedError, PublishError
from highstreet.server.exchange import Carrier, hold_round
from highstreet.server.membership import current_members, roster
from highstreet.server.releases import Candidate
from highstreet.server.rounds import Tally, build_request, required_stores

__all__ = ["ProgrammeRun"]

#: Names of the state's arrays that hold the noisy sums of the evaluation, one number each.
_EVALUATION = "evaluation/"
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
    """

    programme: Programme
    charter: Charter
    key: Ed25519PrivateKey
    connection: sqlite3.Connection
    carrier: Carrier
    publish: Callable[[Candidate], None]
    clock: Callable[[], float] = time.time

    def run(self) -> None:
        """Hold the rounds that are left, publish the release, and note how it ended.

        A crash at any point leaves a programme that `run` finishes: closed rounds are not held again, an
        open round is asked with the same bytes.
        """
        book = Checkpoints(self.connection, clock=self.clock)
        try:
            self._refuse_other_charter()
            book.mark_running(self.programme.programme_id)
            self.publish(self._candidate(book, self._hold_rounds(book)))
        except (ProgrammeFailedError, PublishError) as error:
            _LOG.warning("programme %s failed: %s", self.programme.number, error.what)
            book.mark_failed(self.programme.programme_id, error.what)
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
        members = current_members(self.connection)
        opened = book.open_round(
            self.programme.programme_id, phase, lambda now: self._request(phase, state, opened_at=now)
        )
        terms = self.charter.rounds
        tally = Tally(
            members=len(members),
            required=required_stores(terms, members=len(members)),
            opened_at=opened.opened_at,
            deadline=opened.opened_at + terms.deadline_seconds,
        )
        _LOG.info("programme %s phase %s: asking %s stores", self.programme.number, phase.name, len(members))
        hold_round(opened, tally, members, self.carrier, book, phase=phase, clock=self.clock)
        updates = [tally.updates[member_id] for member_id in sorted(tally.updates)]
        following = close_phase(self.charter.plan, phase, state, updates)
        book.close_round(opened, following, contributors=len(updates))
        _LOG.info("programme %s phase %s: %s stores", self.programme.number, phase.name, len(updates))
        return following

    def _candidate(self, book: Checkpoints, state: SharedState) -> Candidate:
        """Describe what the programme has come to, from what is on record."""
        programme_id = self.programme.programme_id
        contributors = book.contributors(programme_id)
        last = SignedRequest.FromString(book.last_request(programme_id))
        sums = {
            name.removeprefix(_EVALUATION): float(state[name].item())
            for name in state
            if name.startswith(_EVALUATION)
        }
        return Candidate(
            programme_id=programme_id,
            state=state,
            rounds=len(contributors),
            participants=min(contributors),
            roster_sha256=RoundRequest.FromString(last.request).roster_sha256,
            evaluation=scorecard(sums),
        )

    def _request(self, phase: PhasePlan, state: SharedState, *, opened_at: int) -> bytes:
        request = build_request(
            self.charter,
            phase,
            state,
            programme_id=self.programme.programme_id,
            roster_sha256=roster_sha256(self.connection, self.charter, self.key),
            opened_at=opened_at,
            as_of_day=self.programme.as_of_day,
        )
        return seal_request(request, self.key)


def roster_sha256(connection: sqlite3.Connection, charter: Charter, key: Ed25519PrivateKey) -> bytes:
    """Return the hash of the roster as it stands."""
    document = roster(connection, charter.coop.id)
    return SignedDocument.create(SignatureKind.ROSTER, document, key).sha256()
