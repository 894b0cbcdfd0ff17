"""Between the halves of a round: the committee looks the contributions through, and bad ones are left out.

A set is agreed to for good, so whatever in it cannot be opened would spoil the round for everybody, who have
all paid for it. Here it costs the round nothing but the contribution that is bad.
"""

from __future__ import annotations

import logging
from functools import partial

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.privacy.secure_sum import Judgement, judge
from highstreet.server.asked_round import AskedRound
from highstreet.server.checkpoints import Checkpoints
from highstreet.server.committee import CommitteeAsking, Wanted
from highstreet.server.errors import ProgrammeFailedError
from highstreet.server.exchange import Line

__all__ = ["usable_contributors"]

_LOG = logging.getLogger("highstreet.rounds")


def usable_contributors(
    asked: AskedRound,
    key: Ed25519PrivateKey,
    book: Checkpoints,
    line: Line,
    *,
    colluders: int,
    deadline: float,
) -> tuple[str, ...]:
    """Return the contributors whose sum the committee says it can open; note of whom it complained.

    Nothing is kept of it but the complaints: after a crash the committee is asked again.

    Args:
        asked: contributed to, its set not announced.
        key: the coordinator's.
        book: where complaints are noted.
        line: to the committee.
        colluders: c of the charter.
        deadline: seconds since 1970 by which the sum must be open.

    Raises:
        ProgrammeFailedError: too few members looked, or without the bad contributions the floor is not met.
    """
    inspections = asked.opening.inspections(key)
    wanted = Wanted(
        name="inspection",
        done="looked the contributions through",
        body=partial(asked.inspect_message, inspections),
        add=inspections.add,
        missing=lambda: inspections.missing,
    )
    looking = CommitteeAsking(asked, wanted, line, deadline=deadline)
    looking.until_enough()
    looking.until_surplus()
    contributors = asked.opening.contributors
    judgement = judge(
        inspections.complaints,
        contributors,
        threshold=asked.context.committee.threshold,
        colluders=colluders,
        floor=asked.context.floor,
    )
    left_out = frozenset[str]() if judgement is None else judgement.left_out
    at_fault = frozenset[str]() if judgement is None else judgement.at_fault
    book.save_complaints(asked.opened, inspections.complaints, left_out=left_out, at_fault=at_fault)
    _say(asked, inspections.complaints, judgement)
    if judgement is None:
        raise ProgrammeFailedError(
            f"In phase {asked.request.phase} members of the committee cannot open boxes that stores sent; "
            f"without these fewer than {asked.context.floor} of {len(contributors)} contributions are left.",
            next_step="See whose they are with `highstreet coop status`; ask these stores, or end their "
            "membership with `highstreet coop remove`, and train again.",
        )
    return tuple(one for one in contributors if one not in left_out)


def _say(asked: AskedRound, complaints: dict[str, frozenset[str]], judgement: Judgement | None) -> None:
    for member_id, listed in complaints.items():
        for accused in sorted(listed):
            out = judgement is None or accused in judgement.left_out
            _LOG.warning(
                "round %s: %s cannot use the box of %s: %s",
                asked.opened.round,
                member_id,
                accused,
                "left out" if out else "kept, enough others can",
            )
