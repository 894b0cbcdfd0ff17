"""Judging: one row of metrics per unit, from the scores a recommender gives to a shop's judged customers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from highstreet.models.baselines import bought
from highstreet.models.metrics import ndcg_at_k, recall_at_k
from highstreet.simulations.protocol import Federation, LabStore

__all__ = ["METRICS", "Units", "best_sellers", "judge", "units_of"]

#: Columns of a result, in order. `without2` leaves out the two products most customers bought.
METRICS = (
    "all/ndcg10",
    "all/recall20",
    "novel/ndcg10",
    "novel/recall20",
    "all-without2/ndcg10",
    "novel-without2/ndcg10",
)

Scorer = Callable[[int, LabStore], NDArray[np.floating]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Units:
    """Who is judged: one entry per (shop, customer) pair with something to predict.

    Attributes:
        store: index of the shop.
        person: number of the person, the same in every shop.
        store_customers: customers of that shop.
        purchases: the customer's order lines there in the weeks fitted on.
    """

    store: NDArray[np.int64]
    person: NDArray[np.int64]
    store_customers: NDArray[np.int64]
    purchases: NDArray[np.int64]


def units_of(federation: Federation) -> Units:
    """List the units, shop by shop, in the order `judge` returns its rows."""
    store, person, size, lines = [], [], [], []
    for index, each in enumerate(federation.stores):
        rows = each.judged
        customers = len(each.persons)
        store.append(np.full(len(rows), index))
        person.append(each.persons[rows])
        size.append(np.full(len(rows), customers))
        lines.append(np.bincount(each.shop.purchases.customer, minlength=customers)[rows])
    return Units(
        store=np.concatenate(store),
        person=np.concatenate(person),
        store_customers=np.concatenate(size),
        purchases=np.concatenate(lines),
    )


def best_sellers(federation: Federation, *, count: int = 2) -> NDArray[np.int64]:
    """Return the rows of the products most (shop, customer) pairs bought in the weeks fitted on.

    Counted over the shops that train: newcomers may have no past at all.
    """
    totals = np.zeros(len(federation.catalogue))
    for store in federation.training:
        totals += np.asarray(bought(store.shop).sum(axis=0)).ravel()
    return np.argsort(-totals, kind="stable")[:count]


def judge(federation: Federation, scorer: Scorer) -> NDArray[np.float64]:
    """Return (units, len(METRICS)); NaN where a unit has nothing to find.

    Args:
        federation: who is judged, by what.
        scorer: given a shop's index and the shop, the scores of its judged customers, shape (judged,
            products).
    """
    top = best_sellers(federation)
    return np.concatenate(list(_judged(federation, scorer, top)))


def _judged(federation: Federation, scorer: Scorer, top: NDArray[np.int64]) -> Iterator[NDArray[np.float64]]:
    for index, store in enumerate(federation.stores):
        rows = store.judged
        if not len(rows):
            continue
        scores = scorer(index, store)
        wanted = np.asarray(store.targets[rows].toarray())
        known = np.asarray(bought(store.shop)[rows].toarray()) > 0
        without = np.zeros_like(known)
        without[:, top] = True
        yield np.stack(
            [
                ndcg_at_k(scores, wanted, k=10),
                recall_at_k(scores, wanted, k=20),
                ndcg_at_k(scores, wanted, k=10, masked=known),
                recall_at_k(scores, wanted, k=20, masked=known),
                ndcg_at_k(scores, wanted, k=10, masked=without),
                ndcg_at_k(scores, wanted, k=10, masked=known | without),
            ],
            axis=1,
        )
