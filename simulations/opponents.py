"""The opponents of a replay: every baseline scored over a whole federation.

Pooling purchases as some of them do is possible in the lab only, and is not private. How their
numbers were chosen, and on which weeks, is told in docs/results.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from highstreet.models.baselines import (
    LinearItemModel,
    bought,
    category_affinity_scores,
    ease,
    ease_scores_dual,
    linear_autoencoder,
    own_recency_scores,
    popularity,
    shrunk_popularity,
)
from highstreet.simulations.errors import UnknownConditionError
from highstreet.simulations.judging import Scorer, judge
from highstreet.simulations.protocol import Federation, LabStore

__all__ = ["judge_opponent"]

_EASE_STORE_RIDGE = 300.0
_EASE_POOLED_RIDGE = 1000.0
_AUTOENCODER_RANK, _AUTOENCODER_RIDGE = 64, 300.0
_AFFINITY_SMOOTHING = 0.3


def judge_opponent(federation: Federation, name: str) -> NDArray[np.float64]:
    """Return the metrics of one opponent, as `judge` does."""
    histories = [bought(store.shop) for store in federation.stores]
    everything = csr_array(vstack([bought(store.shop) for store in federation.training]))
    return judge(federation, _scorer(name, histories, everything))


def _scorer(name: str, histories: list[csr_array], everything: csr_array) -> Scorer:
    share = popularity(everything) / everything.shape[0]

    def in_store(index: int) -> NDArray[np.float64]:
        own = histories[index]
        return shrunk_popularity(popularity(own), own_customers=own.shape[0], coop_share=share)

    def same_for_all(store: LabStore, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.broadcast_to(scores, (len(store.judged), len(scores)))

    simple: dict[str, Scorer] = {
        "popularity": lambda _, store: same_for_all(store, share),
        "store-popularity": lambda index, store: same_for_all(store, in_store(index)),
        "own-recency": lambda index, store: own_recency_scores(store.shop, in_store(index))[store.judged],
        "affinity": lambda index, store: category_affinity_scores(
            store.shop, in_store(index), smoothing=_AFFINITY_SMOOTHING
        )[store.judged],
        "ease-store": lambda index, store: ease_scores_dual(histories[index], ridge=_EASE_STORE_RIDGE)[
            store.judged
        ],
    }
    if name in simple:
        return simple[name]
    model = _pooled(name, everything)
    return lambda index, store: model.scores(histories[index][store.judged])


def _pooled(name: str, everything: csr_array) -> LinearItemModel:
    if name == "ease-pooled":
        return ease(everything, ridge=_EASE_POOLED_RIDGE)
    if name == "autoencoder":
        return linear_autoencoder(everything, rank=_AUTOENCODER_RANK, ridge=_AUTOENCODER_RIDGE)
    raise UnknownConditionError(f"There is no opponent {name}.")
