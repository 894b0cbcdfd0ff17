"""Evidence of a sum: the announced set with signed answers, for somebody who does not trust who shows it.

The coordinator opens sums and tells what they are. Where that word is not enough, a reader opens the sum
again, from answers that the committee signed. Of t + c answers at least t are true, so that a polynomial of
degree below t through all of them is the true one: up to c false answers are seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from highstreet.privacy.secure_sum.announced_set import set_sha256
from highstreet.privacy.secure_sum.answer import read_answer
from highstreet.privacy.secure_sum.contribution import read_header
from highstreet.privacy.secure_sum.errors import SumRefusal, SumRefusedError
from highstreet.privacy.secure_sum.field import FieldVector, centre, from_bytes
from highstreet.privacy.secure_sum.limits import (
    EVIDENCE_LIMIT_BYTES,
    FORMAT_VERSION,
    MAX_COMMITTEE,
    MAX_MEMBERS,
)
from highstreet.privacy.secure_sum.round_context import RoundContext
from highstreet.privacy.secure_sum.shamir import open_shares
from highstreet.privacy.secure_sum.wire import refuse_many_fields
from highstreet.protos.secure_sum_pb2 import SignedSumAnswer, SumEvidence, SumHeader

__all__ = ["ReadSum", "read_evidence", "sum_evidence"]

#: Fields of evidence besides headers and answers.
_OWN_FIELDS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSum:
    """A sum as its reader opened it.

    Attributes:
        values: shape (d,), int64, centred.
        contributors: ids, in order.
    """

    values: NDArray[np.int64]
    contributors: tuple[str, ...]


def sum_evidence(context: RoundContext, headers: Sequence[SumHeader], answers: Sequence[bytes]) -> bytes:
    """Return the evidence of a sum; the same bytes for the same headers and answers in the same order.

    Args:
        context: of the round.
        headers: of every contributor of the announced set.
        answers: signed answers that agree with each other.
    """
    return SumEvidence(
        format_version=FORMAT_VERSION,
        request_sha256=context.request_sha256,
        headers=headers,
        answers=[SignedSumAnswer.FromString(answer) for answer in answers],
    ).SerializeToString(deterministic=True)


def read_evidence(body: bytes, context: RoundContext, *, surplus: int) -> ReadSum:
    """Open a sum again from what the committee signed; nothing else is believed.

    Guarantee: if at most `surplus` committee members lie and the others answer for one set, what is returned
    is the sum over that set, whoever shows the evidence. One false answer makes all of it refused: who shows
    it leaves false ones out and shows others.

    Args:
        body: `SumEvidence`, as it came.
        context: of the round, from the reader's own records.
        surplus: answers asked for beyond the threshold, c where c members may collude.

    Raises:
        SumRefusedError: UNREADABLE, VERSION, OTHER_REQUEST, FLOOR, UNKNOWN_CONTRIBUTOR and what else
            `read_header` finds, REPEATED_CONTRIBUTOR; NOT_ON_COMMITTEE, MEMBER_SIGNATURE, OTHER_SET,
            REPEATED_ANSWER, ANSWER_SIZE, SHARE_RANGE; FEW_ANSWERS; CONTRADICTION: the first that applies.
    """
    message = _parsed(body)
    if message.request_sha256 != context.request_sha256:
        raise SumRefusedError(SumRefusal.OTHER_REQUEST)
    contributors, announced = _read_set(message.headers, context)
    shares = _read_answers(message.answers, context, announced)
    if len(shares) < context.committee.threshold + surplus:
        raise SumRefusedError(SumRefusal.FEW_ANSWERS)
    opened = open_shares(shares, threshold=context.committee.threshold)
    if opened is None or opened.wrong:
        raise SumRefusedError(SumRefusal.CONTRADICTION)
    return ReadSum(values=centre(opened.secret), contributors=contributors)


def _parsed(body: bytes) -> SumEvidence:
    if len(body) > EVIDENCE_LIMIT_BYTES:
        raise SumRefusedError(SumRefusal.UNREADABLE)
    refuse_many_fields(body, at_most=_OWN_FIELDS + MAX_MEMBERS + MAX_COMMITTEE)
    try:
        message = SumEvidence.FromString(body)
    except DecodeError:
        raise SumRefusedError(SumRefusal.UNREADABLE) from None
    if message.format_version != FORMAT_VERSION:
        raise SumRefusedError(SumRefusal.VERSION)
    return message


def _read_set(headers: Sequence[SumHeader], context: RoundContext) -> tuple[tuple[str, ...], bytes]:
    """Return the contributors of a set in order, and its hash."""
    if len(headers) < context.floor:
        raise SumRefusedError(SumRefusal.FLOOR)
    read = [read_header(each.header, each.signature, context) for each in headers]
    contributors = tuple(sorted(header.contributor_id for header in read))
    if len(set(contributors)) != len(contributors):
        raise SumRefusedError(SumRefusal.REPEATED_CONTRIBUTOR)
    return contributors, set_sha256(hashlib.sha256(each.header).digest() for each in headers)


def _read_answers(
    answers: Sequence[SignedSumAnswer], context: RoundContext, announced: bytes
) -> dict[int, FieldVector]:
    """Return the share of each position that answered for the set."""
    shares: dict[int, FieldVector] = {}
    for each in answers:
        answer = read_answer(each.SerializeToString(deterministic=True), context)
        if answer.refusal is not None or answer.set_sha256 != announced:
            raise SumRefusedError(SumRefusal.OTHER_SET)
        if answer.position in shares:
            raise SumRefusedError(SumRefusal.REPEATED_ANSWER)
        if len(answer.values) != 4 * context.dimension:
            raise SumRefusedError(SumRefusal.ANSWER_SIZE)
        shares[answer.position] = from_bytes(answer.values, dimension=context.dimension)
    return shares
