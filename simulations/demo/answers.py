"""Reading the JSON that commands answer: every access says what it expects, or fails with a clear error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from highstreet.simulations.errors import SimulationsError

__all__ = ["UnexpectedAnswerError", "count", "number", "rows", "table", "text"]


class UnexpectedAnswerError(SimulationsError):
    """A command answered something else than the demo understands."""


def table(value: object, name: str = "") -> Mapping[str, object]:
    """Return an object, or the object under a name of it."""
    found = _get(value, name) if name else value
    if not isinstance(found, Mapping):
        raise UnexpectedAnswerError(f"A command's answer has no table {name or 'at its top'}.")
    return found


def rows(value: object, name: str = "") -> Sequence[Mapping[str, object]]:
    """Return a list of objects, or the one under a name."""
    found = _get(value, name) if name else value
    if not isinstance(found, list):
        raise UnexpectedAnswerError(f"A command's answer has no list {name or 'at its top'}.")
    return [table(item) for item in found]


def text(value: object, name: str) -> str:
    """Return the text under a name."""
    found = _get(value, name)
    if not isinstance(found, str):
        raise UnexpectedAnswerError(f"A command's answer has no text {name}.")
    return found


def number(value: object, name: str) -> float:
    """Return the number under a name."""
    found = _get(value, name)
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise UnexpectedAnswerError(f"A command's answer has no number {name}.")
    return float(found)


def count(value: object, name: str) -> int:
    """Return the whole number under a name; nothing there, or null, counts as 0."""
    found = table(value).get(name) or 0
    if isinstance(found, bool) or not isinstance(found, int):
        raise UnexpectedAnswerError(f"A command's answer has no whole number {name}.")
    return found


def _get(value: object, name: str) -> object:
    if not isinstance(value, Mapping) or name not in value:
        raise UnexpectedAnswerError(f"A command's answer has no entry {name}.")
    return value[name]
