"""The last part of a matching: contributors are shown the sum, and those who were away are shown it later."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from highstreet.server.asked_matching import MatchAnswer
from highstreet.server.matching_book import Part
from highstreet.server.matching_parts import Asking
from highstreet.server.membership import Member
from highstreet.server.rounds import PATIENCE_SECONDS, Refusal

__all__ = ["Telling"]

_LOG = logging.getLogger("highstreet.rounds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """Contributors being told, until all have dealt with the sum or the matching's time is up.

    Nothing hangs on a store that is away: who has no counts gives weight 0, which breaks no promise. So the
    matching does not wait for it, and it has the rest of the matching's time to read them.

    Attributes:
        asking: the part, with the matching.
        message: what shows a contributor the sum.
    """

    asking: Asking
    message: bytes

    def tell_those_who_are_there(self) -> None:
        """Return once all have dealt with it, or the rest was waited for as long again, as in a round."""
        clock = self.asking.line.clock
        began = clock()
        heard = began

        def is_over() -> bool:
            return clock() >= heard + max(PATIENCE_SECONDS, heard - began)

        def hear() -> None:
            nonlocal heard
            heard = clock()

        self._tell(is_over, hear)

    def tell_the_others(self, *, gives_way: Callable[[], bool]) -> None:
        """Ask those who were away, until something else is to be done; then forget what it is read from.

        It is kept only where that something else interrupts: what is left is then told behind it.

        Args:
            gives_way: whether another programme is due.
        """
        if self._tell(gives_way, lambda: None) and not self._is_late:
            return
        self.asking.book.drop_evidence(self.asking.matching_id)

    @property
    def _is_late(self) -> bool:
        return self.asking.line.clock() >= self.asking.until

    def _tell(self, is_over: Callable[[], bool], hear: Callable[[], None]) -> bool:
        """Return whether somebody is left to be told."""
        asking = self.asking
        waiting = set(asking.book.untold(asking.matching_id)) & asking.line.current()

        def take(member: Member, reply: MatchAnswer | Refusal) -> bool:
            if isinstance(reply, Refusal) and not reply.is_final:
                return False
            refusal = reply.name if isinstance(reply, Refusal) else ""
            if refusal:
                _LOG.warning("matching: %s does not read the sum: %s", member.member_id, refusal)
            asking.book.save(asking.matching_id, Part.COUNTS, member.member_id, b"", refusal=refusal)
            waiting.discard(member.member_id)
            hear()
            return True

        asking.ask(
            [asking.asked.participants[one] for one in sorted(waiting)],
            body=lambda member: self.message,
            take=take,
            is_over=lambda: not waiting or is_over(),
            left=waiting.discard,
        )
        return bool(waiting)
