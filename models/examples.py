"""Training examples of the ranker: tell a customer's later purchases apart by the earlier ones.

One example is one customer's whole history: for each of a few windows, the products bought in it are the
targets, the purchases before it the history, and the candidates are the targets, the customer's own earlier
products and negatives drawn by a public permutation that starts at a place given by the customer's own
purchases. So an example depends on nobody else, nor on the customer's row in the shop's table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from highstreet.models.features import FeatureSpace
from highstreet.models.history import Histories, Timeline
from highstreet.models.settings import Settings

__all__ = ["Examples", "candidates_of", "window_examples"]

FloatArray = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Examples:
    """Examples of b customers over s windows and c candidates.

    Attributes:
        candidates: (b, s, c) catalogue rows.
        features: (b, s, c, f).
        offsets: (b, s, c) added to scores: log of how many products a candidate stands for.
        targets: (b, s, c) weight of each target; a window's weights sum to the square root of its number of
            targets, or to 0 when the window has no targets or no history before it.
    """

    candidates: NDArray[np.int64]
    features: FloatArray
    offsets: FloatArray
    targets: FloatArray


def window_examples(
    settings: Settings,
    space: FeatureSpace,
    timeline: Timeline,
    rows: NDArray[np.integer],
    *,
    seed: int,
    stop: int,
    windows: int,
    listed: NDArray[np.bool_] | None = None,
) -> Examples:
    """Return the examples of these customer rows over `windows` windows that end at day `stop`.

    Args:
        settings: of the plan.
        space: computes the features.
        timeline: the shop's purchases.
        rows: customers to return.
        seed: public, of the negatives.
        stop: day the last window ends before.
        windows: how many, back to back.
        listed: (n,) products that count as candidates and targets; all when None. In a shared gradient it
            must be None: which products others bought would speak through it.
    """
    parts: list[Examples] = []
    for window in range(windows):
        end = stop - window * settings.horizon_days
        start = end - settings.horizon_days
        past = timeline.before(start, rows, space.half_lives)
        targets = timeline.between(start, end, rows)
        if listed is not None:
            targets = targets & listed
        fingerprints = timeline.fingerprints(rows)
        candidates, offsets = candidates_of(
            settings, past, targets, fingerprints, seed=seed + window, listed=listed
        )
        parts.append(_window(space, past, targets, candidates, offsets))
    return Examples(
        candidates=np.stack([part.candidates for part in parts], axis=1),
        features=np.stack([part.features for part in parts], axis=1),
        offsets=np.stack([part.offsets for part in parts], axis=1),
        targets=np.stack([part.targets for part in parts], axis=1),
    )


def candidates_of(
    settings: Settings,
    past: Histories,
    targets: NDArray[np.bool_],
    fingerprints: NDArray[np.int64],
    *,
    seed: int,
    listed: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.int64], FloatArray]:
    """Return candidates (b, c) and their offsets (b, c), among the listed products; all of them when None.

    Targets and the customer's most bought products come with certainty; the rest are negatives, each
    standing for an equal part of all products not yet among the candidates.
    """
    customers, products = targets.shape
    choice = products if listed is None else int(listed.sum())
    wanted = min(settings.candidates, choice)
    permutation = np.random.default_rng(seed).permutation(products)
    place = np.empty(products, dtype=np.int64)
    place[permutation] = np.arange(products)
    turned = (place[None, :] - (fingerprints % max(products, 1))[:, None]) % max(products, 1)
    # Lower is earlier: targets, then own products by count, then negatives in the customer's public order.
    order = (turned + 3.0 * products).astype(np.float32)
    own = past.bought & (_rank_among_own(past, settings.own_candidates) < settings.own_candidates)
    sure = own | targets
    if listed is not None:
        order[:, ~listed] = np.inf
    order[own] = 2.0 * products - np.minimum(past.count[own], products)
    order[targets] = 0.0
    order[targets] += turned[targets] / max(products, 1)
    candidates = (
        np.argpartition(order, wanted - 1, axis=1)[:, :wanted] if wanted else np.zeros((customers, 0))
    )
    candidates = np.sort(candidates.astype(np.int64), axis=1)
    certain = np.take_along_axis(sure, candidates, axis=1)
    drawn = np.maximum((~certain).sum(axis=1), 1)
    rest = choice - sure.sum(axis=1)
    offsets = np.where(certain, 0.0, np.log(np.maximum(rest, 1) / drawn)[:, None])
    return candidates, offsets.astype(np.float32)


def _rank_among_own(past: Histories, most: int) -> NDArray[np.int64]:
    """(b, n) rank of each product by the customer's own count, recent first among equals."""
    if past.count.shape[1] <= most or (past.bought.sum(axis=1) <= most).all():
        return np.zeros(past.count.shape, dtype=np.int64)
    keys = past.count - past.gap / 20_000.0
    order = np.argsort(-keys, axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.broadcast_to(np.arange(order.shape[1]), order.shape), axis=1)
    return ranks


def _window(
    space: FeatureSpace,
    past: Histories,
    targets: NDArray[np.bool_],
    candidates: NDArray[np.int64],
    offsets: FloatArray,
) -> Examples:
    wanted: NDArray[np.bool_] = np.take_along_axis(targets, candidates, axis=1)
    wanted = wanted & past.bought.any(axis=1, keepdims=True)
    number = wanted.sum(axis=1, keepdims=True)
    weights = np.where(wanted, 1.0 / np.sqrt(np.maximum(number, 1)), 0.0)
    return Examples(
        candidates=candidates,
        features=space.snapshot(past).features(candidates),
        offsets=offsets,
        targets=weights.astype(np.float32),
    )
