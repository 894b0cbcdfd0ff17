"""The one set of contributors whose sum a round opens: gathered and announced, or as it is on record."""

from __future__ import annotations

import logging
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.audit.charter import RoundTerms
from highstreet.server.asked_round import AskedRound
from highstreet.server.checkpoints import Checkpoints
from highstreet.server.contributions import gather_contributions, recall_contributions
from highstreet.server.errors import ProgrammeFailedError
from highstreet.server.exchange import Line
from highstreet.server.inspection import usable_contributors
from highstreet.server.membership import Member
from highstreet.server.rounds import Tally, required_stores

__all__ = ["settle_set"]

_LOG = logging.getLogger("highstreet.rounds")


def settle_set(
    asked: AskedRound,
    book: Checkpoints,
    line: Line,
    *,
    key: Ed25519PrivateKey,
    terms: RoundTerms,
    message: Callable[[Member], bytes | None],
    deadline: float,
) -> None:
    """Announce the set whose sum is opened: the one on record, or the usable ones of those to come.

    Args:
        asked: the round.
        book: where contributions and the set are kept.
        line: to the participants.
        key: the coordinator's.
        terms: of the charter.
        message: what asks a participant for its contribution; None for one who is not asked.
        deadline: seconds since 1970 by which the sum must be open.

    Raises:
        ProgrammeFailedError: the quorum did not come together, or too few contributions can be used.
    """
    announced = book.announced(asked.opened)
    if announced is None:
        _gather(asked, book, line, terms, message)
        usable = usable_contributors(asked, key, book, line, colluders=terms.colluders, deadline=deadline)
        set_sha256 = asked.opening.announce(key, usable)
        book.announce(asked.opened, usable, set_sha256=set_sha256)
        return
    recall_contributions(asked, announced, book)
    if asked.opening.announce(key, announced.contributors) != announced.set_sha256:
        raise ProgrammeFailedError(
            "The contributions on record are not those that were announced.",
            next_step="Request a new training with `highstreet coop train`.",
        )


def _gather(
    asked: AskedRound,
    book: Checkpoints,
    line: Line,
    terms: RoundTerms,
    message: Callable[[Member], bytes | None],
) -> None:
    tally = Tally(
        members=len(asked.participants),
        required=max(asked.context.floor, required_stores(terms, members=len(asked.participants))),
        opened_at=asked.opened.opened_at,
        deadline=asked.opened.opened_at + terms.deadline_seconds,
    )
    for member in asked.participants.values():
        if message(member) is None:
            tally.left(member.member_id)
    _LOG.info("phase %s: asking %s stores", asked.request.phase, len(asked.participants))
    gather_contributions(asked, tally, book, line, message=message)
