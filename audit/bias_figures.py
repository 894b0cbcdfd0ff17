"""Figures of a release from noisy sums, each with an interval that holds noise and the choice of customers.

A figure is the ratio of two linear combinations of released sums. Nothing here costs privacy; anybody can
compute it again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from highstreet.audit.bias_cells import merged_cells
from highstreet.audit.bias_intervals import Interval, difference_interval, quantile, ratio_interval
from highstreet.audit.bias_rules import BiasRule, Comparison, Metric
from highstreet.models.customer_groups import ATTRIBUTES, GroupAttribute
from highstreet.models.exposure import POPULARITY_CLASSES, concentration_weights, is_tail

__all__ = ["CellFigure", "NoisySums", "RuleFigures", "figures_of"]

_Z = quantile(groups=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisySums:
    """The sums that a bias phase released, for whole customers.

    Attributes:
        values: by coordinate name.
        stddev: of the noise in each.
    """

    values: Mapping[str, float]
    stddev: float

    def __post_init__(self) -> None:
        plain = {name: float(value) for name, value in sorted(self.values.items())}
        object.__setattr__(self, "values", MappingProxyType(plain))

    @classmethod
    def of(cls, names: Sequence[str], sums: Sequence[float], *, stddev: float, weight: float) -> NoisySums:
        """Name sums, and scale them to whole customers where each counted by a public weight."""
        whole = {name: value / weight for name, value in zip(names, sums, strict=True)}
        return cls(values=whole, stddev=stddev / weight)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFigure:
    """The rule's value of one group.

    Attributes:
        cell: its name; of merged ones all names, with + between; `all` for figures of products.
        interval: of the value.
    """

    cell: str
    interval: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFigures:
    """What sums say about one rule.

    Attributes:
        cells: groups with a value.
        withheld: groups too small to say anything about, neighbours included.
    """

    cells: tuple[CellFigure, ...]
    withheld: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Combination:
    """A linear combination of sums: coordinate name -> factor."""

    factors: Mapping[str, float]

    def total(self, sums: NoisySums) -> float:
        return math.fsum(factor * sums.values[name] for name, factor in self.factors.items())

    def variance(self, sums: NoisySums) -> float:
        return sums.stddev**2 * math.fsum(factor**2 for factor in self.factors.values())

    def less(self, other: _Combination) -> _Combination:
        return _Combination(factors={**self.factors, **{name: -x for name, x in other.factors.items()}})

    def plus(self, other: _Combination) -> _Combination:
        return _Combination(factors={**self.factors, **other.factors})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ratio:
    """A figure: numerator over customers, and between what every single customer's value lies."""

    numerator: _Combination
    customers: _Combination
    least: float = 0.0
    most: float = 1.0


def figures_of(
    rule: BiasRule, sums: NoisySums, *, previous: NoisySums | None = None, minimum_group: int
) -> RuleFigures:
    """Return the values a rule is judged by.

    Args:
        rule: of the charter.
        sums: of the release.
        previous: of the release before; needed where the rule compares with it.
        minimum_group: fewest customers a group must surely have.

    Raises:
        KeyError: the sums are not those of the rule's part.
        ValueError: the rule needs a previous release and none is given.
    """
    if rule.comparison is Comparison.PREVIOUS and previous is None:
        raise ValueError("The rule compares with the release before, and there is none.")
    every = [sums, previous] if rule.comparison is Comparison.PREVIOUS and previous else [sums]
    if not rule.metric.is_quality:
        customers = _Combination(factors={"exposure/customers": 1.0})
        if not all(_is_surely(customers, each, minimum_group) for each in every):
            return RuleFigures(cells=(), withheld=("all",))
        interval = _value(rule, _products_ratio(rule.metric), every, z=_Z)
        return RuleFigures(cells=(CellFigure(cell="all", interval=interval),))
    return _by_groups(rule, every, minimum_group)


def _by_groups(rule: BiasRule, every: Sequence[NoisySums], minimum_group: int) -> RuleFigures:
    attribute = ATTRIBUTES[rule.groups]

    def is_enough(cells: tuple[str, ...]) -> bool:
        customers = _quality_customers(rule, cells)
        return all(_is_surely(customers, sums, minimum_group) for sums in every)

    def size(cells: tuple[str, ...]) -> float:
        return min(_quality_customers(rule, cells).total(sums) for sums in every)

    held, withheld = merged_cells(attribute, is_enough=is_enough, size=size)
    if rule.comparison is Comparison.OTHERS:
        alone = [cells for cells in held if not is_enough(_others(attribute, cells))]
        held = tuple(cells for cells in held if cells not in alone)
        withheld = (*withheld, *alone)
    z = quantile(groups=max(len(held), 1))
    return RuleFigures(
        cells=tuple(
            CellFigure(cell="+".join(cells), interval=_value(rule, _quality_ratio(rule, cells), every, z=z))
            for cells in held
        ),
        withheld=tuple("+".join(cells) for cells in withheld),
    )


