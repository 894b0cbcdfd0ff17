"""Findings of the lab on bias: a figure of a group under a condition, or what changes it, with its interval.

What is compared is paired: pair of shop and customer by pair, and seed by seed where both draw at random.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from highstreet.simulations.bias_contrasts import Contrast, contrast
from highstreet.simulations.bias_groups import CELLS
from highstreet.simulations.bias_judging import BIAS_METRICS, QUALITY, VARIANTS

__all__ = [
    "ALONE",
    "EVERYBODY",
    "FEWEST_PERSONS",
    "PURCHASES",
    "WITHOUT",
    "Finding",
    "Kind",
    "Measured",
    "Subject",
    "findings_of",
]

#: What conditions are compared with: two of them, and what customers bought.
WITHOUT, ALONE, PURCHASES = "no-privacy", "alone", "purchases"
EVERYBODY = "everybody"
#: Groups of fewer persons are withheld.
FEWEST_PERSONS = 20
_MISSES = 0.05
_WEIGHTED = "-weighted"
_PRICED = ("miscalibration", "small_suppliers", *QUALITY)

#: Between two ends of a range in the name of a cell.
_BETWEEN = re.compile(r"(\dk?)_(?=\d)")

Values = NDArray[np.float64]
Chosen = NDArray[np.bool_]


class Kind(StrEnum):
    """What a finding is of.

    LEVEL: a mean. CHANGE: a condition less another. GAP: a group less everybody else. CHANGE_OF_GAP: the gap
    less that under another condition. PRICE: a re-ranking less the same lists without it. SHOP: the change of
    one shop's customers.
    """

    LEVEL = "level"
    CHANGE = "change"
    GAP = "gap"
    CHANGE_OF_GAP = "change_of_gap"
    PRICE = "price"
    SHOP = "shop"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """Everything that was run.

    Attributes:
        values: condition -> (seeds, variants, units, metrics); one seed where nothing is random.
        purchases: (units, metrics), what customers bought as if it were lists.
        persons: (units,), the same person in every shop.
        stores: (units,) shop.
        groups: name in CELLS -> (units,) cell.
    """

    values: Mapping[str, Values]
    purchases: Values
    persons: NDArray[np.int64]
    stores: NDArray[np.int64]
    groups: Mapping[str, NDArray[np.int64]]

    def column(self, condition: str, metric: str, variant: str = "plain") -> Values:
        """Return (seeds, units) of one metric."""
        place = BIAS_METRICS.index(metric)
        if condition == PURCHASES:
            return self.purchases[None, :, place]
        return np.asarray(self.values[condition][:, VARIANTS.index(variant), :, place])

    def difference(self, condition: str, against: str, metric: str) -> Values:
        """Return (seeds, units) of one condition less another, over the seeds that both have."""
        ours, theirs = self.column(condition, metric), self.column(against, metric)
        seeds = min((len(each) for each in (ours, theirs) if len(each) > 1), default=1)
        return ours[:seeds] - theirs[:seeds]

    @property
    def everybody(self) -> Chosen:
        """(units,): all of them."""
        return np.ones(len(self.persons), dtype=bool)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a finding is about.

    Attributes:
        kind: see Kind.
        metric: of BIAS_METRICS.
        condition: what was run, or PURCHASES.
        against: the condition compared with; empty for none.
        variant: how lists were made of scores.
        attribute: name in CELLS, or `shop`; empty for everybody.
        cell: of the attribute; of a shop its place.
    """

    kind: Kind
    metric: str
    condition: str
    against: str = ""
    variant: str = "plain"
    attribute: str = ""
    cell: str = EVERYBODY

    @property
    def cell_in_words(self) -> str:
        """The cell as people write it: `35 to 44`, `under 25k`."""
        return _BETWEEN.sub(r"\1 to ", self.cell).replace("_", " ")

    @property
    def group(self) -> str:
        """The group in words."""
        attribute = self.attribute.replace("_", " ")
        return f"{attribute}: {self.cell_in_words}" if attribute else self.cell_in_words

    @property
    def family(self) -> tuple[str, ...]:
        """What it is one of: findings of one family share their misses."""
        metric = self.metric if self.metric in QUALITY else "products"
        return (
            self.kind,
            metric,
            self.condition,
            self.against,
            self.variant,
            "group" if self.attribute else "",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A figure and how sure it is.

    Attributes:
        of: what it is about.
        mean: over pairs that have a figure, and seeds.
        low, high: the 95 % interval of this figure by itself.
        units: pairs of the group in it.
        persons: in them.
        stands: whether 0 is outside the wider interval with which all of its family together miss once in
            twenty times (Bonferroni).
    """

    of: Subject
    mean: float
    low: float
    high: float
    units: int
    persons: int
    stands: bool

    @property
    def half_width(self) -> float:
        """Half the width of the interval."""
        return (self.high - self.low) / 2


_Found = tuple[Subject, Contrast]


def findings_of(measured: Measured) -> list[Finding]:
    """Return every finding that there are results for; groups of too few persons are left out."""
    found = [*_of_quality(measured), *_of_products(measured), *_prices(measured), *_of_shops(measured)]
    return _with_intervals(found)


def _rivals(measured: Measured, condition: str) -> list[str]:
    """What a condition is compared with, of what was run.

    Weighted objectives: the same without weights. A co-op: each shop alone, and, where it is private, the one
    without privacy. Shops alone and popularity: nothing.
    """
    if condition.endswith(_WEIGHTED):
        rivals = [condition.removesuffix(_WEIGHTED)]
    elif condition in {ALONE, "popularity"}:
        rivals = []
    else:
        rivals = [ALONE] if condition == WITHOUT else [WITHOUT, ALONE]
    return [rival for rival in rivals if rival in measured.values]


def _of_quality(measured: Measured) -> Iterator[_Found]:
    for metric in QUALITY:
        for condition in measured.values:
            level = Subject(kind=Kind.LEVEL, metric=metric, condition=condition)
            yield from _by_group(measured, level, measured.column(condition, metric), gap=Kind.GAP)
            for rival in _rivals(measured, condition):
                change = replace(level, kind=Kind.CHANGE, against=rival)
                values = measured.difference(condition, rival, metric)
                yield from _by_group(measured, change, values, gap=Kind.CHANGE_OF_GAP)


def _by_group(measured: Measured, like: Subject, values: Values, *, gap: Kind) -> Iterator[_Found]:
    """Everybody's mean, each group's, and each group's less that of everybody else."""
    yield from _kept(like, contrast(values, measured.persons, measured.everybody))
    for attribute, column in measured.groups.items():
        for index, cell in enumerate(CELLS[attribute]):
            inside = column == index
            own = replace(like, attribute=attribute, cell=cell)
            fewest = FEWEST_PERSONS
            yield from _kept(own, contrast(values, measured.persons, inside, fewest_persons=fewest))
            less = contrast(values, measured.persons, inside, ~inside, fewest_persons=fewest)
            yield from _kept(replace(own, kind=gap), less)


def _of_products(measured: Measured) -> Iterator[_Found]:
    for metric in BIAS_METRICS[len(QUALITY) :]:
        for condition in (PURCHASES, *measured.values):
            level = Subject(kind=Kind.LEVEL, metric=metric, condition=condition)
            values = measured.column(condition, metric)
            yield from _kept(level, contrast(values, measured.persons, measured.everybody))
            rivals = [] if condition == PURCHASES else [*_rivals(measured, condition), PURCHASES]
            for rival in rivals:
                change = replace(level, kind=Kind.CHANGE, against=rival)
                less = measured.difference(condition, rival, metric)
                yield from _kept(change, contrast(less, measured.persons, measured.everybody))


def _prices(measured: Measured) -> Iterator[_Found]:
    """What each re-ranking does to its own figure, and what it costs, against the same lists without it."""
    for condition in measured.values:
        for variant in VARIANTS[1:]:
            for metric in _PRICED:
                price = Subject(kind=Kind.PRICE, metric=metric, condition=condition, variant=variant)
                less = measured.column(condition, metric, variant) - measured.column(condition, metric)
                yield from _kept(price, contrast(less, measured.persons, measured.everybody))


def _of_shops(measured: Measured) -> Iterator[_Found]:
    """Each shop against its own model alone, which in a co-op nobody can see but that shop."""
    for metric in QUALITY:
        for condition in measured.values:
            if ALONE not in _rivals(measured, condition):
                continue
            values = measured.difference(condition, ALONE, metric)
            for store in np.unique(measured.stores):
                subject = Subject(
                    kind=Kind.SHOP,
                    metric=metric,
                    condition=condition,
                    against=ALONE,
                    attribute="shop",
                    cell=str(store),
                )
                yield from _kept(subject, contrast(values, measured.persons, measured.stores == store))


def _kept(subject: Subject, found: Contrast | None) -> Iterator[_Found]:
    if found is not None:
        yield subject, found


def _with_intervals(found: Sequence[_Found]) -> list[Finding]:
    sizes: dict[tuple[str, ...], int] = {}
    for subject, _ in found:
        sizes[subject.family] = sizes.get(subject.family, 0) + 1
    return [_finding(subject, each, sizes[subject.family]) for subject, each in found]


def _finding(subject: Subject, found: Contrast, shared_by: int) -> Finding:
    reach = found.reach(_MISSES)
    return Finding(
        of=subject,
        mean=found.mean,
        low=found.mean - reach,
        high=found.mean + reach,
        units=found.units,
        persons=found.persons,
        stands=abs(found.mean) > found.reach(_MISSES / shared_by)
        and not math.isclose(found.mean, 0.0, abs_tol=1e-12),
    )
