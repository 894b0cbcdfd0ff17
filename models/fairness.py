"""Quality gaps between groups of customers: how much better one group is served than another.

The definitions, on figures of single customers and without noise: for a shop's own eyes and the lab. What
leaves shops is measured by `models.bias_rows` as sums, to which the same ratios apply.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from highstreet.models.errors import ModelsError

__all__ = ["GroupFigures", "InvalidGroupsError", "group_figures"]


class InvalidGroupsError(ModelsError):
    """Groups and figures do not belong together."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupFigures:
    """Mean figures of groups, each over its members that have one.

    Attributes:
        means: (g,), NaN where nobody of the group has a figure.
        counts: (g,) members with a figure.
        overall: mean over all members with a figure, NaN when there is none.
    """

    means: NDArray[np.float64]
    counts: NDArray[np.int64]
    overall: float

    @property
    def gap_between_groups(self) -> float:
        """Largest mean less the smallest; 0 for a single group, NaN for none.

        Demographic gap in mean outcome: Ekstrand et al. 2018, "All the cool kids, how do they fit in?",
        PMLR 81, compare the mean quality of user groups; fairlearn's `difference("between_groups")`.
        """
        held = self.means[self.counts > 0]
        return float(held.max() - held.min()) if len(held) else float("nan")

    @property
    def gap_to_overall(self) -> float:
        """Largest distance of a group's mean from the mean over all; NaN without groups.

        Fairlearn's `difference("to_overall")`.
        """
        held = self.means[self.counts > 0]
        return float(np.abs(held - self.overall).max()) if len(held) else float("nan")

    @property
    def ratio_between_groups(self) -> float:
        """Smallest mean over the largest, for figures of at least 0; NaN where the largest is 0.

        Fairlearn's `ratio("between_groups")`.
        """
        held = self.means[self.counts > 0]
        return float(held.min() / held.max()) if len(held) and held.max() > 0 else float("nan")

    @property
    def gaps_to_others(self) -> NDArray[np.float64]:
        """Each group's mean less the mean over everybody else, (g,); NaN where either is nobody.

        What the gate's comparison `others` is about: a large group is not compared with itself.
        """
        totals = np.where(self.counts > 0, self.means, 0.0) * self.counts
        others = self.counts.sum() - self.counts
        rest = np.full(len(self.means), np.nan)
        np.divide(totals.sum() - totals, others, out=rest, where=others > 0)
        return np.asarray(self.means - rest)


def group_figures(
    values: NDArray[np.floating], groups: NDArray[np.integer], *, number_of_groups: int
) -> GroupFigures:
    """Return mean figures by group.

    Args:
        values: (n,), one figure per customer; NaN where the customer has none.
        groups: (n,) group of each customer, 0 to number_of_groups - 1.
        number_of_groups: how many there are; groups of nobody are kept.

    Raises:
        InvalidGroupsError: lengths differ, or a group is not one of them.

    Worked: figures .2, .4 and .9 in groups 0, 0 and 1: means .3 and .9, overall .5, gap .6, to overall .4.

    >>> found = group_figures(np.array([.2, .4, .9]), np.array([0, 0, 1]), number_of_groups=2)
    >>> [round(x, 3) for x in (found.gap_between_groups, found.gap_to_overall, found.ratio_between_groups)]
    [0.6, 0.4, 0.333]
    """
    if values.shape != groups.shape or values.ndim != 1:
        raise InvalidGroupsError(f"There are {groups.shape} groups for {values.shape} figures.")
    if len(groups) and (groups.min() < 0 or groups.max() >= number_of_groups):
        raise InvalidGroupsError(f"A customer is in no group of {number_of_groups}.")
    held = ~np.isnan(values)
    counts = np.bincount(groups[held], minlength=number_of_groups).astype(np.int64)
    totals = np.bincount(groups[held], weights=values[held], minlength=number_of_groups)
    means = np.full(number_of_groups, np.nan)
    np.divide(totals, counts, out=means, where=counts > 0)
    overall = float(totals.sum() / counts.sum()) if counts.sum() else float("nan")
    return GroupFigures(means=means, counts=counts, overall=overall)
