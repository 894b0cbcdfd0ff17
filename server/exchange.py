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

__all__ = ["Carried", "Carrier", "Exchange", "hold_round"]

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


class Exchange:
    """Asks members over a carrier, again and again, until each has given an answer that is taken.

    Args:
        members: whom to ask.
        carrier: between coordinator and nodes.
        body: what to send to a member; None while there is nothing to send.
        take: judges what came back from a member; whether it is the member's answer. Else it is asked again.
    """

    def __init__(
        self,
        members: Sequence[Member],
        carrier: Carrier,
        *,
        body: Callable[[Member], bytes | None],
        take: Callable[[Member, bytes], bool],
    ) -> None:
        self._carrier = carrier
        self._body = body
        self._take = take
        self._silent = {member.member_id: _Silent(member) for member in members}

    def settle(self, member_id: str) -> None:
        """Ask a member no more: its answer is known."""
        self._silent.pop(member_id, None)

    def ask(self, now: float, *, until: float) -> None:
        """Send to the silent members whose node is online and whose turn it is.

        Args:
            now: unix seconds.
            until: how long the message is of use.
        """
        due = [silent for silent in self._silent.values() if now >= silent.ask_at]
        online = self._carrier.online() if due else ()
        reached = [
            (silent, node, body)
            for silent in due
            if (node := silent.member.node_id) in online and node and (body := self._body(silent.member))
        ]
        if not reached:
            return
        seconds = max(1.0, until - now)
        tickets = self._carrier.send([(node, body) for _, node, body in reached], seconds=seconds)
        for (silent, _, _), ticket in zip(reached, tickets, strict=True):
            if ticket is None:
                silent.failed(now)
            else:
                silent.tickets.add(ticket)
                silent.ask_at = now + _RESEND_SECONDS

    def take_answers(self, now: float) -> None:
        """Read what came back; ask again where it is no answer."""
        tickets = {ticket: silent for silent in self._silent.values() for ticket in silent.tickets}
        for carried in self._carrier.collect(tickets.keys()) if tickets else ():
            silent = tickets[carried.ticket]
            silent.tickets.discard(carried.ticket)
            if carried.body is not None and self._take(silent.member, carried.body):
                self.settle(silent.member.member_id)
            else:
                silent.failed(now)


class _Silent:
    """A member that has not answered yet: what is under way to it, and when to ask again."""

    def __init__(self, member: Member) -> None:
        self.member = member
        self.tickets: set[str] = set()
        self.ask_at = 0.0
        self.retry_seconds = _FIRST_RETRY_SECONDS

    def failed(self, now: float) -> None:
        """Ask again after a pause that grows."""
        self.ask_at = now + self.retry_seconds
        self.retry_seconds = min(2 * self.retry_seconds, _LONGEST_RETRY_SECONDS)


class _Judge:
    """Judges the stores' replies in one round, and keeps those that are answers."""

    def __init__(
        self, opened: OpenRound, tally: Tally, book: Checkpoints, clock: Callable[[], float]
    ) -> None:
        signed = SignedRequest.FromString(opened.signed_request)
        self._opened = opened
        self._tally = tally
        self._book = book
        self._clock = clock
        self._request = RoundRequest.FromString(signed.request)
        self._sha256 = request_sha256(signed)

    def take(self, member: Member, body: bytes, *, save: bool = True) -> bool:
        """Return whether the store has answered with this; stored before it counts."""
        try:
            answer = read_reply(body, request=self._request, request_sha256=self._sha256, member=member)
        except OddReplyError as error:
            _LOG.warning(
                "round %s: reply of %s dropped: %s", self._opened.round, member.member_id, error.reason
            )
            return False
        refusal = answer.name if isinstance(answer, Refusal) else ""
        if isinstance(answer, Refusal):
            _LOG.info("round %s: %s refuses: %s", self._opened.round, member.member_id, refusal)
            if not answer.is_final:
                return False
        if save:
            self._book.save_reply(self._opened, member.member_id, reply=body, refusal=refusal)
        self._tally.add(member.member_id, answer, now=self._clock())
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
    judge = _Judge(opened, tally, book, clock)
    exchange = Exchange(members, carrier, body=lambda member: opened.signed_request, take=judge.take)
    by_id = {member.member_id: member for member in members}
    for stored in book.replies(opened):  # kept before a crash
        member = by_id.get(stored.member_id)
        if member is not None and judge.take(member, stored.reply, save=False):
            exchange.settle(stored.member_id)
    while True:
        now = clock()
        decision = tally.decide(now=now)
        if decision is Decision.CLOSE:
            return
        if decision is Decision.FAIL:
            raise ProgrammeFailedError(
                tally.failure(phase.name), next_step="Ask the stores that are missing, then train again."
            )
        exchange.ask(now, until=tally.deadline)
        exchange.take_answers(clock())
        if tally.decide(now=clock()) is Decision.WAIT:
            sleep(_POLL_SECONDS)
