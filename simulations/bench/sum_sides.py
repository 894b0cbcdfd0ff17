"""The secure sums that are compared, each with the settings it is held at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from highstreet.simulations.bench.our_sum import hold_our_round, why_not_ours
from highstreet.simulations.bench.sum_case import SumCase, Tally

__all__ = ["OURS", "SIDES", "Side"]

Hold = Callable[[SumCase, Tally], NDArray[np.float64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A secure sum at one setting.

    Attributes:
        title: in words.
        hold: holds one round and returns the mean.
        why_not: says why a case is left out, or nothing.
    """

    title: str
    hold: Hold
    why_not: Callable[[SumCase], str]


def _ours(seats: int) -> Side:
    def hold(case: SumCase, tally: Tally) -> NDArray[np.float64]:
        return hold_our_round(case, tally, seats=seats)

    def why_not(case: SumCase) -> str:
        return f"the same as with {case.stores} seats" if case.stores < seats else why_not_ours(case)

    return Side(title=f"Highstreet, m = {seats}", hold=hold, why_not=why_not)


def _secaggplus(title: str, *, shares: int | None, colluders: int, at_least: int = 0) -> Side:
    """Return SecAgg+ with so many shares of each secret; None for a share with every client.

    The threshold is the secure sum's for as many seats and colluders, floor((shares + colluders) / 2) + 1.
    """

    def hold(case: SumCase, tally: Tally) -> NDArray[np.float64]:
        # Imported here: only this side needs Flower, and memory is compared.
        from highstreet.simulations.bench.flower_sum import hold_secaggplus_round

        threshold = ((shares or case.stores) + colluders) // 2 + 1
        return hold_secaggplus_round(
            case, tally, num_shares=shares or 1.0, reconstruction_threshold=threshold
        )

    def why_not(case: SumCase) -> str:
        return f"the same as with {at_least - 1} shares" if case.stores < at_least else ""

    return Side(title=title, hold=hold, why_not=why_not)


OURS = "ours-5"
SIDES = {
    OURS: _ours(5),
    "ours-6": _ours(6),
    "secaggplus-3": _secaggplus("SecAgg+, 3 shares, threshold 2", shares=3, colluders=0),
    "secaggplus-5": _secaggplus("SecAgg+, 5 shares, threshold 4", shares=5, colluders=1),
    "secaggplus-all": _secaggplus(
        "SecAgg+, a share for everybody, threshold (n + 1) / 2 + 1", shares=None, colluders=1, at_least=6
    ),
}
