"""A holder's evaluations of one list, checked as far as anybody can who does not verify the proof."""

from __future__ import annotations

from highstreet.privacy.matching.context import MatchingContext
from highstreet.privacy.matching.errors import MatchingRefusal, MatchingRefusedError
from highstreet.privacy.matching.limits import LIST_LIMIT_BYTES
from highstreet.privacy.matching.wire import check_bound, check_signed, parsed, parsed_content
from highstreet.privacy.secure_sum.signatures import Signed
from highstreet.protos.matching_pb2 import Evaluations, SignedEvaluations

__all__ = ["read_evaluations"]


def read_evaluations(
    body: bytes, context: MatchingContext, *, member_id: str, list_sha256: bytes
) -> Evaluations:
    """Return what a holder signed for one member's list; the proof is still to be verified.

    Raises:
        MatchingRefusedError: UNREADABLE, VERSION, OTHER_COOP, OTHER_MATCHING, OTHER_REQUEST, NOT_A_HOLDER,
            SIGNATURE, NOT_ADDRESSED, OTHER_LIST: the first that applies.
    """
    signed = parsed(SignedEvaluations, body, limit_bytes=LIST_LIMIT_BYTES)
    message = parsed_content(Evaluations, signed.evaluations)
    check_bound(message, context)
    holder = context.holder(message.holder_id)
    if holder is None:
        raise MatchingRefusedError(MatchingRefusal.NOT_A_HOLDER)
    key, signature = holder.signing_public_key, signed.signature
    check_signed(key, Signed.MATCHING_EVALUATIONS, signed.evaluations, signature)
    if message.member_id != member_id:
        raise MatchingRefusedError(MatchingRefusal.NOT_ADDRESSED)
    if message.list_sha256 != list_sha256:
        raise MatchingRefusedError(MatchingRefusal.OTHER_LIST)
    return message
