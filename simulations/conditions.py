"""The conditions of a replay: what is compared, as data.

A condition is a way of recommending. Opponents need no co-op; a co-op condition names who adds the noise, for
which epsilon, and whom that protects. A co-op condition is always served with what each shop goes on learning
by itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from highstreet.privacy.releases import Weighting
from highstreet.simulations.errors import InvalidEpsilonError, UnknownConditionError

__all__ = ["DELTA", "EPSILONS", "OPPONENTS", "Condition", "Kind", "Placement", "choose", "conditions_for"]

DELTA = 1e-5
EPSILONS = (1.0, 2.0, 3.0, 8.0)  # of the published table


class Kind(StrEnum):
    """How a condition comes to its scores."""

    OPPONENT = "opponent"
    ALONE = "alone"
    COOP = "coop"


class Placement(StrEnum):
    """Who adds the noise of a round."""

    NOBODY = "nobody"
    EVERY_STORE = "every-store"
    ONCE_IN_SUM = "once-in-sum"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One row of the table.

    Attributes:
        name: short, for file names and `--conditions`.
        title: in the table.
        kind: how scores come about.
        placement: who adds the noise (COOP only).
        epsilon: at DELTA; for a customer at a store where contributions are whole, else for a person. None
            without noise.
        is_random: whether another seed gives another result.
        weighting: of customers' contributions to the sums.
        is_extra: run only when named.
    """

    name: str
    title: str
    kind: Kind
    placement: Placement = Placement.NOBODY
    epsilon: float | None = None
    is_random: bool = False
    weighting: Weighting = Weighting.WHOLE
    is_extra: bool = False


OPPONENTS = (
    Condition(name="popularity", title="co-op popularity (pooled, no privacy)", kind=Kind.OPPONENT),
    Condition(name="store-popularity", title="store popularity, shrunk to the co-op's", kind=Kind.OPPONENT),
    Condition(name="own-recency", title="own recency + half store popularity", kind=Kind.OPPONENT),
    Condition(name="affinity", title="store popularity x own category affinity", kind=Kind.OPPONENT),
    Condition(name="ease-store", title="EASE per store", kind=Kind.OPPONENT),
    Condition(name="ease-pooled", title="EASE pooled (no privacy)", kind=Kind.OPPONENT),
    Condition(name="autoencoder", title="linear autoencoder pooled (no privacy)", kind=Kind.OPPONENT),
)
_ALONE = Condition(name="alone", title="each shop alone: its own best model", kind=Kind.ALONE, is_random=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """One way of spending an epsilon: name and title behind the epsilon, and what they stand for."""

    name: str
    title: str
    placement: Placement
    weighting: Weighting = Weighting.WHOLE
    is_extra: bool = False


_WAYS = (
    _Way(name="in-sum", title="per customer, noise once in the sum", placement=Placement.ONCE_IN_SUM),
    _Way(
        name="person-in-sum",
        title="per person (k known exactly), noise in the sum",
        placement=Placement.ONCE_IN_SUM,
        weighting=Weighting.ONE_OVER_SHOPS,
    ),
    _Way(
        name="worst-case-in-sum",
        title="per person (k unknown), noise in the sum",
        placement=Placement.ONCE_IN_SUM,
        weighting=Weighting.ONE_OVER_MOST,
        is_extra=True,
    ),
    _Way(name="per-store", title="per customer, noise in every store", placement=Placement.EVERY_STORE),
)


def conditions_for(epsilons: Iterable[float]) -> tuple[Condition, ...]:
    """Return all conditions: opponents, alone, the co-op without privacy, and at each epsilon every way.

    >>> [condition.name for condition in conditions_for([3])][-4:]
    ['epsilon-3-in-sum', 'epsilon-3-person-in-sum', 'epsilon-3-worst-case-in-sum', 'epsilon-3-per-store']

    Raises:
        InvalidEpsilonError: one is not above 0 or not finite, or two have one name.
    """
    asked = tuple(epsilons)
    _refuse_odd_epsilons(asked)
    private = [
        Condition(
            name=f"epsilon-{epsilon:g}-{way.name}",
            title=f"co-op prior + local, epsilon {epsilon:g} {way.title}",
            kind=Kind.COOP,
            placement=way.placement,
            epsilon=epsilon,
            is_random=True,
            weighting=way.weighting,
            is_extra=way.is_extra,
        )
        for epsilon in asked
        for way in _WAYS
    ]
    without = Condition(
        name="no-privacy", title="co-op prior + local, no privacy", kind=Kind.COOP, is_random=True
    )
    return (*OPPONENTS, _ALONE, without, *private)


def _refuse_odd_epsilons(epsilons: Sequence[float]) -> None:
    for epsilon in epsilons:
        if not math.isfinite(epsilon) or epsilon <= 0:
            raise InvalidEpsilonError(
                f"An epsilon of {epsilon:g} is no privacy to be had.",
                next_step="Use a number above 0, as --epsilon 3; what has no noise is in every replay.",
            )
    names = [f"{epsilon:g}" for epsilon in epsilons]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:  # one result would count as two seeds
        raise InvalidEpsilonError(
            f"Epsilon {', '.join(twice)} was asked for more than once.",
            next_step="Give each --epsilon once, told apart by its first six digits.",
        )


def choose(conditions: Sequence[Condition], names: Sequence[str]) -> tuple[Condition, ...]:
    """Return the conditions named, in the table's order; all but the extra ones when none is named.

    Raises:
        UnknownConditionError: a name is not among them.
    """
    known = {condition.name for condition in conditions}
    unknown = sorted(set(names) - known)
    if unknown:
        raise UnknownConditionError(
            f"There is no condition {', '.join(unknown)}.",
            next_step=f"Choose among: {', '.join(sorted(known))}.",
        )
    if not names:
        return tuple(condition for condition in conditions if not condition.is_extra)
    return tuple(condition for condition in conditions if condition.name in names)
