"""The second half of a round: the committee agrees to the announced set, then opens its sum."""

from __future__ import annotations

import logging

from highstreet.privacy.secure_sum import OpenedSum, SumRefusal, SumRefusedError
from highstreet.privacy.secure_sum.errors import InconsistentAnswersError
from highstreet.privacy.secure_sum.opening import GivenReply
from highstreet.server.asked_round import AskedRound
from highstreet.server.checkpoints import Checkpoints, Stage
from highstreet.server.errors import OddReplyError, ProgrammeFailedError
from highstreet.server.exchange import Exchange, Line
from highstreet.server.membership import Member
from highstreet.server.rounds import Refusal, read_reply

__all__ = ["SURPLUS_SECONDS", "open_sum"]

#: How long answers that check the others are waited for, once there are enough to open the sum.
SURPLUS_SECONDS = 5.0
_FAILURES = {
    Stage.AGREEMENT: "agreed to the set of contributors",
    Stage.ANSWER: "gave their share of the sum",
}
_NEXT_STEP = "See that the stores stay online until a training is over, then train again."
_LOG = logging.getLogger("highstreet.rounds")


def open_sum(
    asked: AskedRound, book: Checkpoints, line: Line, *, deadline: float, surplus: int = 0
) -> OpenedSum:
    """Return the sum over the announced set, and how far it was checked.

    Every agreement and answer is stored before it counts, so that a crash anywhere leads on to the same
    messages. A committee member that left the co-op is asked no more; a contributor that left stays in the
    set, which is settled.

    Args:
        asked: its set announced.
        book: where agreements and answers are kept.
        line: to the committee.
        deadline: seconds since 1970 by which the sum must be open.
        surplus: answers that agree with each other which are needed beyond the threshold.

    Raises:
        ProgrammeFailedError: too few members of the committee agreed or answered by the deadline, or their
            answers contradict each other.
    """
    agreements = _Asking(asked, Stage.AGREEMENT, book, line, deadline=deadline, surplus=0)
    while agreements.missing:
        agreements.turn()
    answers = _Asking(asked, Stage.ANSWER, book, line, deadline=deadline, surplus=surplus)
    while answers.missing:
        answers.turn()
    surplus_ends = min(line.clock() + SURPLUS_SECONDS, deadline)
    while answers.outstanding and line.clock() < surplus_ends:
        answers.turn()
    while True:
        try:
            opened = asked.opening.open()
        except InconsistentAnswersError as error:
            if not error.missing or len(answers.outstanding) < error.missing or line.clock() >= deadline:
                raise ProgrammeFailedError(
                    f"In phase {asked.request.phase} the shares of the sum contradict each other; it was not "
                    f"opened ({answers.given} of the committee's {len(asked.committee)} answered).",
                    next_step="Train again. If it happens again, have the stores updated to one version.",
                ) from error
            answers.turn()
            continue
        answers.wrong = len(opened.wrong)
        if opened.answers - answers.wrong >= asked.context.committee.threshold + surplus:
            return opened
        answers.turn()


class _Asking:
    """Asks the committee for one thing until enough have given it; takes up what was given before a crash."""

    def __init__(
        self,
        asked: AskedRound,
        stage: Stage,
        book: Checkpoints,
        line: Line,
        *,
        deadline: float,
        surplus: int,
    ) -> None:
        self._asked = asked
        self._stage = stage
        self._book = book
        self._line = line
        self._deadline = deadline
        self._surplus = surplus
        self.wrong = 0
        self._refused: dict[str, str] = {}
        self._exchange = Exchange(
            asked.committee,
            line.carrier,
            body=lambda member: asked.committee_message(stage, member.member_id),
            take=self._take,
        )
        self.outstanding = {member.member_id for member in asked.committee}
        for stored in book.committee_replies(asked.opened, stage):
            self._add(stored.reply)
            self._settle(stored.member_id)

    @property
    def missing(self) -> int:
        """How many more are needed."""
        opening = self._asked.opening
        if self._stage is Stage.AGREEMENT:
            return opening.missing_agreements
        return opening.missing_beyond(self._surplus + self.wrong)

    @property
    def given(self) -> int:
        """How many members gave it."""
        return len(self._asked.committee) - len(self.outstanding) - len(self._refused)

    def turn(self) -> None:
        """Ask whom it is time to ask, take what came back, and wait a moment.

        Raises:
            ProgrammeFailedError: it can come to nothing any more.
        """
        for gone in self.outstanding - self._line.current():
            self._refuse(gone, "left")
        now = self._line.clock()
        if self.missing and (now >= self._deadline or len(self.outstanding) < self.missing):
            raise ProgrammeFailedError(self._failure(), next_step=_NEXT_STEP)
        self._exchange.ask(now, until=self._deadline)
        self._exchange.take_answers(self._line.clock())
        if self.outstanding:
            self._line.wait()

    def _take(self, member: Member, body: bytes) -> bool:
        """Return whether a committee member need not be asked again; stored before it counts."""
        if self._stage is Stage.AGREEMENT and not self.missing:
            return True  # the first ones go out with the requests for the sum
        try:
            given = self._add(body)
        except SumRefusedError as error:
            return self._take_refusal(member, body, odd=error.code.name.lower())
        if given.refusal is None:
            self._book.save_committee_reply(self._asked.opened, self._stage, given.member_id, reply=body)
            self._settle(given.member_id)
            return given.member_id == member.member_id
        if given.member_id != member.member_id:
            return self._drop(member, "another store's")
        is_final = given.refusal is not SumRefusal.UNAVAILABLE
        return self._refuse(member.member_id, given.refusal.name.lower(), is_final=is_final)

    def _add(self, body: bytes) -> GivenReply:
        opening = self._asked.opening
        if self._stage is Stage.AGREEMENT:
            return opening.add_agreement(body)
        return opening.add_answer(body)

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
        _LOG.warning(
            "round %s: %s of %s dropped: %s", self._asked.opened.round, self._stage, member.member_id, reason
        )
        return False

    def _refuse(self, member_id: str, code: str, *, is_final: bool = True) -> bool:
        """Note a refusal; return whether the member is asked no more."""
        _LOG.info("round %s: %s of %s: refused: %s", self._asked.opened.round, self._stage, member_id, code)
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
        needed = committee.threshold + (0 if self._stage is Stage.AGREEMENT else self._surplus)
        return (
            f"In phase {self._asked.request.phase} {self.given} of the {len(committee.members)} members of "
            f"the committee {_FAILURES[self._stage]} in time; {needed} are required; refused: "
            f"{len(self._refused)} (codes: {codes})."
        )
