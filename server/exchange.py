"""Asking over a carrier that loses messages: again and again, until everybody has answered."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence, Set
from dataclasses import dataclass
from typing import Protocol

from highstreet.server.membership import Member

__all__ = ["Carried", "Carrier", "Exchange", "Line"]

_POLL_SECONDS = 0.4
_RESEND_SECONDS = 60.0
_FIRST_RETRY_SECONDS = 2.0
_LONGEST_RETRY_SECONDS = 30.0


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What a round is held over.

    Attributes:
        carrier: between coordinator and nodes.
        current: returns the ids of the members as of now; whoever left is asked no more.
        clock: seconds since 1970.
        sleep: waits so many seconds.
    """

    carrier: Carrier
    current: Callable[[], Set[str]]
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def wait(self) -> None:
        """Wait a moment for what comes in."""
        self.sleep(_POLL_SECONDS)
