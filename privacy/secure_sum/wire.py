"""The wire form of a message, looked at before it is parsed: how many fields it has, where large ones lie."""

from __future__ import annotations

from collections.abc import Iterator

from highstreet.privacy.secure_sum.errors import SumRefusal, SumRefusedError
from highstreet.privacy.secure_sum.field import Buffer

__all__ = ["element", "refuse_many_fields", "take_elements"]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES = 10


def element(number: int, *pieces: Buffer) -> list[Buffer]:
    """Return one element of a field of bytes or messages as pieces of the message, none of them copied.

    >>> b"".join(element(3, b"ab", b"c")).hex()
    '1a03616263'
    """
    return [_written((number << 3) | _BYTES) + _written(sum(map(len, pieces))), *pieces]


def take_elements(body: Buffer, number: int, *, at_most: int) -> tuple[list[memoryview], bytes]:
    """Return the elements of one repeated field of bytes or messages as views, and the message without them.

    The library's parser copies each element, and again each time it is looked at. What it makes of the rest
    is what it would make of the whole message but for this field.

    Args:
        body: a message.
        number: of the field.
        at_most: fields the message may have, these elements among them; see `refuse_many_fields`.

    Raises:
        SumRefusedError: UNREADABLE for more, or for what is no message.
    """
    view = memoryview(body)
    elements, rest, kept_to = [], [], 0
    for tag, begin, content, end in _fields(view, at_most):
        if tag == (number << 3) | _BYTES:
            elements.append(view[content:end])
            rest.append(view[kept_to:begin])
            kept_to = end
    return elements, b"".join((*rest, view[kept_to:]))


def refuse_many_fields(body: Buffer, *, at_most: int) -> None:
    """Return only when a protobuf message has no more than so many fields at its top level.

    A parser makes an object of some 60 bytes for an empty element of two: a message within the limit of its
    size could still take all the memory of a shop's PC. This walks over the fields and stops at the first too
    many.

    Raises:
        SumRefusedError: UNREADABLE for more, or for what is no message.
    """
    for _ in _fields(memoryview(body), at_most):
        pass


def _fields(body: memoryview, at_most: int) -> Iterator[tuple[int, int, int, int]]:
    """Give the tag of each field, where the field and where its content begin, and where it ends."""
    at = 0
    for _ in range(at_most):
        if at >= len(body):
            break
        begin = at
        tag, content = _varint(body, at)
        kind = tag & 7
        if kind == _VARINT:
            _, at = _varint(body, content)
        elif kind == _FIXED64:
            at = content + 8
        elif kind == _FIXED32:
            at = content + 4
        elif kind == _BYTES:
            length, content = _varint(body, content)
            at = content + length
        else:
            raise SumRefusedError(SumRefusal.UNREADABLE)
        if at > len(body):
            break
        yield tag, begin, content, at
    if at != len(body):
        raise SumRefusedError(SumRefusal.UNREADABLE)


def _varint(body: memoryview, at: int) -> tuple[int, int]:
    """Return the number at a place, and the place after it."""
    value = 0
    for shift, byte in enumerate(body[at : at + _MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value, at + shift + 1
    raise SumRefusedError(SumRefusal.UNREADABLE)


def _written(number: int) -> bytes:
    """Return a number as `_varint` reads it."""
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)
