"""The coordinator's requests about a set, as they arrive: limits first, then one parser for all three."""

from __future__ import annotations

from typing import TypeAlias, TypeVar

from google.protobuf.message import DecodeError

from highstreet.privacy.secure_sum.errors import SumRefusal, SumRefusedError
from highstreet.privacy.secure_sum.limits import (
    AGREEMENT_REQUEST_LIMIT_BYTES,
    FORMAT_VERSION,
    MAX_COMMITTEE,
    MAX_MEMBERS,
    SUM_REQUEST_LIMIT_BYTES,
)
from highstreet.privacy.secure_sum.wire import refuse_many_fields
from highstreet.protos.secure_sum_pb2 import SumAgreementRequest, SumInspectionRequest, SumRequest

__all__ = ["SetMessage", "read_set_message"]

SetMessage: TypeAlias = SumInspectionRequest | SumAgreementRequest | SumRequest
_Kind = TypeVar("_Kind", SumInspectionRequest, SumAgreementRequest, SumRequest)

#: Fields of each besides one entry or header per contributor: four of its own, and the agreements.
_OTHER_FIELDS = 4 + MAX_COMMITTEE


def read_set_message(body: bytes, kind: type[_Kind]) -> _Kind:
    """Parse a request that is within its limits and of a version spoken here; nothing else is checked.

    Raises:
        SumRefusedError: UNREADABLE, VERSION.
    """
    limit = AGREEMENT_REQUEST_LIMIT_BYTES if kind is SumAgreementRequest else SUM_REQUEST_LIMIT_BYTES
    if len(body) > limit:
        raise SumRefusedError(SumRefusal.UNREADABLE)
    refuse_many_fields(body, at_most=_OTHER_FIELDS + MAX_MEMBERS)
    try:
        message = kind.FromString(body)
    except DecodeError:
        raise SumRefusedError(SumRefusal.UNREADABLE) from None
    if message.format_version != FORMAT_VERSION:
        raise SumRefusedError(SumRefusal.VERSION)
    return message
