"""A member's blinded list, checked as far as anybody can who knows the holders' keys."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from highstreet.privacy.matching.context import MatchingContext
from highstreet.privacy.matching.errors import MatchingRefusal, MatchingRefusedError
from highstreet.privacy.matching.group import Element
from highstreet.privacy.matching.limits import LIST_LIMIT_BYTES
from highstreet.privacy.matching.wire import check_bound, check_signed, parsed, parsed_content, read_elements
from highstreet.privacy.secure_sum.signatures import Signed
from highstreet.protos.matching_pb2 import BlindedList, SignedBlindedList

__all__ = ["CheckedList", "read_list"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedList:
    """A list that a counted member signed for this matching under these keys.

    Attributes:
        member_id: whose it is.
        sha256: names it.
        elements: as many as all lists have.
    """

    member_id: str
    sha256: bytes
    elements: tuple[Element, ...]


def read_list(body: bytes, context: MatchingContext, *, keys_sha256: bytes) -> CheckedList:
    """Return a member's list.

    Args:
        body: the member's signed list as it came.
        context: the matching, from the reader's own records.
        keys_sha256: of the holders' keys that the reader saw.

    Raises:
        MatchingRefusedError: UNREADABLE, VERSION, OTHER_COOP, OTHER_MATCHING, OTHER_REQUEST, UNKNOWN_MEMBER,
            SIGNATURE, OTHER_KEYS, COUNT, ELEMENT: the first that applies.
    """
    signed = parsed(SignedBlindedList, body, limit_bytes=LIST_LIMIT_BYTES)
    message = parsed_content(BlindedList, signed.list)
    check_bound(message, context)
    member = context.members.get(message.member_id)
    if member is None:
        raise MatchingRefusedError(MatchingRefusal.UNKNOWN_MEMBER)
    check_signed(member.signing_public_key, Signed.MATCHING_LIST, signed.list, signed.signature)
    if message.keys_sha256 != keys_sha256:
        raise MatchingRefusedError(MatchingRefusal.OTHER_KEYS)
    return CheckedList(
        member_id=message.member_id,
        sha256=hashlib.sha256(signed.list).digest(),
        elements=tuple(read_elements(message.elements, count=context.list_length)),
    )
