"""Moments as other tools write them: a span of time, as wide as what is not known about it.

A time without a zone may mean any place on earth, a date any hour of its day. A yes gets the earliest
moment it
may mean, a no the latest: whatever is not known then favours the no that stands beside it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

__all__ = ["Span", "read_span"]

_MAX_CHARACTERS = 40
_ISO = re.compile(
    r"(?P<day>\d{4}-\d{2}-\d{2})"
    r"(?:[T ](?P<time>\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?) ?(?P<zone>Z|UTC|[+-]\d{2}:?\d{2})?)?",
    re.ASCII,
)
_EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Clocks east of Greenwich are up to 14 hours ahead, those west of it up to 12 behind.
_EAST, _WEST = timedelta(hours=14), timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Span:
    """From the earliest to the latest instant a text can mean, in microseconds since 1970-01-01 UTC."""

    earliest: int
    latest: int


def read_span(text: str) -> Span | None:
    """Read an ISO 8601 date or time; None for whatever else it is, or for before 1980.

    >>> read_span("2026-03-01T10:00:00Z") == read_span("2026-03-01 11:00:00 +0100")
    True
    >>> read_span("03/01/2026") is None
    True
    """
    text = text.strip()
    found = _ISO.fullmatch(text) if len(text) <= _MAX_CHARACTERS else None
    if found is None:
        return None
    zone = (found["zone"] or "").replace("UTC", "Z")
    try:
        first = datetime.fromisoformat(f"{found['day']}T{found['time'] or '00:00'}{zone}")
    except ValueError:
        return None
    try:
        if first.tzinfo is not None:
            earliest = latest = first.astimezone(UTC)
        else:
            last = first if found["time"] else first + timedelta(days=1)
            earliest, latest = (first - _EAST).replace(tzinfo=UTC), (last + _WEST).replace(tzinfo=UTC)
    except OverflowError:
        return None
    return Span(_microseconds(earliest), _microseconds(latest)) if earliest >= _EARLIEST else None


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
