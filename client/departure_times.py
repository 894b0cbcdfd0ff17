"""When a contribution leaves: at one of a few public times after it was begun, whatever computing it took.

How long a shop computes depends on its customers: on how many there are, and on whether all of them could be
computed at once. The coordinator sees when an answer comes. Held until the next departure, that tells only
between which two departures the computing ended: nothing below the first, and one of eight for anything up to
two minutes.
"""

from __future__ import annotations

__all__ = ["DEPARTURES", "next_departure"]

#: Seconds after a contribution was begun at which it may leave; after the last, every so many seconds again.
DEPARTURES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)


def next_departure(seconds: float) -> float:
    """Return the first departure that is not before so many seconds; both are counted from the beginning.

    >>> [next_departure(took) for took in (0.01, 0.9, 1.0, 1.1, 30.0, 64.1)]
    [1.0, 1.0, 1.0, 2.0, 32.0, 128.0]
    """
    for departure in DEPARTURES:
        if seconds <= departure:
            return departure
    last = DEPARTURES[-1]
    return -(-seconds // last) * last
