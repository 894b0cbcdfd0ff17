"""Ranking metrics over the full catalogue: every product is ranked, none is sampled.

Conventions: gain is binary; a product bought earlier can be masked (the *novel* task: it leaves both the
ranking and what is to be found); a customer with nothing to find gets NaN, so that nobody averages over it
unknowingly. Equal scores are ordered by catalogue row, the lower row first: deterministic, and no hint as
long as the catalogue is not ordered by sales.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from highstreet.models.errors import ModelsError

__all__ = ["InvalidRankingError", "ndcg_at_k", "ndcg_of_lists", "recall_at_k", "top_k"]

FloatArray = NDArray[np.floating]
BoolArray = NDArray[np.bool_]


class InvalidRankingError(ModelsError):
    """Scores, relevance and mask do not fit together, or a score is not a number."""


def top_k(scores: FloatArray, k: int, *, masked: BoolArray | None = None) -> NDArray[np.int64]:
    """Return the rows of the k best products per customer, best first.

    Args:
        scores: shape (customers, products), higher is better; minus infinity is allowed, NaN is not.
        k: at least 1; never more than the number of products is returned.
        masked: True where a product must not be shown; such products come last.

    Returns:
        int64 of shape (customers, min(k, products)); equal scores by catalogue row.

    >>> top_k(np.array([[1.0, 3.0, 3.0, 2.0]]), 3).tolist()
    [[1, 2, 3]]
    >>> top_k(np.array([[1.0, 3.0, 3.0, 2.0]]), 2, masked=np.array([[False, True, False, False]])).tolist()
    [[2, 3]]
    """
    values = _checked_scores(scores, masked)
    if k < 1:
        raise InvalidRankingError(f"A ranking of length {k} was asked for.", next_step="Use k of at least 1.")
    customers, products = values.shape
    k = min(k, products)
    if customers == 0 or k == 0:
        return np.empty((customers, k), dtype=np.int64)
    threshold = -np.partition(-values, k - 1, axis=1)[:, k - 1 : k]
    above = values > threshold
    ties = values == threshold
    room = k - above.sum(axis=1, keepdims=True)
    chosen = above | (ties & (np.cumsum(ties, axis=1) <= room))
    rows = np.nonzero(chosen)[1].reshape(customers, k)
    order = np.argsort(-np.take_along_axis(values, rows, axis=1), axis=1, kind="stable")
    return np.take_along_axis(rows, order, axis=1).astype(np.int64)


def ndcg_at_k(
    scores: FloatArray, relevant: BoolArray, *, k: int, masked: BoolArray | None = None
) -> NDArray[np.float64]:
    """Return the normalised discounted cumulative gain of each customer's k best products.

    DCG@k = sum over ranks r = 1..k of hit(r) / log2(r + 1); the ideal puts min(n, k) hits first, n being the
    number of relevant products that are not masked; NDCG@k is their ratio, in [0, 1], NaN where n = 0.

    Args:
        scores: shape (customers, products).
        relevant: True where the product is to be found, same shape.
        k: length of the ranking.
        masked: True where the product neither is shown nor counts, same shape.

    Worked: hits at ranks 1 and 3, two to find: (1 + 1/2) / (1 + 1/log2(3)) = 1.5 / 1.63093 = 0.91972.

    >>> scores = np.array([[9.0, 8.0, 7.0, 6.0]])
    >>> relevant = np.array([[True, False, True, False]])
    >>> round(float(ndcg_at_k(scores, relevant, k=3)[0]), 5)
    0.91972

    Source: Järvelin and Kekäläinen 2002, ACM TOIS 20(4), with binary gain and the log2(rank + 1) discount.
    """
    hits, count = _hits(scores, relevant, k=k, masked=masked)
    return _ndcg(hits, count, k=k)


def ndcg_of_lists(
    lists: NDArray[np.integer], relevant: BoolArray, *, k: int, masked: BoolArray | None = None
) -> NDArray[np.float64]:
    """Return what `ndcg_at_k` does, of lists that somebody else has ordered.

    Args:
        lists: (customers, at most k) catalogue rows, best first; no masked product is in them.
        relevant: (customers, products), True where the product is to be found.
        k: length of the ranking.
        masked: True where the product does not count.
    """
    if len(lists) != len(relevant) or lists.shape[1] > k:
        raise InvalidRankingError(f"Lists of shape {lists.shape} came for {len(relevant)} customers.")
    to_find = relevant if masked is None else relevant & ~masked
    hits = np.take_along_axis(to_find, np.asarray(lists, dtype=np.int64), axis=1).astype(np.float64)
    return _ndcg(hits, to_find.sum(axis=1), k=k)


def _ndcg(hits: NDArray[np.float64], count: NDArray[np.int64], *, k: int) -> NDArray[np.float64]:
    discount = 1.0 / np.log2(np.arange(2, k + 2, dtype=np.float64))
    gain = hits @ discount[: hits.shape[1]]
    ideal = np.concatenate([[np.nan], np.cumsum(discount)])[np.minimum(count, k)]
    return np.asarray(gain / ideal, dtype=np.float64)


def recall_at_k(
    scores: FloatArray, relevant: BoolArray, *, k: int, masked: BoolArray | None = None
) -> NDArray[np.float64]:
    """Return the share of what could be found among each customer's k best products.

    Recall@k = hits / min(n, k), n being the number of relevant products that are not masked: a perfect
    ranking has 1 even where n > k; NaN where n = 0. Arguments as for `ndcg_at_k`.

    Worked: three to find, k = 2, one hit: 1 / min(3, 2) = 0.5.

    >>> scores = np.array([[9.0, 8.0, 7.0, 6.0]])
    >>> relevant = np.array([[True, False, True, True]])
    >>> float(recall_at_k(scores, relevant, k=2)[0])
    0.5
    """
    hits, count = _hits(scores, relevant, k=k, masked=masked)
    most = np.where(count > 0, np.minimum(count, k), np.nan)
    return np.asarray(hits.sum(axis=1) / most, dtype=np.float64)


def _hits(
    scores: FloatArray, relevant: BoolArray, *, k: int, masked: BoolArray | None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    if relevant.shape != scores.shape:
        raise InvalidRankingError(f"Relevance has shape {relevant.shape}, the scores {scores.shape}.")
    best = top_k(scores, k, masked=masked)
    to_find = relevant if masked is None else relevant & ~masked
    return np.take_along_axis(to_find, best, axis=1).astype(np.float64), to_find.sum(axis=1)


def _checked_scores(scores: FloatArray, masked: BoolArray | None) -> FloatArray:
    if scores.ndim != 2:
        raise InvalidRankingError(f"Scores must have one row per customer, not shape {scores.shape}.")
    if np.isnan(scores).any() or np.isposinf(scores).any():
        raise InvalidRankingError("A score is not a number, or infinite.")
    if masked is None:
        return scores
    if masked.shape != scores.shape:
        raise InvalidRankingError(f"The mask has shape {masked.shape}, the scores {scores.shape}.")
    return np.where(masked, -np.inf, scores)
