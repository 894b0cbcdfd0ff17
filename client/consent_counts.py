"""Counts of consents: how many customers stand where, for the shop's own eyes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from highstreet.audit.consent import ConsentState

__all__ = ["ConsentCount", "count_states"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentCount:
    """How many customers stand where, for one purpose.

    Attributes:
        granted: agree.
        withdrawn: said no, at first or later, or objected.
        lapsed: said yes, but that ran out or has to be asked for again.
        not_asked: neither; those who were asked and have not answered are among them.
    """

    granted: int
    withdrawn: int
    lapsed: int
    not_asked: int


def count_states(states: Iterable[ConsentState], *, total: int) -> ConsentCount:
    """Count where customers stand.

    Args:
        states: of everybody of whom the log says anything.
        total: how many customers there are.
    """
    found = Counter(states)
    granted = found[ConsentState.GRANTED]
    withdrawn = sum(count for state, count in found.items() if state.is_no)
    lapsed = sum(count for state, count in found.items() if state.is_lapsed)
    return ConsentCount(
        granted=granted, withdrawn=withdrawn, lapsed=lapsed, not_asked=total - granted - withdrawn - lapsed
    )
