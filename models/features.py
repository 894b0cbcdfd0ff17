"""The ranker's features: what own history, released statistics and public attributes say of a product.

Two heads share one linear model: features of products the customer bought before (repeat) and of products
new to the customer (novel). A feature of one head is zero for the other's products. Nothing here depends on
another customer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from highstreet.models.cooccurrence import TOKEN_BLOCKS, token_matrix, token_rows
from highstreet.models.history import Histories, Timeline
from highstreet.models.popularity import block_sizes, bucket_matrix, posterior_mean
from highstreet.models.rowwise import row_products
from highstreet.models.schema import FeatureSchema
from highstreet.models.settings import Settings
from highstreet.models.shop import Catalogue
from highstreet.models.state import SharedState

__all__ = [
    "FEATURES",
    "FEATURE_SCALES",
    "INITIAL_WEIGHTS",
    "FeatureSpace",
    "PublicView",
    "Snapshot",
    "half_lives",
]

FloatArray = NDArray[np.float32]
_SHORT, _MIDDLE = 20.0, 60.0
_LIFT_FIELDS = ("category", "product_type", "brand", "maker", "size", "price_band")
_LOG_FLOOR = np.float32(0.02)

#: Name of each feature, the weight it has before anything is learnt, and about what to multiply it by so that
#: the loss is as curved in it as in the others (a public guess: what is learnt privately is learnt of these).
_TABLE: tuple[tuple[str, float, float], ...] = (
    ("repeat/bought", 3.0, 1.0),
    ("repeat/count", 0.2, 1.0),
    ("repeat/short", 0.2, 0.5),
    ("repeat/middle", 0.2, 1.0),
    ("repeat/long", 0.4, 1.0),
    ("repeat/gap", 0.0, 1.0),
    ("repeat/several", 0.5, 1.0),
    ("repeat/trips", -0.2, 1.0),
    ("repeat/popularity", 0.4, 0.5),
    ("repeat/product_type", 0.1, 0.5),
    ("repeat/category", 0.0, 1.0),
    ("repeat/together", 0.0, 1.5),
    ("novel/popularity", 1.0, 0.5),
    ("novel/unknown", 0.0, 1.0),
    ("novel/category", 0.1, 0.5),
    ("novel/product_type", 0.1, 0.4),
    ("novel/brand", 0.2, 3.0),
    ("novel/maker", 0.1, 0.5),
    ("novel/size", 0.0, 0.5),
    ("novel/price_band", 0.1, 1.5),
    ("novel/in_category", 0.0, 1.3),
    ("novel/in_product_type", 0.0, 1.5),
    ("novel/same_key", 0.0, 3.0),
    ("novel/together", 0.5, 4.0),
    ("novel/together_type", 0.0, 4.0),
    ("novel/together_category", 0.0, 4.0),
)
FEATURES: tuple[str, ...] = tuple(name for name, _, _ in _TABLE)
INITIAL_WEIGHTS: NDArray[np.float64] = np.array([weight for _, weight, _ in _TABLE])
INITIAL_WEIGHTS.setflags(write=False)
FEATURE_SCALES: NDArray[np.float64] = np.array([scale for _, _, scale in _TABLE])
FEATURE_SCALES.setflags(write=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PublicView:
    """Released statistics as one catalogue sees them; a function of public values only.

    Attributes:
        log_popularity: (n,) log of a product's expected share of purchases, relative to an even share.
        known: (n,) whether the product has a public key.
        buckets: field -> (n,) row of the product's bucket among those the catalogue uses.
        given: field -> (n,) whether the product has the attribute.
        members: field -> (n, buckets used) 0/1 matrix.
        shares: field -> (buckets used,) expected share of purchases.
        tokens: block -> (n, tokens) 0/1 matrix; empty when nothing about co-occurrence was released.
        token_of: block -> (n,) column of the product's token over all blocks, -1 when it has none.
        weights: (tokens, tokens) of the co-occurrence solution.
    """

    log_popularity: FloatArray
    known: NDArray[np.bool_]
    buckets: dict[str, NDArray[np.int64]]
    given: dict[str, NDArray[np.bool_]]
    members: dict[str, sparse.csr_matrix]
    shares: dict[str, FloatArray]
    tokens: dict[str, sparse.csr_matrix]
    token_of: dict[str, NDArray[np.int64]]
    weights: FloatArray


class FeatureSpace:
    """Computes features of histories for one catalogue under one state."""

    def __init__(
        self, schema: FeatureSchema, settings: Settings, state: SharedState, catalogue: Catalogue
    ) -> None:
        self.settings = settings
        self.view = _public_view(schema, settings, state, catalogue)

    @property
    def half_lives(self) -> tuple[float, ...]:
        """Half lives that histories must be computed with."""
        return half_lives(self.settings)

    def snapshot(self, past: Histories) -> Snapshot:
        """Prepare the features of these histories."""
        return Snapshot(self.settings, self.view, past)


def half_lives(settings: Settings) -> tuple[float, ...]:
    """Return the half lives that features need, each once."""
    return tuple(sorted({_SHORT, _MIDDLE, settings.half_life_days}))


class Snapshot:
    """Features of b customers as of one day, for any candidates."""

    def __init__(self, settings: Settings, view: PublicView, past: Histories) -> None:
        self._long = settings.half_life_days
        self._view = view
        self.past = past
        profile = past.profile(settings.half_life_days)
        # In C order, or sums over a row would add in another order for a single customer than for many.
        self._volume = {name: np.ascontiguousarray(profile @ matrix) for name, matrix in view.members.items()}
        self._lift = {
            name: _lift(self._volume[name], view.shares[name], settings.affinity_prior)
            for name in _LIFT_FIELDS
        }
        self._together: FloatArray | None = None
        if view.weights.size and view.weights.any():
            rows = token_rows(profile, view.tokens, len(view.weights))
            self._together = (10.0 * row_products(rows, view.weights)).astype(np.float32)

    def features(self, candidates: NDArray[np.integer]) -> FloatArray:
        """Return (b, c, features) for candidates (b, c), catalogue rows."""
        past, view = self.past, self._view
        owner = np.arange(len(candidates))[:, None]
        count = past.count[owner, candidates]
        bought = count > 0
        out = np.zeros((*candidates.shape, len(FEATURES)), dtype=np.float32)

        def put(name: str, values: NDArray[np.floating]) -> None:
            mask = bought if name.startswith("repeat/") else ~bought
            out[..., _INDEX[name]] = np.where(mask, values, 0.0)

        def recent(half_life: float) -> FloatArray:
            return np.asarray(np.log(past.decayed[half_life][owner, candidates] + _LOG_FLOOR))

        popularity = view.log_popularity[candidates]
        put("repeat/bought", np.ones_like(count))
        put("repeat/count", np.log(np.maximum(count, 1)))
        put("repeat/short", recent(_SHORT))
        put("repeat/middle", recent(_MIDDLE))
        put("repeat/long", recent(self._long))
        put("repeat/gap", np.log(past.gap[owner, candidates] + 3) - 4)
        put("repeat/several", (count > 1).astype(np.float32))
        put("repeat/trips", np.log(np.maximum(past.trips, 1))[:, None] - 2 + np.zeros_like(count))
        put("repeat/popularity", popularity)
        put("novel/popularity", popularity)
        put("novel/unknown", (~view.known[candidates]).astype(np.float32))
        for name in _LIFT_FIELDS:
            lift = self._lift[name][owner, view.buckets[name][candidates]] * view.given[name][candidates]
            put(f"novel/{name}", lift)
            if name in ("category", "product_type"):
                put(f"repeat/{name}", lift)
                put(f"novel/in_{name}", self._bought_in(name, owner, candidates))
        put("novel/same_key", self._bought_in("key", owner, candidates))
        if self._together is not None:
            put("novel/together", self._token_score("key", owner, candidates))
            put("repeat/together", self._token_score("key", owner, candidates))
            put("novel/together_type", self._token_score("product_type", owner, candidates))
            put("novel/together_category", self._token_score("category", owner, candidates))
        return out

    def _bought_in(
        self, name: str, owner: NDArray[np.integer], candidates: NDArray[np.integer]
    ) -> FloatArray:
        volume = self._volume[name][owner, self._view.buckets[name][candidates]]
        return np.asarray((volume > 0) & self._view.given[name][candidates], dtype=np.float32)

    def _token_score(
        self, name: str, owner: NDArray[np.integer], candidates: NDArray[np.integer]
    ) -> FloatArray:
        token = self._view.token_of[name][candidates]
        if self._together is None:
            return np.zeros(candidates.shape, dtype=np.float32)
        return np.asarray(np.where(token >= 0, self._together[owner, np.maximum(token, 0)], np.float32(0.0)))


_INDEX = {name: index for index, name in enumerate(FEATURES)}


def all_products(timeline: Timeline, customers: int) -> NDArray[np.int64]:
    """Return candidates (customers, n): every product of the catalogue for each customer."""
    return np.broadcast_to(np.arange(timeline.products), (customers, timeline.products))


def _lift(volume: FloatArray, shares: FloatArray, prior: float) -> FloatArray:
    total = volume.sum(axis=1, keepdims=True)
    own = (volume + prior * shares[None, :]) / (total + prior)
    return np.asarray(np.log(own / shares[None, :]), dtype=np.float32)


def _public_view(
    schema: FeatureSchema, settings: Settings, state: SharedState, catalogue: Catalogue
) -> PublicView:
    sizes = block_sizes(schema)
    buckets: dict[str, NDArray[np.int64]] = {}
    given: dict[str, NDArray[np.bool_]] = {}
    members: dict[str, sparse.csr_matrix] = {}
    used: dict[str, NDArray[np.int64]] = {}
    for name, size in sizes.items():
        column = catalogue.shared_key if name == "key" else catalogue.column(name)
        used[name], buckets[name] = np.unique(column.astype(np.int64), return_inverse=True)
        given[name] = column > 0
        members[name] = bucket_matrix(catalogue, name, size)[:, used[name]]
    sums = _expected_sums(state, used, buckets, settings.sampling_stddev)
    shares = {name: _shares(sums[name]) for name in _LIFT_FIELDS}
    per_key = np.maximum(np.bincount(buckets["key"], minlength=len(used["key"])), 1)
    expected = np.where(given["key"], sums["key"][buckets["key"]] / per_key[buckets["key"]], 0.0)
    # A product without a public key is expected to sell like an average product of its type.
    expected = np.where(given["key"], expected, _even(sums["product_type"], buckets["product_type"]))
    log_popularity = (
        np.log(np.maximum(expected / max(expected.mean(), 1e-12), 1e-4)) if len(catalogue) else expected
    )
    tokens: dict[str, sparse.csr_matrix] = {}
    token_of: dict[str, NDArray[np.int64]] = {}
    weights = np.zeros((0, 0), dtype=np.float32)
    if "cooccurrence/weights" in state:
        tokens = token_matrix(schema, settings, state, catalogue)
        token_of = _token_columns(tokens)
        weights = state["cooccurrence/weights"].astype(np.float32)
    return PublicView(
        log_popularity=log_popularity.astype(np.float32),
        known=given["key"],
        buckets=buckets,
        given=given,
        members=members,
        shares=shares,
        tokens=tokens,
        token_of=token_of,
        weights=weights,
    )


def _expected_sums(
    state: SharedState,
    used: dict[str, NDArray[np.int64]],
    buckets: dict[str, NDArray[np.int64]],
    sampling_stddev: float,
) -> dict[str, NDArray[np.float64]]:
    """Expected true sums per bucket in use, coarse to fine: category, type, key; other fields flat."""
    sums: dict[str, NDArray[np.float64]] = {}

    def observe(name: str, prior: NDArray[np.float64]) -> None:
        if f"popularity/{name}" not in state:
            sums[name] = prior
            return
        observed = state[f"popularity/{name}"][used[name]]
        stddev = math.hypot(float(state[f"popularity/{name}_stddev"][0]), sampling_stddev)
        sums[name] = posterior_mean(observed, stddev=stddev, prior_mean=prior)

    for name in ("category", "brand", "maker", "size", "price_band"):
        products = np.bincount(buckets[name], minlength=len(used[name])).astype(np.float64)
        total = _total(state, name, used[name])
        observe(name, total * products / max(products.sum(), 1.0))
    observe("product_type", _from_parent(sums["category"], "category", "product_type", buckets, used))
    ratio = _total(state, "key", used["key"]) / max(_total(state, "product_type", used["product_type"]), 1e-9)
    prior = _from_parent(sums["product_type"], "product_type", "key", buckets, used)
    observe("key", np.maximum(prior * ratio, 1e-6))
    return sums


def _total(state: SharedState, name: str, used: NDArray[np.int64]) -> float:
    if f"popularity/{name}" not in state:
        return 1.0
    observed = state[f"popularity/{name}"][used]
    stddev = float(state[f"popularity/{name}_stddev"][0])
    return float(max(observed.sum(), stddev, 1e-3))


def _from_parent(
    parent_sums: NDArray[np.float64],
    parent: str,
    child: str,
    buckets: dict[str, NDArray[np.int64]],
    used: dict[str, NDArray[np.int64]],
) -> NDArray[np.float64]:
    """Split each parent's sum evenly over its products and collect it per child bucket."""
    per_product = _even(parent_sums, buckets[parent])
    return np.maximum(np.bincount(buckets[child], weights=per_product, minlength=len(used[child])), 1e-9)


def _even(sums: NDArray[np.float64], bucket: NDArray[np.int64]) -> NDArray[np.float64]:
    products = np.maximum(np.bincount(bucket, minlength=len(sums)), 1)
    return np.asarray((sums / products)[bucket])


def _shares(sums: NDArray[np.float64]) -> FloatArray:
    return np.asarray(sums / max(sums.sum(), 1e-12), dtype=np.float32) + np.float32(1e-7)


def _token_columns(tokens: dict[str, sparse.csr_matrix]) -> dict[str, NDArray[np.int64]]:
    columns: dict[str, NDArray[np.int64]] = {}
    offset = 0
    for name in TOKEN_BLOCKS:
        matrix = tokens[name].tocsr()
        found = np.full(matrix.shape[0], -1, dtype=np.int64)
        rows, cols = matrix.nonzero()
        found[rows] = cols + offset
        columns[name] = found
        offset += matrix.shape[1]
    return columns
