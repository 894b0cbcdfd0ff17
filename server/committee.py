"""Asking a round's committee for one thing, until enough members gave it and the others had their time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from highstreet.privacy.secure_sum import SumRefusal, SumRefusedError
from highstreet.privacy.secure_sum.answer import GivenReply
from highstreet.server.asked_round import AskedRound
from highstreet.server.checkpoints import StoredReply
from highstreet.server.errors import OddReplyError, ProgrammeFailedError
from highstreet.server.exchange import Exchange, Line
from highstreet.server.membership import Member
from highstreet.server.rounds import Refusal, read_reply

__all__ = ["SURPLUS_SECONDS", "CommitteeAsking", "Wanted"]

#: How long those who are not needed are waited for at least, once enough members have given what is wanted.
SURPLUS_SECONDS = 5.0
_NEXT_STEP = "See that the stores stay online until a training is over, then train again."
_LOG = logging.getLogger("highstreet.rounds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a committee is asked for.

    Attributes:
        name: for the log.
        done: what members did who gave it, after "members of the committee".
        body: what to send to a member.
        add: takes in what came back; raises SumRefusedError for what does not fit.
        missing: how many more are needed.
        takes_surplus: whether more than is needed is of use.
        keep: stores what a member gave, before it counts again after a crash.
        recalled: what was stored before a crash.
    """

    name: str
    done: str
    body: Callable[[str], bytes]
    add: Callable[[bytes], GivenReply]
    missing: Callable[[], int]
    takes_surplus: bool = True
    keep: Callable[[str, bytes], None] = lambda member_id, body: None
    recalled: Iterable[StoredReply] = ()


class CommitteeAsking:
    """Asks the committee for one thing until enough have given it; takes up what was given before a crash.

    Args:
        asked: the round.
        wanted: what for.
        line: to the committee.
        deadline: seconds since 1970.
    """

    def __init__(self, asked: AskedRound, wanted: Wanted, line: Line, *, deadline: float) -> None:
        self._asked = asked
        self._wanted = wanted
        self._line = line
        self._deadline = deadline
        self._began = line.clock()
        self._refused: dict[str, str] = {}
        self._exchange = Exchange(
            asked.committee,
            line.carrier,
            body=lambda member: wanted.body(member.member_id),
            take=self._take,
        )
        self.outstanding = {member.member_id for member in asked.committee}
        for stored in wanted.recalled:
            wanted.add(stored.reply)
            self._settle(stored.member_id)

    @property
    def given(self) -> int:
        """How many members gave it."""
        return len(self._asked.committee) - len(self.outstanding) - len(self._refused)

    def until_enough(self) -> None:
        """Return once enough members gave it.

        Raises:
            ProgrammeFailedError: too few did by the deadline, or can.
        """
        while self._wanted.missing():
            self.turn()

    def until_surplus(self) -> None:
        """Wait for the others, once there are enough: as long again as that took, at least SURPLUS_SECONDS.

        It ends sooner when everybody has answered, and with the deadline. What they give checks the rest: a
        wrong share, or a box that only one of them cannot open.
        """
        enough_at = self._line.clock()
        patience = max(SURPLUS_SECONDS, enough_at - self._began)
        ends = min(enough_at + patience, self._deadline)
        while self.outstanding and self._line.clock() < ends:
            self.turn()

    def turn(self) -> None:
        """Ask whom it is time to ask, take what came back, and wait a moment.

        Raises:
            ProgrammeFailedError: it can come to nothing any more.
        """
        for gone in self.outstanding - self._line.current():
            self._refuse(gone, "left")
        now, missing = self._line.clock(), self._wanted.missing()
        if missing and (now >= self._deadline or len(self.outstanding) < missing):
            raise ProgrammeFailedError(self._failure(), next_step=_NEXT_STEP)
        self._exchange.ask(now, until=self._deadline)
        self._exchange.take_answers(self._line.clock())
        if self.outstanding:
            self._line.wait()

    def _take(self, member: Member, body: bytes) -> bool:
        """Return whether a committee member need not be asked again; stored before it counts."""
        if not (self._wanted.takes_surplus or self._wanted.missing()):
            return True
        try:
            given = self._wanted.add(body)
        except SumRefusedError as error:
            return self._take_refusal(member, body, odd=error.code.name.lower())
        if given.refusal is None:
            self._wanted.keep(given.member_id, body)
            self._settle(given.member_id)
            return given.member_id == member.member_id
        if given.member_id != member.member_id:
            return self._drop(member, "another store's")
        is_final = given.refusal is not SumRefusal.UNAVAILABLE
        return self._refuse(member.member_id, given.refusal.name.lower(), is_final=is_final)

    def _take_refusal(self, member: Member, body: bytes, *, odd: str) -> bool:
        """Take a refusal of a store that does not see itself on the committee, or cannot look now."""
        try:
            reply = read_reply(
                body, request=self._asked.request, request_sha256=self._asked.sha256, member=member
            )
        except OddReplyError:
            return self._drop(member, odd)
        if not isinstance(reply, Refusal):
            return self._drop(member, odd)
        return self._refuse(member.member_id, reply.name, is_final=reply.is_final)

    def _drop(self, member: Member, reason: str) -> bool:
        number, name = self._asked.opened.round, self._wanted.name
        _LOG.warning("round %s: %s of %s dropped: %s", number, name, member.member_id, reason)
        return False

    def _refuse(self, member_id: str, code: str, *, is_final: bool = True) -> bool:
        """Note a refusal; return whether the member is asked no more."""
        _LOG.info(
            "round %s: %s of %s: refused: %s", self._asked.opened.round, self._wanted.name, member_id, code
        )
        if is_final:
            self._refused[member_id] = code
            self._settle(member_id)
        return is_final

    def _settle(self, member_id: str) -> None:
        self.outstanding.discard(member_id)
        self._exchange.settle(member_id)

    def _failure(self) -> str:
        """Say what was missing, in one sentence with counts and codes only."""
        committee = self._asked.context.committee
        codes = ", ".join(sorted(set(self._refused.values()))) or "none"
        return (
            f"In phase {self._asked.request.phase} {self.given} of the {len(committee.members)} members of "
            f"the committee {self._wanted.done} in time; {self.given + self._wanted.missing()} are required; "
            f"refused: "
            f"{len(self._refused)} (codes: {codes})."
        )
