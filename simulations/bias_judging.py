"""What the lab measures of bias: of each judged pair, how good its lists are and what they show."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from highstreet.models.calibration_of_lists import category_shares, list_shares, miscalibration
from highstreet.models.exposure import (
    POPULARITY_CLASSES,
    PRICE_CLASSES,
    concentration_weights,
    exposure_shares,
    is_tail,
)
from highstreet.models.history import Histories, Timeline
from highstreet.models.metrics import ndcg_of_lists, top_k
from highstreet.models.reranking import calibrated_lists, lists_with_share
from highstreet.simulations.bias_groups import ProductClasses
from highstreet.simulations.protocol import Federation, LabStore

__all__ = ["BIAS_METRICS", "QUALITY", "VARIANTS", "judge_bias", "judge_purchases"]

#: Columns of a result that say how good lists are: over all products, and over those new to the customer.
QUALITY = ("all/ndcg10", "novel/ndcg10")
#: Columns of a result. Those after quality are of the list over all products.
BIAS_METRICS = (
    *QUALITY,
    "small_suppliers",
    "private_label",
    *PRICE_CLASSES,
    "tail",
    "concentration",
    "miscalibration",
)
#: How the lists are made of the scores: as they are, and each mitigation on offer.
VARIANTS = ("plain", "calibrated", "small_suppliers_share")
_K = 10
_STRENGTH = 0.5
_SHARE = 0.2

FloatArray = NDArray[np.float64]
Scorer = Callable[[int, LabStore], NDArray[np.floating]]


def judge_bias(federation: Federation, classes: ProductClasses, scorer: Scorer) -> FloatArray:
    """Return (variants, units, metrics) in the order of VARIANTS, `judging.units_of` and BIAS_METRICS.

    NDCG is NaN where a pair has nothing to find.
    """
    parts = [
        _judged_store(store, classes, scorer(index, store))
        for index, store in enumerate(federation.stores)
        if len(store.judged)
    ]
    return np.concatenate(parts, axis=1)


def judge_purchases(federation: Federation, classes: ProductClasses) -> FloatArray:
    """Return what customers bought as if it were their lists, (units, metrics): what lists are compared with.

    Shares are of the days on which products were bought, as in the bias phase. Quality is NaN: nothing is
    predicted.
    """

    def judged(store: LabStore) -> FloatArray:
        amounts = _past(store).count.astype(np.float64)
        total = np.maximum(amounts.sum(axis=1, keepdims=True), 1.0)

        def shares(of: NDArray[np.int64], n: int) -> FloatArray:
            by_class = [amounts[:, of == each].sum(axis=1) for each in range(n)]
            return np.asarray(np.stack(by_class, axis=1) / total)

        quality = np.full((len(amounts), len(QUALITY)), np.nan)
        return np.column_stack([quality, _products(shares, classes), np.zeros(len(amounts))])

    return np.concatenate([judged(store) for store in federation.stores if len(store.judged)])


def _past(store: LabStore) -> Histories:
    """Everything the judged customers bought in the weeks fitted on."""
    return Timeline(store.shop).before(store.shop.as_of, store.judged, ())


def _judged_store(store: LabStore, classes: ProductClasses, scores: NDArray[np.floating]) -> FloatArray:
    wanted = np.asarray(store.targets[store.judged].toarray())
    past = _past(store)
    known = past.bought
    categories = 1 + int(classes.category.max(initial=-1))
    own = category_shares(past.count, classes.category, n=categories)
    novel_scores = np.where(known, -np.inf, scores)
    found = []
    for variant in VARIANTS:
        lists = _lists(variant, scores, own, classes)
        novel = _lists(variant, novel_scores, own, classes)
        quality = (
            ndcg_of_lists(lists, wanted, k=_K),
            ndcg_of_lists(novel, wanted, k=_K, masked=known),
        )

        def shares(of: NDArray[np.int64], n: int, lists: NDArray[np.int64] = lists) -> FloatArray:
            return exposure_shares(lists, of, number_of_classes=n)

        missed = miscalibration(own, list_shares(lists, classes.category, n=categories))
        found.append(np.column_stack([*quality, _products(shares, classes), missed]))
    return np.stack(found)


def _lists(
    variant: str, scores: NDArray[np.floating], own: FloatArray, classes: ProductClasses
) -> NDArray[np.int64]:
    if variant == "calibrated":
        return calibrated_lists(scores, own, classes.category, k=_K, strength=_STRENGTH)
    if variant == "small_suppliers_share":
        return lists_with_share(scores, classes.small == 0, k=_K, share=_SHARE)
    return top_k(scores, _K)


def _products(shares: Callable[[NDArray[np.int64], int], FloatArray], classes: ProductClasses) -> FloatArray:
    """Columns of BIAS_METRICS between quality and miscalibration, of shares by class: (classes, how many)."""
    tenths = shares(classes.tenth, POPULARITY_CLASSES)
    tail = tenths[:, [number for number in range(POPULARITY_CLASSES) if is_tail(number)]].sum(axis=1)
    return np.column_stack(
        [
            shares(classes.small, 1),
            shares(classes.private, 1),
            shares(classes.price, len(PRICE_CLASSES)),
            tail,
            tenths @ concentration_weights(POPULARITY_CLASSES),
        ]
    )
