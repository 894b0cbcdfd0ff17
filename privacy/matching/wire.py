"""The wire form of the matching: signed messages in their one spelling, checked against the matching."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from highstreet.privacy.matching.context import MatchingContext
from highstreet.privacy.matching.errors import MatchingRefusal, MatchingRefusedError
from highstreet.privacy.matching.group import Element, read_element
from highstreet.privacy.matching.limits import ELEMENT_BYTES, FORMAT_VERSION
from highstreet.privacy.secure_sum.signatures import Signed, is_signed_by
from highstreet.protos.matching_pb2 import BlindedList, Evaluations, HolderKey

__all__ = [
    "check_bound",
    "check_signed",
    "parsed",
    "parsed_content",
    "read_elements",
    "written",
    "written_elements",
]

M = TypeVar("M", bound=Message)


def written(message: Message) -> bytes:
    """Return a message's one spelling."""
    return message.SerializeToString(deterministic=True)


def parsed(kind: type[M], body: bytes, *, limit_bytes: int) -> M:
    """Parse what arrived.

    Raises:
        MatchingRefusedError: UNREADABLE for too many bytes, or no such message.
    """
    if len(body) > limit_bytes:
        raise MatchingRefusedError(MatchingRefusal.UNREADABLE)
    try:
        return kind.FromString(body)
    except DecodeError:
        raise MatchingRefusedError(MatchingRefusal.UNREADABLE) from None


def parsed_content(kind: type[M], content: bytes) -> M:
    """Parse what was signed; only its one spelling without unknown fields passes.

    Raises:
        MatchingRefusedError: UNREADABLE.
    """
    message = parsed(kind, content, limit_bytes=len(content))
    message.DiscardUnknownFields()  # type: ignore[attr-defined]  # every message has it; the stubs lack it
    if written(message) != content:
        raise MatchingRefusedError(MatchingRefusal.UNREADABLE)
    return message


def check_bound(message: HolderKey | BlindedList | Evaluations, context: MatchingContext) -> None:
    """Return only when a message is for this very matching.

    Raises:
        MatchingRefusedError: VERSION, OTHER_COOP, OTHER_MATCHING, OTHER_REQUEST.
    """
    checks = (
        (message.format_version == FORMAT_VERSION, MatchingRefusal.VERSION),
        (message.coop_id == context.coop_id, MatchingRefusal.OTHER_COOP),
        (message.matching_id == context.matching_id, MatchingRefusal.OTHER_MATCHING),
        (message.request_sha256 == context.request_sha256, MatchingRefusal.OTHER_REQUEST),
    )
    for holds, refusal in checks:
        if not holds:
            raise MatchingRefusedError(refusal)


def check_signed(public_key: bytes, kind: Signed, content: bytes, signature: bytes) -> None:
    """Return only when the content is signed by that key.

    Raises:
        MatchingRefusedError: SIGNATURE.
    """
    if not is_signed_by(public_key, kind, content, signature):
        raise MatchingRefusedError(MatchingRefusal.SIGNATURE)


def read_elements(joined: bytes, *, count: int) -> list[Element]:
    """Read the elements of a list.

    Raises:
        MatchingRefusedError: COUNT for another number of them, ELEMENT for one that is none.
    """
    if len(joined) != ELEMENT_BYTES * count:
        raise MatchingRefusedError(MatchingRefusal.COUNT)
    return [read_element(joined[at : at + ELEMENT_BYTES]) for at in range(0, len(joined), ELEMENT_BYTES)]


def written_elements(elements: Sequence[Element]) -> bytes:
    """Return a list's elements as they travel."""
    return b"".join(elements)
