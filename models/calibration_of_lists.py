"""Calibration of lists: whether what is suggested is spread over categories as the customer's purchases are.

Source: Steck 2018, "Calibrated recommendations", RecSys, sections 3 and 4; with categories of products for
genres, and divided by its largest value so that it lies in [0, 1].
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from highstreet.models.exposure import place_exposure

__all__ = ["category_shares", "list_shares", "miscalibration"]

FloatArray = NDArray[np.float64]
#: How much of p is mixed into q, so that the divergence is finite; the paper's value.
_ALPHA = 0.01


def category_shares(amounts: NDArray[np.floating], categories: NDArray[np.integer], *, n: int) -> FloatArray:
    """Return p(category | customer), (b, n): each customer's purchases by category, rows adding to 1 or 0.

    Args:
        amounts: (b, products), at least 0: how much the customer bought of each.
        categories: (products,) category of each, -1 for none.
        n: number of categories.
    """
    totals = np.zeros((len(amounts), n))
    for category in range(n):
        totals[:, category] = amounts[:, categories == category].astype(np.float64).sum(axis=1)
    sums = totals.sum(axis=1, keepdims=True)
    return np.asarray(totals / np.where(sums > 0, sums, 1.0))


def list_shares(lists: NDArray[np.integer], categories: NDArray[np.integer], *, n: int) -> FloatArray:
    """Return q(category | customer), (b, n): each list's exposure by category, rows adding to 1 or 0."""
    shares = np.zeros((len(lists), n))
    if lists.shape[1] == 0:
        return shares
    weight, listed = place_exposure(lists.shape[1]), categories[lists]
    for category in range(n):
        shares[:, category] = ((listed == category) * weight).sum(axis=1)
    sums = shares.sum(axis=1, keepdims=True)
    return np.asarray(shares / np.where(sums > 0, sums, 1.0))


def miscalibration(p: FloatArray, q: FloatArray) -> FloatArray:
    """Return how far each list's shares q are from the customer's p, (b,), in [0, 1].

    KL(p || (1 - a) q + a p) / log(1 / a) with a = .01: 0 when they are the same, 1 when they have nothing in
    common. A customer without purchases has 0: there is nothing to be calibrated to.

    Worked: p = (1, 0), q = (0, 1): log(1 / .01) / log(1 / .01) = 1. p = (.5, .5), q = (1, 0):
    (.5 log(.5 / .995) + .5 log(.5 / .005)) / log 100 = .42529.

    >>> float(round(miscalibration(np.array([[.5, .5]]), np.array([[1.0, 0.0]]))[0], 5))
    0.42529
    """
    mixed = (1.0 - _ALPHA) * q + _ALPHA * p
    held = p > 0
    ratio = np.divide(p, mixed, out=np.ones_like(p), where=held)
    divergence = np.where(held, p * np.log(ratio), 0.0).sum(axis=1)
    return np.asarray(np.clip(divergence / math.log(1.0 / _ALPHA), 0.0, 1.0))
