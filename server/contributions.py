"""The first half of a round: participants are asked for contributions until a set can be announced."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable

from highstreet.audit.requests import attested_round
from highstreet.privacy.secure_sum import SumRefusedError, open_contribution
from highstreet.server.asked_round import AskedRound
from highstreet.server.attestations import Attested
from highstreet.server.checkpoints import Announced, Checkpoints
from highstreet.server.errors import OddReplyError, ProgrammeFailedError
from highstreet.server.exchange import Exchange, Line
from highstreet.server.membership import Member
from highstreet.server.rounds import Contributed, Decision, Refusal, Tally, read_reply

__all__ = ["gather_contributions", "recall_contributions"]

_LOG = logging.getLogger("highstreet.rounds")


class _Judge:
    """Judges the stores' replies in one round, and keeps those that are answers."""

    def __init__(self, asked: AskedRound, tally: Tally, book: Checkpoints, line: Line) -> None:
        self._asked = asked
        self._tally = tally
        self._book = book
        self._line = line

    def take(self, member: Member, body: bytes, *, save: bool = True) -> bool:
        """Return whether the store has answered with this; stored before it counts."""
        try:
            answer = read_reply(
                body, request=self._asked.request, request_sha256=self._asked.sha256, member=member
            )
            attested = self._checked(answer, member) if isinstance(answer, Contributed) else None
        except OddReplyError as error:
            _LOG.warning(
                "round %s: reply of %s dropped: %s", self._asked.opened.round, member.member_id, error.reason
            )
            return False
        refusal = answer.name if isinstance(answer, Refusal) else ""
        if isinstance(answer, Refusal):
            _LOG.info("round %s: %s refuses: %s", self._asked.opened.round, member.member_id, refusal)
            if not answer.is_final:
                return False
        if save:
            if attested is not None:
                self._book.save_attestation(attested)
            self._book.save_reply(self._asked.opened, member.member_id, reply=body, refusal=refusal)
        self._count(member.member_id, answer)
        return True

    def _checked(self, answer: Contributed, member: Member) -> Attested:
        """Check a contribution as far as anybody can who opens no box; return what was attested of it."""
        try:
            opened = open_contribution(answer.contribution, self._asked.context)
        except SumRefusedError as error:
            raise OddReplyError(f"contribution: {error.code.name.lower()}") from error
        if opened.header.contributor_id != member.member_id:
            raise OddReplyError("contribution: another store's")
        about = attested_round(
            self._asked.request,
            self._asked.sha256,
            member_id=member.member_id,
            contribution_sha256=hashlib.sha256(opened.header_bytes).digest(),
        )
        return Attested.read(answer.attestation, about, member, cost=self._asked.cost)

    def _count(self, member_id: str, answer: Contributed | Refusal) -> None:
        if isinstance(answer, Refusal):
            self._tally.refuses(member_id, answer)
        else:
            self._asked.opening.add_contribution(answer.contribution)
            self._tally.contributed(member_id, now=self._line.clock())


def gather_contributions(
    asked: AskedRound,
    tally: Tally,
    book: Checkpoints,
    line: Line,
    *,
    message: Callable[[Member], bytes | None],
) -> None:
    """Return when a set may be announced; the contributions are with the round's opening.

    Every accepted answer is stored before it counts. Sending again costs no privacy: the bytes are the same,
    and a store answers the same request with the same reply. A member that leaves is asked no more; what it
    contributed before stays in, as it may be in the set the committee is about to add up.

    Args:
        asked: the round.
        tally: who need not be asked is counted there already.
        book: where answers are kept.
        line: to the participants.
        message: what asks a participant; None for one who is not asked.

    Raises:
        ProgrammeFailedError: the quorum did not come together.
    """
    judge = _Judge(asked, tally, book, line)
    exchange = Exchange(list(asked.participants.values()), line.carrier, body=message, take=judge.take)
    for stored in book.replies(asked.opened):  # kept before a crash
        member = asked.participants.get(stored.member_id)
        if member is not None and judge.take(member, stored.reply, save=False):
            exchange.settle(stored.member_id)
    while True:
        for gone in asked.participants.keys() - line.current():
            exchange.settle(gone)
            tally.left(gone)
        now = line.clock()
        decision = tally.decide(now=now)
        if decision is Decision.CLOSE:
            return
        if decision is Decision.FAIL:
            raise ProgrammeFailedError(
                tally.failure(asked.request.phase),
                next_step="Ask the stores that are missing, then train again.",
            )
        exchange.ask(now, until=tally.deadline)
        exchange.take_answers(line.clock())
        if tally.decide(now=line.clock()) is Decision.WAIT:
            line.wait()


def recall_contributions(asked: AskedRound, announced: Announced, book: Checkpoints) -> None:
    """Give a rebuilt round the contributions of the set that was announced before a crash.

    Raises:
        OddReplyError, SumRefusedError: a reply on record is not what was taken once.
    """
    for stored in book.replies(asked.opened):
        if stored.member_id in announced.contributors:
            answer = read_reply(
                stored.reply,
                request=asked.request,
                request_sha256=asked.sha256,
                member=asked.participants[stored.member_id],
            )
            if isinstance(answer, Contributed):
                asked.opening.add_contribution(answer.contribution)
