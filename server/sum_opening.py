"""The second half of a round: the committee agrees to the announced set, then opens its sum."""

from __future__ import annotations

import logging
from functools import partial

from highstreet.privacy.secure_sum import OpenedSum
from highstreet.privacy.secure_sum.errors import InconsistentAnswersError
from highstreet.server.asked_round import AskedRound
from highstreet.server.checkpoints import Checkpoints, Stage
from highstreet.server.committee import CommitteeAsking, Wanted
from highstreet.server.errors import ProgrammeFailedError
from highstreet.server.exchange import Line

__all__ = ["open_sum"]

_LOG = logging.getLogger("highstreet.rounds")


def open_sum(
    asked: AskedRound, book: Checkpoints, line: Line, *, deadline: float, surplus: int = 0
) -> OpenedSum:
    """Return the sum over the announced set, and how far it was checked.

    Every agreement and answer is stored before it counts, so that a crash anywhere leads on to the same
    messages. A committee member that left the co-op is asked no more; a contributor that left stays in the
    set, which is settled. Answers beyond the threshold check the others, and are waited for
    (`CommitteeAsking.until_surplus`).

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
    CommitteeAsking(asked, _agreements(asked, book), line, deadline=deadline).until_enough()
    answers = CommitteeAsking(asked, _answers(asked, book, surplus), line, deadline=deadline)
    answers.until_enough()
    answers.until_surplus()
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
        agreeing = opened.answers - len(opened.wrong)
        missing = asked.context.committee.threshold + surplus - agreeing
        if missing > 0:
            if len(answers.outstanding) < missing or line.clock() >= deadline:
                raise ProgrammeFailedError(
                    f"In phase {asked.request.phase} only {agreeing} shares of the sum agree; "
                    f"{agreeing + missing} are required.",
                    next_step="Ask again. If it happens again, have the stores updated to one version.",
                )
            answers.turn()
            continue
        if not opened.is_checked:
            _LOG.warning(
                "round %s: opened from %s answers, none beyond the threshold to check them by",
                asked.opened.round,
                opened.answers,
            )
        return opened


def _agreements(asked: AskedRound, book: Checkpoints) -> Wanted:
    opening, stage = asked.opening, Stage.AGREEMENT
    return Wanted(
        name=stage.value,
        done="agreed to the set of contributors",
        body=partial(asked.committee_message, stage),
        add=opening.add_agreement,
        missing=lambda: opening.missing_agreements,
        takes_surplus=False,  # the first ones go out with the requests for the sum
        keep=partial(book.save_committee_reply, asked.opened, stage),
        recalled=book.committee_replies(asked.opened, stage),
    )


def _answers(asked: AskedRound, book: Checkpoints, surplus: int) -> Wanted:
    opening, stage = asked.opening, Stage.ANSWER
    return Wanted(
        name=stage.value,
        done="gave their share of the sum",
        body=partial(asked.committee_message, stage),
        add=opening.add_answer,
        missing=lambda: opening.missing_beyond(surplus),
        keep=partial(book.save_committee_reply, asked.opened, stage),
        recalled=book.committee_replies(asked.opened, stage),
    )
