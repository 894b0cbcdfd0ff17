"""Times of a log's entries, held against those at which witnesses saw where the log ended."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["CLOCK_TOLERANCE_SECONDS", "dated_after", "dated_before"]

#: How far a witness's clock may be from the log's before an entry's time counts as wrong.
CLOCK_TOLERANCE_SECONDS = 3600


def dated_after(times: Sequence[int | None], stamps: Sequence[tuple[int, int]]) -> list[int]:
    """Return which entries are dated after somebody saw them.

    Args:
        times: of the entries, unix seconds; None where it cannot be read.
        stamps: size of the log when it was seen, and when, unix seconds.

    Returns:
        Numbers of entries, from 1, the largest first.
    """
    earliest = dict[int, int]()
    for size, at in stamps:
        earliest[size] = min(at, earliest.get(size, at))
    found, bound = list[int](), None
    for number in range(max(earliest, default=0), 0, -1):
        stamp = earliest.get(number)
        if stamp is not None:
            bound = stamp if bound is None else min(bound, stamp)
        written = times[number - 1]
        if written is not None and bound is not None and written > bound + CLOCK_TOLERANCE_SECONDS:
            found.append(number)
    return found


def dated_before(times: Sequence[int | None], stamps: Sequence[tuple[int, int]]) -> int | None:
    """Return the first entry that is dated before somebody saw the log end in front of it; None without one.

    Args:
        times: of the entries, unix seconds; None where it cannot be read.
        stamps: size of the log when it was seen, and when, unix seconds.
    """
    latest = dict[int, int]()
    for size, at in stamps:
        latest[size] = max(at, latest.get(size, at))
    bound = 0
    for number, written in enumerate(times, start=1):
        bound = max(bound, latest.get(number - 1, 0))
        if written is not None and written < bound - CLOCK_TOLERANCE_SECONDS:
            return number
    return None
