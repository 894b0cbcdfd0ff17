"""Whom the shop serves how well, and for whom the co-op is worth it: for the shop's own eyes, without noise.

Nothing of it leaves, so it may compare with the shop's own best model, which no figure of the co-op can.
Groups of fewer than 20 judged customers are not shown.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from highstreet.models.bias_rows import cells_of_purchases
from highstreet.models.comparison import Estimate, clustered_mean, paired_difference
from highstreet.models.customer_groups import ATTRIBUTES
from highstreet.models.history import Timeline
from highstreet.models.shop import ShopData

__all__ = ["FEWEST_SHOWN", "GroupRow", "customer_cells", "group_rows"]

FEWEST_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRow:
    """One group.

    Attributes:
        attribute, cell: which.
        customers: judged.
        served: mean figure of what serves them.
        over_alone: what serves them less the shop's own best model, paired; None without a co-op's release.
    """

    attribute: str
    cell: str
    customers: int
    served: Estimate
    over_alone: Estimate | None


def customer_cells(shop: ShopData, rows: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """Return by attribute the cells of some customers, as far as the shop knows them or they follow."""
    past = Timeline(shop).before(shop.as_of, rows, ())
    return {
        name: shop.groups[name][rows] if name in shop.groups else cells_of_purchases(name, past)
        for name, attribute in ATTRIBUTES.items()
        if name in shop.groups or not attribute.is_declared
    }


def group_rows(
    served: NDArray[np.float64], alone: NDArray[np.float64] | None, cells: dict[str, NDArray[np.int64]]
) -> list[GroupRow]:
    """Return a row for each group that is large enough.

    Args:
        served: (customers,), NaN where there was nothing to find.
        alone: the same of the shop's own best model; None where that is what serves.
        cells: of `customer_cells`.
    """
    rows = []
    for name, column in cells.items():
        for index, cell in enumerate(ATTRIBUTES[name].all_cells):
            chosen = (column == index) & ~np.isnan(served)
            who = np.arange(int(chosen.sum()))
            if len(who) < FEWEST_SHOWN:
                continue
            gain = None if alone is None else paired_difference(served[chosen], alone[chosen], who)
            mean = clustered_mean(served[chosen], who)
            rows.append(GroupRow(attribute=name, cell=cell, customers=len(who), served=mean, over_alone=gain))
    return rows
