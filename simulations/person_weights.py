"""Weights that make all of a person's contributions one: the lab knows who is the same person in which shops.

Real shops learn the number of a person's shops by private matching, or take the most there may be; here it is
counted, over the shops that train and the weeks fitted on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from highstreet.models.shop import ShopData
from highstreet.privacy.releases import Weighting
from highstreet.simulations.protocol import LabStore

__all__ = ["STORES_PER_PERSON", "contributions_of", "persons_in_more_shops", "weighted_shops"]

#: Most shops of the co-op one person shops in: the sample data have 20.
STORES_PER_PERSON = 20


def contributions_of(stores: Sequence[LabStore]) -> tuple[NDArray[np.int64], ...]:
    """Return for each customer of each store how often its person is a customer of any of the stores."""
    counts = _shops_of_persons(stores)
    return tuple(counts[store.persons].astype(np.int64) for store in stores)


def persons_in_more_shops(stores: Sequence[LabStore]) -> int:
    """Return how many persons shop in more than STORES_PER_PERSON of the stores."""
    return int((_shops_of_persons(stores) > STORES_PER_PERSON).sum())


def _shops_of_persons(stores: Sequence[LabStore]) -> NDArray[np.int64]:
    persons = np.concatenate([store.persons for store in stores]) if stores else np.zeros(0, dtype=np.int64)
    return np.bincount(persons)


def weighted_shops(stores: Sequence[LabStore], weighting: Weighting) -> tuple[ShopData, ...]:
    """Return what the stores train on, with the weights of a weighting.

    Whoever shops in more than STORES_PER_PERSON of them has weight 0, so that no person has more than one
    whole contribution.
    """
    if weighting is Weighting.WHOLE:
        return tuple(store.shop for store in stores)
    return tuple(
        replace(store.shop, weights=_weights(counts, weighting))
        for store, counts in zip(stores, contributions_of(stores), strict=True)
    )


def _weights(counts: NDArray[np.int64], weighting: Weighting) -> NDArray[np.float64]:
    divisor = counts if weighting is Weighting.ONE_OVER_SHOPS else STORES_PER_PERSON
    return np.where(counts <= STORES_PER_PERSON, 1.0 / divisor, 0.0)
