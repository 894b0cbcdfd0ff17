"""The opponents: recommenders without learning, and linear item models, that anything new has to beat.

All of them are pure and without privacy. A *history* is a sparse (customers, products) matrix of one shop,
or of several shops stacked on one common product axis; only the lab can stack, because only there shops
share an axis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, eigh
from scipy.sparse import csr_array

from highstreet.models.shop import ShopData

__all__ = [
    "LinearItemModel",
    "bought",
    "category_affinity_scores",
    "ease",
    "ease_scores_dual",
    "linear_autoencoder",
    "own_recency_scores",
    "popularity",
    "shrunk_popularity",
]

Scores = NDArray[np.float64]
_DAYS_PER_WEEK = 7.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LinearItemModel:
    """Scores as a linear map of what was bought: history @ left @ right.

    Attributes:
        left: float32 (products, rank), or (products, products).
        right: float32 (rank, products), None when `left` is the whole map.
    """

    left: NDArray[np.float32]
    right: NDArray[np.float32] | None

    def scores(self, history: csr_array) -> Scores:
        """Return float64 (customers, products)."""
        inner = np.asarray(history.astype(np.float32) @ self.left)
        return np.asarray(inner if self.right is None else inner @ self.right, dtype=np.float64)


def bought(shop: ShopData) -> csr_array:
    """Return float64 (customers, products): 1 where the customer ever bought the product before `as_of`."""
    return csr_array((_summed(shop, np.ones(len(shop.purchases))) > 0).astype(np.float64))


def popularity(history: csr_array) -> Scores:
    """Return the number of customers who bought each product, shape (products,)."""
    return np.asarray(history.sum(axis=0), dtype=np.float64).ravel()


def shrunk_popularity(
    own: Scores, *, own_customers: int, coop_share: Scores | None = None, weight: float = 20.0
) -> Scores:
    """Return a shop's share of buyers per product, drawn towards the co-op's as if by so many customers.

    (own + weight * coop_share) / (own_customers + weight); without a co-op towards nothing.

    >>> shrunk_popularity(np.array([3.0, 0.0]), own_customers=5, coop_share=np.array([0.2, 0.4]), weight=5.0)
    array([0.4, 0.2])
    """
    prior = np.zeros_like(own) if coop_share is None else coop_share
    return np.asarray((own + weight * prior) / (own_customers + weight), dtype=np.float64)


def own_recency_scores(
    shop: ShopData, store_popularity: Scores, *, half_life_weeks: float = 26.0, popularity_weight: float = 0.5
) -> Scores:
    """Return each customer's own repeats by recency and frequency, plus half the shop's popularity.

    log(1 + sum over the days a product was bought of 2^(-age / half-life)) + weight * popularity share: the
    purchases decide among products bought before, popularity among the rest.
    """
    bought_on = _per_day(shop)
    age_weeks = (shop.as_of - bought_on.day) / _DAYS_PER_WEEK
    own = _sparse(shop, bought_on.customer, bought_on.item, 2.0 ** (-age_weeks / half_life_weeks))
    return np.asarray(
        np.log1p(own.toarray()) + popularity_weight * store_popularity[None, :], dtype=np.float64
    )


def category_affinity_scores(shop: ShopData, store_popularity: Scores, *, smoothing: float = 0.01) -> Scores:
    """Return the shop's popularity times the customer's affinity to the product's category.

    The affinity is smoothing + the share of the customer's purchases (one per product and day) in the
    category.
    """
    categories = shop.catalogue.category
    count = int(categories.max(initial=0)) + 1
    lines = _per_day(shop)
    by_category = csr_array(
        (np.ones(len(lines.item)), (lines.customer, categories[lines.item])),
        shape=(len(shop.customer_ids), count),
    ).toarray()
    share = by_category / np.maximum(by_category.sum(axis=1, keepdims=True), 1.0)
    return np.asarray(store_popularity[None, :] * (smoothing + share[:, categories]), dtype=np.float64)


def ease(history: csr_array, *, ridge: float) -> LinearItemModel:
    """Fit EASE: the ridge regression of every product on all others, in closed form.

    P = (X'X + ridge I)^-1, B_ij = -P_ij / P_jj off the diagonal, 0 on it. Memory grows with products squared.

    Source: Steck 2019, arXiv:1905.03375, equation (8).
    """
    gram = np.asarray((history.T @ history).todense(), dtype=np.float64)
    gram[np.diag_indices_from(gram)] += ridge
    inverse = cho_solve(cho_factor(gram, overwrite_a=True), np.eye(len(gram)), overwrite_b=True)
    weights = -inverse / np.diag(inverse)[None, :]
    np.fill_diagonal(weights, 0.0)
    return LinearItemModel(left=weights.astype(np.float32), right=None)


def ease_scores_dual(history: csr_array, *, ridge: float) -> Scores:
    """Return the same scores as `ease(history).scores(history)` for few customers and many products.

    With Z = (X X' + ridge I)^-1 X: X P = Z, P_jj = (1 - x_j' z_j) / ridge, and the scores are X - Z / P_jj
    (Woodbury). Cost grows with customers cubed, not with products cubed.
    """
    x = history.toarray()
    kernel = x @ x.T
    kernel[np.diag_indices_from(kernel)] += ridge
    z = cho_solve(cho_factor(kernel), x)
    diagonal = (1.0 - np.einsum("ij,ij->j", x, z)) / ridge
    return np.asarray(x - z / diagonal[None, :], dtype=np.float64)


def linear_autoencoder(history: csr_array, *, rank: int, ridge: float) -> LinearItemModel:
    """Fit the best linear autoencoder of a rank under weight decay, in closed form.

    The optimum is V diag(s^2 / (s^2 + ridge)) V' over the leading right singular vectors of the history.

    Source: Jin et al. 2021, arXiv:2105.12937, section 3 (regularised PCA).
    """
    gram = np.asarray((history.T @ history).todense(), dtype=np.float64)
    last = len(gram) - 1
    values, vectors = eigh(gram, subset_by_index=(max(0, last - rank + 1), last), overwrite_a=True)
    kept = np.maximum(values, 0.0)
    shrunk = vectors * (kept / (kept + ridge))[None, :]
    return LinearItemModel(left=vectors.astype(np.float32), right=shrunk.T.astype(np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class _Days:
    customer: NDArray[np.int64]
    item: NDArray[np.int64]
    day: NDArray[np.int64]


def _per_day(shop: ShopData) -> _Days:
    """One row per customer, product and day, however many lines or pieces."""
    lines = shop.purchases
    past = lines.day < shop.as_of
    table = np.stack([lines.customer[past], lines.item[past], lines.day[past]]).astype(np.int64)
    distinct = np.unique(table, axis=1)
    return _Days(distinct[0], distinct[1], distinct[2])


def _summed(shop: ShopData, values: NDArray[np.float64]) -> csr_array:
    past = shop.purchases.day < shop.as_of
    return _sparse(shop, shop.purchases.customer[past], shop.purchases.item[past], values[past])


def _sparse(
    shop: ShopData, customer: NDArray[np.integer], item: NDArray[np.integer], values: NDArray[np.float64]
) -> csr_array:
    shape = (len(shop.customer_ids), len(shop.catalogue))
    return csr_array((values, (customer, item)), shape=shape)
