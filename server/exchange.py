"""One round held over a carrier: the same bytes to every store, again to the silent, until it is over."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from highstreet.audit.requests import request_sha256
from highstreet.models.plan import PhasePlan
from highstreet.protos.rounds_pb2 import RoundRequest, SignedRequest
from highstreet.server.checkpoints import Checkpoints, OpenRound
from highstreet.server.errors import OddReplyError, ProgrammeFailedError
from highstreet.server.membership import Member
from highstreet.server.rounds import Decision, Refusal, Tally, read_reply

__all__ = ["Carried", "Carrier", "hold_round"]

_POLL_SECONDS = 0.4
_RESEND_SECONDS = 60.0
_FIRST_RETRY_SECONDS = 2.0
_LONGEST_RETRY_SECONDS = 30.0
_LOG = logging.getLogger("highstreet.rounds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """A message that came back: the ticket it was sent under, and its body; None when the carrier failed."""

    ticket: str
    body: bytes | None


class Carrier(Protocol):
    """What takes messages to nodes and back. It is not trusted: requests and replies carry their seals."""

    def online(self) -> Collection[int]:
        """Return the nodes that can be reached now."""

    def send(self, bodies: Sequence[tuple[int, bytes]], *, seconds: float) -> Sequence[str | None]:
        """Send (node, body) pairs that are of use for so long; return a ticket, or None, for each."""

    def collect(self, tickets: Collection[str]) -> Sequence[Carried]:
        """Return what has come back for these tickets, each at most once."""


class _Silent:
    """A store that has not answered yet: what is under way to it, and when to ask again."""

    def __init__(self, member: Member) -> None:
        self.member = member
        self.tickets: set[str] = set()
        self.ask_at = 0.0
        self.retry_seconds = _FIRST_RETRY_SECONDS

    def failed(self, now: float) -> None:
        """Ask again after a pause that grows."""
        self.ask_at = now + self.retry_seconds
        self.retry_seconds = min(2 * self.retry_seconds, _LONGEST_RETRY_SECONDS)


class _Round:
    """The state of one call of `hold_round`."""

    def __init__(self, opened: OpenRound, tally: Tally, members: Sequence[Member], book: Checkpoints) -> None:
        signed = SignedRequest.FromString(opened.signed_request)
        self.opened = opened
        self.tally = tally
        self.book = book
        self.request = RoundRequest.FromString(signed.request)
        self.sha256 = request_sha256(signed)
        self.silent = {member.member_id: _Silent(member) for member in members}

    def restore(self, now: float) -> None:
        """Take the answers kept before a crash."""
        for stored in self.book.replies(self.opened):
            silent = self.silent.get(stored.member_id)
            if silent is not None:
                self._take(silent, stored.reply, now)

    def ask(self, carrier: Carrier, now: float) -> None:
        """Send the request to the silent stores whose node is online and whose turn it is."""
        due = [silent for silent in self.silent.values() if now >= silent.ask_at]
        online = carrier.online() if due else ()
        reached = [(silent, node) for silent in due if (node := silent.member.node_id) in online and node]
        if not reached:
            return
        bodies = [(node, self.opened.signed_request) for _, node in reached]
        seconds = max(1.0, self.tally.deadline - now)
        tickets = carrier.send(bodies, seconds=seconds)
        for (silent, _), ticket in zip(reached, tickets, strict=True):
            if ticket is None:
                silent.failed(now)
            else:
                silent.tickets.add(ticket)
                silent.ask_at = now + _RESEND_SECONDS

    def take_answers(self, carrier: Carrier, now: float) -> None:
        """Read what came back; keep what is an answer, ask again where it is not."""
        tickets = {ticket: silent for silent in self.silent.values() for ticket in silent.tickets}
        for carried in carrier.collect(tickets.keys()) if tickets else ():
            silent = tickets[carried.ticket]
            silent.tickets.discard(carried.ticket)
            if carried.body is None or not self._take(silent, carried.body, now, save=True):
                silent.failed(now)

    def _take(self, silent: _Silent, body: bytes, now: float, *, save: bool = False) -> bool:
        """Judge one reply; return whether the store has answered with it."""
        member = silent.member
        try:
            answer = read_reply(body, request=self.request, request_sha256=self.sha256, member=member)
        except OddReplyError as error:
            _LOG.warning(
                "round %s: reply of %s dropped: %s", self.opened.round, member.member_id, error.reason
            )
            return False
        refusal = answer.name if isinstance(answer, Refusal) else ""
        if isinstance(answer, Refusal):
            _LOG.info("round %s: %s refuses: %s", self.opened.round, member.member_id, refusal)
            if not answer.is_final:
                return False
        if save:
            self.book.save_reply(self.opened, member.member_id, reply=body, refusal=refusal)
        self.tally.add(member.member_id, answer, now=now)
        self.silent.pop(member.member_id, None)
        return True


def hold_round(
    opened: OpenRound,
    tally: Tally,
    members: Sequence[Member],
    carrier: Carrier,
    book: Checkpoints,
    *,
    phase: PhasePlan,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return when the round may be closed; the updates are in the tally.

    Every accepted answer is stored before it counts. Sending again costs no privacy: the bytes are the same,
    and a store answers the same request with the same reply.

    Raises:
        ProgrammeFailedError: the quorum did not come together.
    """
    current = _Round(opened, tally, members, book)
    current.restore(clock())
    while True:
        now = clock()
        decision = tally.decide(now=now)
        if decision is Decision.CLOSE:
            return
        if decision is Decision.FAIL:
            raise ProgrammeFailedError(
                tally.failure(phase.name), next_step="Ask the stores that are missing, then train again."
            )
        current.ask(carrier, now)
        current.take_answers(carrier, clock())
        if tally.decide(now=clock()) is Decision.WAIT:
            sleep(_POLL_SECONDS)
