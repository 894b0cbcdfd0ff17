"""The coordinator's requests about a set, as they arrive: limits first, then one reader for all three."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from google.protobuf.message import DecodeError

from highstreet.privacy.secure_sum.errors import SumRefusal, SumRefusedError
from highstreet.privacy.secure_sum.field import Buffer
from highstreet.privacy.secure_sum.limits import (
    AGREEMENT_REQUEST_LIMIT_BYTES,
    FORMAT_VERSION,
    MAX_COMMITTEE,
    MAX_MEMBERS,
    SUM_REQUEST_LIMIT_BYTES,
)
from highstreet.privacy.secure_sum.wire import element, take_elements
from highstreet.protos.secure_sum_pb2 import SumAgreementRequest, SumInspectionRequest, SumRequest

__all__ = ["BOX", "ENTRIES", "ReadSetMessage", "SetMessage", "read_set_message"]

SetMessage: TypeAlias = SumInspectionRequest | SumAgreementRequest | SumRequest
_Kind = TypeVar("_Kind", SumInspectionRequest, SumAgreementRequest, SumRequest)

#: Numbers of the fields that hold the boxes: entries (headers, where boxes are not sent), and an entry's box.
ENTRIES, BOX = 4, 3
#: Fields of each besides one entry or header per contributor: four of its own, and the agreements.
_OTHER_FIELDS = 4 + MAX_COMMITTEE
_FIELDS_OF_AN_ENTRY = 3


@dataclass(frozen=True, slots=True)
class ReadSetMessage(Generic[_Kind]):
    """A request about a set, its boxes beside it.

    Attributes:
        message: the request; its entries have no boxes.
        boxes: as many as entries, views of the request as it came; empty where there is none.
    """

    message: _Kind
    boxes: tuple[memoryview, ...]


def read_set_message(body: bytes, kind: type[_Kind]) -> ReadSetMessage[_Kind]:
    """Read a request that is within its limits and of a version spoken here; nothing else is checked.

    Its boxes are most of it: they are views of it, and the parser sees the rest.

    Raises:
        SumRefusedError: UNREADABLE, VERSION.
    """
    limit = AGREEMENT_REQUEST_LIMIT_BYTES if kind is SumAgreementRequest else SUM_REQUEST_LIMIT_BYTES
    if len(body) > limit:
        raise SumRefusedError(SumRefusal.UNREADABLE)
    entries, rest = take_elements(body, ENTRIES, at_most=_OTHER_FIELDS + MAX_MEMBERS)
    boxes: list[memoryview] = []
    pieces: list[Buffer] = [rest]
    for entry in entries:
        found, signed = take_elements(entry, BOX, at_most=_FIELDS_OF_AN_ENTRY)
        boxes.append(found[-1] if found else memoryview(b""))
        pieces += element(ENTRIES, signed)
    try:
        message = kind.FromString(b"".join(pieces))
    except DecodeError:
        raise SumRefusedError(SumRefusal.UNREADABLE) from None
    if message.format_version != FORMAT_VERSION:
        raise SumRefusedError(SumRefusal.VERSION)
    return ReadSetMessage(message, tuple(boxes))
