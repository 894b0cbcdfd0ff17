"""JSON from outside: bounded, and where a name comes twice, both values are kept."""

from __future__ import annotations

import json
from dataclasses import dataclass

__all__ = ["Repeated", "read_json"]

JSON_LIMIT_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Repeated:
    """The values of a name that came more than once in one object: whoever reads it must not pick one."""

    values: tuple[object, ...]


def read_json(data: bytes | str, *, limit_bytes: int = JSON_LIMIT_BYTES) -> object:
    """Read JSON; None when it is too large, too deep, not JSON, or holds NaN or infinity."""
    if len(data) > limit_bytes:
        return None
    try:
        return json.loads(data, object_pairs_hook=_object, parse_constant=_refuse, parse_int=_number)
    except (ValueError, RecursionError):
        return None


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values: dict[str, list[object]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return {name: each[0] if len(each) == 1 else Repeated(tuple(each)) for name, each in values.items()}


def _refuse(name: str) -> object:
    raise ValueError(name)


def _number(digits: str) -> object:
    return int(digits) if len(digits) <= 32 else digits
