"""What a shop knows of itself and keeps: its own popularity and its own co-purchases, as ranking features.

These depend on many customers at once, so they never enter a shared gradient or statistic; they are personal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from highstreet.models.features import PublicView
from highstreet.models.history import Histories, Timeline
from highstreet.models.popularity import unit_rows

__all__ = ["SHOP_FEATURES", "SHOP_WEIGHTS", "ShopView", "shop_features", "shop_view"]

FloatArray = NDArray[np.float32]
_TABLE: tuple[tuple[str, float], ...] = (
    ("repeat/shop", 0.3),
    ("novel/shop", 0.7),
    ("novel/unsold", 0.0),
    ("repeat/near", 0.0),
    ("novel/near", 0.5),
)
SHOP_FEATURES: tuple[str, ...] = tuple(name for name, _ in _TABLE)
SHOP_WEIGHTS: NDArray[np.float64] = np.array([weight for _, weight in _TABLE])
SHOP_WEIGHTS.setflags(write=False)
_RANK = 48
_RIDGE = 4.0
_CHUNK = 256


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShopView:
    """A shop's own statistics as of one day.

    Attributes:
        volume: (n,) recency-weighted number of customers who bought each product.
        people: (n,) number of customers who ever bought it.
        customers: number of customers with a purchase.
        directions: (r, n) co-purchase directions, orthonormal rows.
        strengths: (r,) how much of each direction survives the ridge, in [0, 1).
    """

    volume: FloatArray
    people: FloatArray
    customers: float
    directions: FloatArray
    strengths: FloatArray


def shop_view(timeline: Timeline, day: int, half_life_days: float) -> ShopView:
    """Compute a shop's own statistics from purchases before a day."""
    volume = np.zeros(timeline.products)
    people = np.zeros(timeline.products)
    parts: list[sparse.csr_matrix] = []
    for start in range(0, timeline.customers, _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, timeline.customers))
        past = timeline.before(day, rows, (half_life_days,))
        volume += np.minimum(past.decayed[half_life_days], 1.0).sum(axis=0)
        people += past.bought.sum(axis=0)
        parts.append(sparse.csr_matrix(unit_rows(past.profile(half_life_days).astype(np.float64))))
    rows_matrix = sparse.vstack(parts).tocsr() if parts else sparse.csr_matrix((0, timeline.products))
    directions, strengths = _directions(rows_matrix)
    return ShopView(
        volume=volume.astype(np.float32),
        people=people.astype(np.float32),
        customers=float((np.diff(rows_matrix.indptr) > 0).sum()),
        directions=directions,
        strengths=strengths,
    )


def shop_features(
    view: ShopView,
    public: PublicView,
    past: Histories,
    candidates: NDArray[np.integer],
    *,
    half_life_days: float,
    prior_customers: float,
) -> FloatArray:
    """Return (b, c, features) for candidates (b, c)."""
    owner = np.arange(len(candidates))[:, None]
    bought = past.count[owner, candidates] > 0
    expected = np.exp(public.log_popularity)
    expected = expected / max(float(expected.sum()), 1e-12)
    total = float(view.volume.sum())
    weight = prior_customers * total / max(view.customers, 1.0) + 1.0
    share = (view.volume + weight * expected) / (total + weight)
    ratio = np.log(share / np.maximum(expected, 1e-12)).astype(np.float32)[candidates]
    profile = unit_rows(past.profile(half_life_days).astype(np.float64)).astype(np.float32)
    near = _near(view, profile)[owner, candidates]
    columns = {
        "repeat/shop": ratio,
        "novel/shop": ratio,
        "novel/unsold": (view.people[candidates] == 0).astype(np.float32),
        "repeat/near": near,
        "novel/near": near,
    }
    masked = [
        np.where(bought if name.startswith("repeat/") else ~bought, columns[name], 0)
        for name in SHOP_FEATURES
    ]
    return np.stack(masked, axis=-1).astype(np.float32)


def _near(view: ShopView, profile: FloatArray) -> FloatArray:
    """Score products by EASE in the span of the shop's own histories, a product's own weight left out."""
    if not len(view.directions):
        return np.zeros_like(profile)
    weighted = view.strengths[:, None] * view.directions
    diagonal = np.einsum("rn,rn->n", weighted, view.directions)
    score = (profile @ view.directions.T) @ weighted - profile * diagonal
    return np.asarray(10.0 * score / (1.0 - np.minimum(diagonal, 0.99)), dtype=np.float32)


def _directions(rows: sparse.csr_matrix) -> tuple[FloatArray, FloatArray]:
    customers = rows.shape[0]
    if customers == 0 or rows.nnz == 0:
        return np.zeros((0, rows.shape[1]), dtype=np.float32), np.zeros(0, dtype=np.float32)
    if customers > 1500:
        picked = np.linspace(0, customers - 1, 1500).astype(np.int64)
        rows = rows[picked]
    values, vectors = np.linalg.eigh((rows @ rows.T).toarray())
    order = np.argsort(-values)[:_RANK]
    order = order[values[order] > 1e-6]
    directions = (rows.T @ (vectors[:, order] / np.sqrt(values[order]))).T
    strengths = values[order] / (values[order] + _RIDGE)
    return directions.astype(np.float32), strengths.astype(np.float32)
