"""The wire form of a message, looked at before it is parsed: how many fields it has."""

from __future__ import annotations

from highstreet.privacy.secure_sum.errors import SumRefusal, SumRefusedError

__all__ = ["refuse_many_fields"]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES = 10


def refuse_many_fields(body: bytes, *, at_most: int) -> None:
    """Return only when a protobuf message has no more than so many fields at its top level.

    A parser makes an object of some 60 bytes for an empty element of two: a message within the limit of its
    size could still take all the memory of a shop's PC. This walks over the fields and stops at the first too
    many.

    Raises:
        SumRefusedError: UNREADABLE for more, or for what is no message.
    """
    at = 0
    for _ in range(at_most):
        if at >= len(body):
            break
        tag, at = _varint(body, at)
        kind = tag & 7
        if kind == _VARINT:
            _, at = _varint(body, at)
        elif kind == _FIXED64:
            at += 8
        elif kind == _FIXED32:
            at += 4
        elif kind == _BYTES:
            length, at = _varint(body, at)
            at += length
        else:
            raise SumRefusedError(SumRefusal.UNREADABLE)
    if at != len(body):
        raise SumRefusedError(SumRefusal.UNREADABLE)


def _varint(body: bytes, at: int) -> tuple[int, int]:
    """Return the number at a place, and the place after it."""
    value = 0
    for shift, byte in enumerate(body[at : at + _MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value, at + shift + 1
    raise SumRefusedError(SumRefusal.UNREADABLE)