def _value(rule: BiasRule, ratio: _Ratio, every: Sequence[NoisySums], *, z: float) -> Interval:
    """Return the rule's value: the figure less what it is compared with."""
    sums = every[0]
    if rule.comparison is Comparison.PREVIOUS:
        return difference_interval(_interval(ratio, sums, z=z), _interval(ratio, every[1], z=z))
    if rule.comparison is Comparison.OTHERS:
        return difference_interval(_interval(ratio, sums, z=z), _interval(_rest_of(rule, ratio), sums, z=z))
    if rule.comparison in {Comparison.POPULARITY, Comparison.PURCHASES}:
        return _paired(ratio, _beside(rule, ratio), sums, z=z)
    return _interval(ratio, sums, z=z)


def _interval(ratio: _Ratio, sums: NoisySums, *, z: float) -> Interval:
    low, high = ratio.least, ratio.most
    return ratio_interval(
        ratio.numerator.total(sums),
        ratio.customers.total(sums),
        variance=ratio.numerator.variance(sums),
        customers_variance=ratio.customers.variance(sums),
        spread=(-low * high, low + high, -1.0),
        bounds=(low, high),
        z=z,
    )


def _paired(ratio: _Ratio, other: _Ratio, sums: NoisySums, *, z: float) -> Interval:
    """Return the interval of a difference on the same customers.

    For figures x and y in [0, 1], (x - y)^2 <= |x - y| <= x + y, so that the mean of x + y bounds the spread
    of the difference; it is taken at its upper end.
    """
    difference = ratio.numerator.less(other.numerator)
    customers = ratio.customers.total(sums)
    reach = ratio.most - ratio.least
    spread = (reach**2, 0.0, -1.0)  # figures in [-reach, reach]
    if ratio.least == 0.0 and customers > 0:
        both = ratio.numerator.plus(other.numerator)
        most = (both.total(sums) + z * math.sqrt(both.variance(sums))) / customers
        if most < 1.0:
            spread = (max(0.0, most), 0.0, 0.0)
    return ratio_interval(
        difference.total(sums),
        customers,
        variance=difference.variance(sums),
        customers_variance=ratio.customers.variance(sums),
        spread=spread,
        bounds=(-reach, reach),
        z=z,
    )


def _is_surely(customers: _Combination, sums: NoisySums, minimum: int) -> bool:
    """Whether a group surely has at least so many customers."""
    return customers.total(sums) - _Z * math.sqrt(customers.variance(sums)) >= minimum


def _task(rule: BiasRule) -> str:
    return "all" if rule.metric is Metric.NDCG_ALL else "novel"


def _quality_customers(rule: BiasRule, cells: tuple[str, ...]) -> _Combination:
    return _of_cells(rule, cells, "customers")


def _of_cells(rule: BiasRule, cells: tuple[str, ...], measure: str) -> _Combination:
    names = [f"{rule.groups}/{cell}/{_task(rule)}/{measure}" for cell in cells]
    return _Combination(factors=dict.fromkeys(names, 1.0))


def _quality_ratio(rule: BiasRule, cells: tuple[str, ...]) -> _Ratio:
    return _Ratio(numerator=_of_cells(rule, cells, "ranker"), customers=_quality_customers(rule, cells))


def _others(attribute: GroupAttribute, cells: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(cell for cell in attribute.all_cells if cell not in cells)


def _rest_of(rule: BiasRule, ratio: _Ratio) -> _Ratio:
    cells = tuple(name.split("/")[1] for name in ratio.customers.factors)
    return _quality_ratio(rule, _others(ATTRIBUTES[rule.groups], cells))


def _beside(rule: BiasRule, ratio: _Ratio) -> _Ratio:
    """Return the same figure of the other source."""
    source = rule.comparison.value
    renamed = {
        "/".join(source if part == "ranker" else part for part in name.split("/")): factor
        for name, factor in ratio.numerator.factors.items()
    }
    return _Ratio(numerator=_Combination(factors=renamed), customers=ratio.customers)


def _products_ratio(metric: Metric) -> _Ratio:
    customers = _Combination(factors={"exposure/customers": 1.0})
    tenths = [f"exposure/ranker/tenth_{number}" for number in range(POPULARITY_CLASSES)]
    if metric is Metric.TAIL:
        factors = {name: 1.0 for number, name in enumerate(tenths) if is_tail(number)}
    elif metric is Metric.CONCENTRATION:
        weights = concentration_weights(POPULARITY_CLASSES).tolist()
        most = max(weights)
        return _Ratio(
            numerator=_Combination(factors=dict(zip(tenths, weights, strict=True))),
            customers=customers,
            least=-most,
            most=most,
        )
    else:
        factors = {f"exposure/ranker/{metric.value}": 1.0}
    return _Ratio(numerator=_Combination(factors=factors), customers=customers)
