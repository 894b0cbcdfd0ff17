"""Re-ranking: a list that keeps to a customer's own spread of categories, or gives some products their share.

For serving, shop by shop; nothing of it leaves. Both take the scores as they are and give up as little of
them as they can; what that costs in NDCG, `highstreet lab bias` says.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from highstreet.models.calibration_of_lists import miscalibration
from highstreet.models.errors import ModelsError
from highstreet.models.exposure import place_exposure
from highstreet.models.metrics import top_k

__all__ = ["InvalidRerankingError", "Reranking", "calibrated_lists", "lists_with_share"]

#: Only so many of the best products per place are considered.
_POOL_PER_PLACE = 10


class InvalidRerankingError(ModelsError):
    """A strength or a share is not between 0 and 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reranking:
    """What a shop asks of its lists; one of the two at a time.

    Attributes:
        calibration: strength of `calibrated_lists`, 0 for none.
        small_suppliers: share of exposure of `lists_with_share`, 0 for none.
    """

    calibration: float = 0.0
    small_suppliers: float = 0.0

    def __post_init__(self) -> None:
        _check(self.calibration)
        _check(self.small_suppliers)
        if self.calibration and self.small_suppliers:
            raise InvalidRerankingError(
                "Lists are re-ranked towards calibration or towards small suppliers, not both.",
                next_step="Set one of the two to 0.",
            )

    @property
    def is_on(self) -> bool:
        """Whether lists are changed at all."""
        return bool(self.calibration or self.small_suppliers)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Pool:
    """A customer's best products, best first, and their scores from 1 down to 0."""

    items: NDArray[np.int64]
    scores: NDArray[np.float64]


def calibrated_lists(
    scores: NDArray[np.floating],
    wanted: NDArray[np.float64],
    categories: NDArray[np.integer],
    *,
    k: int,
    strength: float,
) -> NDArray[np.int64]:
    """Return the k products per customer that trade scores for calibration, best first, (b, k).

    Greedily the product is added that makes (1 - strength) sum of scores - strength miscalibration largest,
    scores scaled to [0, 1] among the best 10 k and divided by k.

    Args:
        scores: (b, n), minus infinity for products not to be shown.
        wanted: (b, c) shares of categories, as `calibration_of_lists.category_shares` gives them.
        categories: (n,) category of each product, -1 for none.
        k: length of the list; at most n.
        strength: 0 leaves the lists as they are, 1 looks at calibration alone.

    Source: Steck 2018, RecSys, section 5 (maximum marginal relevance), with exposure for counts.
    """
    _check(strength)
    if strength == 0.0:
        return top_k(scores, k)
    weight = place_exposure(min(k, scores.shape[1])) if scores.shape[1] else np.zeros(0)
    lists = [
        _calibrated(pool, shares, categories, weight=weight, strength=strength)
        for pool, shares in zip(_pools(scores, k), wanted, strict=True)
    ]
    return np.array(lists, dtype=np.int64).reshape(len(scores), len(weight))


def lists_with_share(
    scores: NDArray[np.floating], chosen: NDArray[np.bool_], *, k: int, share: float
) -> NDArray[np.int64]:
    """Return the k products per customer in which some products have their share of exposure, (b, k).

    Place by place, the best of the chosen products goes next whenever at least half of the place's exposure
    is owed to them, counting what was handed out so far; the best product of all otherwise. Where no chosen
    product is left among the best 10 k, the list goes on without.

    Args:
        scores: (b, n), minus infinity for products not to be shown.
        chosen: (n,) products that are to have their share.
        k: length of the list; at most n.
        share: of the list's exposure, 0 to 1.

    Source: the idea of ranked group fairness, Zehlike et al. 2017, "FA*IR", CIKM, with the exposure of Singh
    and Joachims 2018, KDD, for counts.
    """
    _check(share)
    if share == 0.0:
        return top_k(scores, k)
    weight = place_exposure(min(k, scores.shape[1])) if scores.shape[1] else np.zeros(0)
    lists = [_with_share(pool, chosen, weight=weight, share=share) for pool in _pools(scores, k)]
    return np.array(lists, dtype=np.int64).reshape(len(scores), len(weight))


def _check(part: float) -> None:
    if not 0.0 <= part <= 1.0:
        raise InvalidRerankingError(
            f"{part:g} is no strength or share of a re-ranking.", next_step="Choose between 0 and 1."
        )


def _pools(scores: NDArray[np.floating], k: int) -> list[_Pool]:
    best = top_k(scores, min(k * _POOL_PER_PLACE, max(scores.shape[1], 1)))
    pools = []
    for row, items in zip(scores, best, strict=True):
        values = row[items].astype(np.float64)
        finite = np.isfinite(values)
        low, high = (values[finite].min(), values[finite].max()) if finite.any() else (0.0, 0.0)
        scaled = np.where(finite, (values - low) / max(high - low, 1e-12), -np.inf)
        pools.append(_Pool(items=items, scores=scaled))
    return pools


def _calibrated(
    pool: _Pool,
    wanted: NDArray[np.float64],
    categories: NDArray[np.integer],
    *,
    weight: NDArray[np.float64],
    strength: float,
) -> list[int]:
    shown = np.zeros((1, len(wanted)))
    of = categories[pool.items]
    left = np.ones(len(pool.items), dtype=bool)
    chosen: list[int] = []
    for place in weight:
        # What the list's shares would be with each product next; products of no category change nothing.
        after = np.repeat(shown, len(of), axis=0)
        known = of >= 0
        after[known, of[known]] += place
        after /= np.maximum(after.sum(axis=1, keepdims=True), 1e-12)
        missed = miscalibration(np.broadcast_to(wanted, after.shape), after)
        value = (1.0 - strength) * pool.scores / len(weight) - strength * missed
        best = int(np.argmax(np.where(left, value, -np.inf)))
        if not left[best]:  # nothing but products not to be shown is left
            best = int(np.flatnonzero(left)[0])
        left[best] = False
        if of[best] >= 0:
            shown[0, of[best]] += place
        chosen.append(int(pool.items[best]))
    return chosen


def _with_share(
    pool: _Pool, chosen: NDArray[np.bool_], *, weight: NDArray[np.float64], share: float
) -> list[int]:
    is_chosen = chosen[pool.items] & np.isfinite(pool.scores)
    left = np.ones(len(pool.items), dtype=bool)
    given, total = 0.0, 0.0
    listed: list[int] = []
    for place in weight:
        total += place
        owed = share * total - given
        takes = left & is_chosen if owed >= place / 2 and (left & is_chosen).any() else left
        best = int(np.flatnonzero(takes)[0])
        left[best] = False
        given += place if is_chosen[best] else 0.0
        listed.append(int(pool.items[best]))
    return listed
