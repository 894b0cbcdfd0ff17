"""The header of a safetensors file from outside, checked before any array is made of it.

A file is eight bytes with the header's length, the header (JSON: name -> dtype, shape, place of the data),
then the data. The library makes an object for each entry, so the entries are counted here first: 30 MiB of
header can name half a million arrays of no elements.

Source: the documentation of safetensors, section Format.
"""

from __future__ import annotations

import json
import math
import struct

from highstreet.models.errors import InvalidStateError

__all__ = ["HEADER_LIMIT_BYTES", "check_header"]

#: Longest header that is read. 128 arrays with the longest names need a quarter of it.
HEADER_LIMIT_BYTES = 64 << 10
_LENGTH_BYTES = 8
_ITEM_BYTES = {"F32": 4, "F64": 8}


def check_header(data: bytes, *, arrays: int, dimensions: int) -> tuple[str, ...]:
    """Return the names of the arrays of a safetensors file that is sound and within these limits.

    Args:
        data: the whole file.
        arrays: most arrays.
        dimensions: most dimensions of one.

    Raises:
        InvalidStateError: a header that is too long or not one, a name given twice, too many arrays, a dtype
            other than float32 and float64, a shape out of range, or data that are not exactly what the shapes
            ask for.
    """
    length = struct.unpack("<Q", data[:_LENGTH_BYTES])[0] if len(data) >= _LENGTH_BYTES else -1
    if not 0 <= length <= len(data) - _LENGTH_BYTES:
        raise InvalidStateError("A shared state is cut short or is not a safetensors file.")
    if length > HEADER_LIMIT_BYTES:
        raise InvalidStateError(f"A shared state's header of {length} bytes is larger than allowed.")
    entries = _parse(data[_LENGTH_BYTES : _LENGTH_BYTES + length])
    if len(entries) > arrays:
        raise InvalidStateError(f"A shared state with {len(entries)} arrays has more than allowed.")
    places = sorted(_place(entry, dimensions) for entry in entries.values())
    ends = [0, *(end for _, end in places)]
    if [begin for begin, _ in places] != ends[:-1] or ends[-1] != len(data) - _LENGTH_BYTES - length:
        raise InvalidStateError("A shared state's data are not those of its header.")
    return tuple(entries)


def _parse(header: bytes) -> dict[str, object]:
    try:
        entries = json.loads(header, object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as error:
        raise InvalidStateError("A shared state is not a valid safetensors file.") from error
    if not isinstance(entries, dict):
        raise InvalidStateError("A shared state is not a valid safetensors file.")
    return entries


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InvalidStateError("A shared state's header says something twice.")
    return found


def _place(entry: object, dimensions: int) -> tuple[int, int]:
    """Return where an array's data begin and end, when its dtype and shape ask for exactly that much."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise InvalidStateError("A shared state's header holds an entry that is not an array.")
    if not isinstance(entry["dtype"], str) or entry["dtype"] not in _ITEM_BYTES:
        raise InvalidStateError("A shared state holds an array that is not float32 or float64.")
    shape, offsets = _whole_numbers(entry["shape"]), _whole_numbers(entry["data_offsets"])
    if len(shape) > dimensions:
        raise InvalidStateError("A shared state holds an array with too many dimensions.")
    if len(offsets) != 2 or offsets[1] - offsets[0] != math.prod(shape) * _ITEM_BYTES[entry["dtype"]]:
        raise InvalidStateError("A shared state holds an array of another size than its shape.")
    return offsets[0], offsets[1]


def _whole_numbers(values: object) -> list[int]:
    if not isinstance(values, list) or not all(type(value) is int and value >= 0 for value in values):
        raise InvalidStateError("A shared state's header holds a shape or place that is not whole numbers.")
    return values
