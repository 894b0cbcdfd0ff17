"""The summary of a replay: means, paired differences and buckets of what is finished, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from highstreet.models.comparison import Estimate, clustered_mean, paired_difference, worse_off
from highstreet.simulations.conditions import Condition, Kind
from highstreet.simulations.judging import METRICS, Units
from highstreet.simulations.results import Finished

__all__ = ["FEW_PURCHASES", "RIVALS", "SIZE_EDGES", "Row", "Summary", "summarise"]

#: Conditions that others are compared with, unit by unit.
RIVALS = ("store-popularity", "own-recency", "alone")
#: Edges of the buckets of shops by customers; the last bucket is open.
SIZE_EDGES = (0, 40, 60, 80, 120)
FEW_PURCHASES = 3
_COMPARED = ("all/ndcg10", "novel/ndcg10")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One condition's figures.

    Attributes:
        condition: what was run.
        seeds: number of seeds finished.
        seconds: per seed, on average.
        claims: privacy, in words.
        details: public numbers of the plan and the secure sums, of the first seed.
        means: by metric, with errors clustered by person.
        seed_deviation: standard deviation of the mean over seeds, by metric; NaN with one seed.
        against: rival name -> metric -> paired difference.
        by_size: metric -> bucket -> difference to `alone` (co-op conditions), else empty.
        few_purchases: metric -> difference to `alone` among customers with at most FEW_PURCHASES purchases.
        worse_than_alone: metric -> (shops worse by more than their own standard error, shops judged).
    """

    condition: Condition
    seeds: int
    seconds: float
    claims: tuple[str, ...]
    details: Mapping[str, object]
    means: Mapping[str, Estimate]
    seed_deviation: Mapping[str, float]
    against: Mapping[str, Mapping[str, Estimate]]
    by_size: Mapping[str, Mapping[str, Estimate]]
    few_purchases: Mapping[str, Estimate]
    worse_than_alone: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """All rows, in the order of the conditions; commits that contributed."""

    rows: tuple[Row, ...]
    commits: tuple[str, ...]

    def row(self, name: str) -> Row | None:
        """Return the row of a condition, if it was run."""
        return next((row for row in self.rows if row.condition.name == name), None)


def summarise(conditions: Sequence[Condition], finished: Sequence[Finished], units: Units) -> Summary:
    """Compare what is finished; conditions without a result are left out."""
    by_name = {
        name: [each for each in finished if each.condition == name]
        for name in (condition.name for condition in conditions)
    }
    stacks = {name: np.stack([each.values for each in runs]) for name, runs in by_name.items() if runs}
    rows = tuple(
        _row(condition, by_name[condition.name], stacks, units)
        for condition in conditions
        if condition.name in stacks
    )
    return Summary(rows=rows, commits=tuple(sorted({each.commit for each in finished})))


def _row(
    condition: Condition, runs: Sequence[Finished], stacks: Mapping[str, NDArray[np.float64]], units: Units
) -> Row:
    own = stacks[condition.name]
    alone = stacks.get("alone") if condition.kind is Kind.COOP else None
    against = {
        rival: {metric: _paired(own, stacks[rival], metric, units, None) for metric in METRICS}
        for rival in RIVALS
        if rival in stacks and rival != condition.name
    }
    return Row(
        condition=condition,
        seeds=len(runs),
        seconds=float(np.mean([run.seconds for run in runs])),
        claims=runs[0].claims,
        details=runs[0].details,
        means={metric: clustered_mean(_column(own, metric).mean(axis=0), units.person) for metric in METRICS},
        seed_deviation={metric: _seed_deviation(own, metric) for metric in METRICS},
        against=against,
        by_size={} if alone is None else {m: _by_size(own, alone, m, units) for m in _COMPARED},
        few_purchases={}
        if alone is None
        else {m: _paired(own, alone, m, units, units.purchases <= FEW_PURCHASES) for m in _COMPARED},
        worse_than_alone={} if alone is None else {m: _worse(own, alone, m, units) for m in _COMPARED},
    )


def _column(stack: NDArray[np.float64], metric: str) -> NDArray[np.float64]:
    """(seeds, units) of one metric."""
    return stack[:, :, METRICS.index(metric)]


def _paired(
    own: NDArray[np.float64],
    rival: NDArray[np.float64],
    metric: str,
    units: Units,
    chosen: NDArray[np.bool_] | None,
) -> Estimate:
    kept = np.ones(len(units.store), dtype=bool) if chosen is None else chosen
    ours, theirs = _column(own, metric)[:, kept], _column(rival, metric)[:, kept]
    if len(theirs) != len(ours):
        theirs = theirs.mean(axis=0, keepdims=True)
    return paired_difference(ours, theirs, units.person[kept])


def _seed_deviation(stack: NDArray[np.float64], metric: str) -> float:
    column = _column(stack, metric)
    if np.isnan(column).all():  # nobody has anything to find
        return float("nan")
    means = np.nanmean(column, axis=1)
    return float(means.std(ddof=1)) if len(means) > 1 else float("nan")


def _by_size(
    own: NDArray[np.float64], alone: NDArray[np.float64], metric: str, units: Units
) -> dict[str, Estimate]:
    buckets: dict[str, Estimate] = {}
    for low, high in zip(SIZE_EDGES, (*SIZE_EDGES[1:], None), strict=True):
        chosen = units.store_customers >= low
        if high is not None:
            chosen &= units.store_customers < high
        if chosen.any():
            label = f"{low} or more" if high is None else f"{low} to {high - 1}" if low else f"under {high}"
            buckets[label] = _paired(own, alone, metric, units, chosen)
    return buckets


def _worse(
    own: NDArray[np.float64], alone: NDArray[np.float64], metric: str, units: Units
) -> tuple[int, int]:
    return worse_off(_column(own, metric).mean(axis=0), _column(alone, metric).mean(axis=0), units.store)
