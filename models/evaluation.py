"""Phase `evaluation`: how well the release ranks the days held out, as bounded numbers per customer.

Each customer gives six numbers in [0, 1]: NDCG@10 of the ranker and of released popularity, over all
purchases and over products new to the customer, each with an indicator of whether there was anything to
find. Ratios of the noisy sums are the estimates; they cost nothing more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from highstreet.models.features import FeatureSpace, PublicView
from highstreet.models.history import Histories, Timeline
from highstreet.models.metrics import ndcg_at_k
from highstreet.models.schema import FeatureSchema
from highstreet.models.settings import Settings
from highstreet.models.shop import ShopData
from highstreet.models.state import SharedState

__all__ = [
    "LIST_LENGTH",
    "METRICS",
    "JudgedCustomers",
    "apply_evaluation",
    "evaluation_rows",
    "judged_customers",
]

#: Coordinates of a row, in order.
METRICS = (
    "all/customers",
    "all/ranker",
    "all/popularity",
    "novel/customers",
    "novel/ranker",
    "novel/popularity",
)
#: Length of the lists that are judged.
LIST_LENGTH = 10
_CHUNK = 32


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JudgedCustomers:
    """Some customers, what the release ranks for them, and how well.

    Attributes:
        rows: (b,) rows in the shop's customers.
        past: what they bought before the days held out.
        scores: (b, n) of the shared ranker; `popularity` the same of released popularity.
        popularity: (b, n).
        view: released statistics as this catalogue sees them.
        quality: (b, 6), see METRICS.
    """

    rows: NDArray[np.int64]
    past: Histories
    scores: NDArray[np.floating]
    popularity: NDArray[np.floating]
    view: PublicView
    quality: NDArray[np.float64]


def judged_customers(
    schema: FeatureSchema, settings: Settings, state: SharedState, shop: ShopData
) -> Iterator[JudgedCustomers]:
    """Yield all customers of a shop in order, a few at a time."""
    timeline = Timeline(shop)
    space = FeatureSpace(schema, settings, state, shop.catalogue)
    weights = state["ranker/weights"].astype(np.float32)
    start_day = shop.as_of - settings.holdout_days
    popular = space.view.log_popularity
    for start in range(0, timeline.customers, _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, timeline.customers))
        past = timeline.before(start_day, rows, space.half_lives)
        wanted = timeline.between(start_day, shop.as_of, rows)
        everything = np.broadcast_to(np.arange(timeline.products), wanted.shape)
        scores = space.snapshot(past).features(everything) @ weights
        ranked = (scores, np.broadcast_to(popular, scores.shape))
        columns: list[NDArray[np.float64]] = []
        for masked in (np.zeros_like(wanted), past.bought):
            found = (wanted & ~masked).any(axis=1)
            columns.append(np.asarray(found, dtype=np.float64))
            for ranking in ranked:
                ndcg = ndcg_at_k(ranking, wanted, k=LIST_LENGTH, masked=masked)
                columns.append(np.where(found, np.nan_to_num(ndcg), 0.0))
        yield JudgedCustomers(
            rows=rows,
            past=past,
            scores=scores,
            popularity=ranked[1],
            view=space.view,
            quality=np.clip(np.stack(columns, axis=1), 0.0, 1.0),
        )


def evaluation_rows(
    schema: FeatureSchema, settings: Settings, state: SharedState, shop: ShopData
) -> Iterator[NDArray[np.float64]]:
    """Yield chunks (b, 6), one row per customer, norm at most sqrt 6."""
    for judged in judged_customers(schema, settings, state, shop):
        yield judged.quality


def apply_evaluation(
    state: SharedState, noisy_sum: NDArray[np.float64], *, noise_stddev: float
) -> SharedState:
    """Release the noisy sums, and the noise stddev beside them."""
    sums = dict(zip(METRICS, noisy_sum, strict=True))
    released = {f"evaluation/{name}": np.array([value]) for name, value in sums.items()}
    return state.updated({**released, "evaluation/stddev": np.array([noise_stddev])})
