"""What the lab measures of bias: of each judged pair, how good its lists are and what they show."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from highstreet.models.baselines import bought
from highstreet.models.calibration_of_lists import category_shares, list_shares, miscalibration
from highstreet.models.exposure import (
    POPULARITY_CLASSES,
    PRICE_CLASSES,
    concentration_weights,
    exposure_shares,
    is_tail,
)
from highstreet.models.metrics import ndcg_of_lists, top_k
from highstreet.models.reranking import calibrated_lists, lists_with_share
from highstreet.simulations.bias_groups import ProductClasses
from highstreet.simulations.protocol import Federation, LabStore

__all__ = ["BIAS_METRICS", "VARIANTS", "judge_bias"]

#: Columns of a result. The first two are quality; the others are of the list over all products.
BIAS_METRICS = (
    "all/ndcg10",
    "novel/ndcg10",
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

Scorer = Callable[[int, LabStore], NDArray[np.floating]]


def judge_bias(federation: Federation, classes: ProductClasses, scorer: Scorer) -> NDArray[np.float64]:
    """Return (variants, units, metrics) in the order of VARIANTS, `judging.units_of` and BIAS_METRICS.

    NDCG is NaN where a pair has nothing to find.
    """
    parts = [
        _judged_store(store, classes, scorer(index, store))
        for index, store in enumerate(federation.stores)
        if len(store.judged)
    ]
    return np.concatenate(parts, axis=1)


def _judged_store(
    store: LabStore, classes: ProductClasses, scores: NDArray[np.floating]
) -> NDArray[np.float64]:
    rows = store.judged
    wanted = np.asarray(store.targets[rows].toarray())
    amounts = np.asarray(bought(store.shop)[rows].toarray(), dtype=np.float64)
    known = amounts > 0
    own = category_shares(amounts, classes.category, n=1 + int(classes.category.max(initial=-1)))
    novel_scores = np.where(known, -np.inf, scores)
    found = []
    for variant in VARIANTS:
        lists = _lists(variant, scores, own, classes)
        novel = _lists(variant, novel_scores, own, classes)
        quality = (
            ndcg_of_lists(lists, wanted, k=_K),
            ndcg_of_lists(novel, wanted, k=_K, masked=known),
        )
        found.append(np.column_stack([*quality, _products(lists, own, classes)]))
    return np.stack(found)


def _lists(
    variant: str, scores: NDArray[np.floating], own: NDArray[np.float64], classes: ProductClasses
) -> NDArray[np.int64]:
    if variant == "calibrated":
        return calibrated_lists(scores, own, classes.category, k=_K, strength=_STRENGTH)
    if variant == "small_suppliers_share":
        return lists_with_share(scores, classes.small == 0, k=_K, share=_SHARE)
    return top_k(scores, _K)


def _products(
    lists: NDArray[np.int64], own: NDArray[np.float64], classes: ProductClasses
) -> NDArray[np.float64]:
    tenths = exposure_shares(lists, classes.tenth, number_of_classes=POPULARITY_CLASSES)
    tail = tenths[:, [number for number in range(POPULARITY_CLASSES) if is_tail(number)]].sum(axis=1)
    shown = list_shares(lists, classes.category, n=own.shape[1])
    return np.column_stack(
        [
            exposure_shares(lists, classes.small, number_of_classes=1),
            exposure_shares(lists, classes.private, number_of_classes=1),
            exposure_shares(lists, classes.price, number_of_classes=len(PRICE_CLASSES)),
            tail,
            tenths @ concentration_weights(POPULARITY_CLASSES),
            miscalibration(own, shown),
        ]
    )
