"""Phase `cooccurrence`: which products and attributes the same people buy, as one noisy Gram matrix.

Tokens are the product keys, product types and categories that phase `popularity` names as most bought. A
customer's row over tokens is scaled to norm 1; the upper triangle of its outer product, off-diagonal entries
times sqrt 2, has norm 1 as well. The coordinator keeps the eigenvalues above the noise edge and solves EASE
in closed form.

Source: EASE is Steck 2019 (arXiv:1905.03375), equation 8; the noisy Gram is Dwork et al. 2014 (Analyze
Gauss).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from highstreet.models.history import Timeline
from highstreet.models.popularity import bucket_matrix, unit_rows
from highstreet.models.schema import FeatureSchema
from highstreet.models.settings import Settings
from highstreet.models.shop import Catalogue, ShopData
from highstreet.models.state import SharedState

__all__ = [
    "TOKEN_BLOCKS",
    "apply_cooccurrence",
    "cooccurrence_rows",
    "dimension",
    "token_matrix",
    "token_rows",
]

TOKEN_BLOCKS = ("key", "product_type", "category")
_CHUNK = 64


def token_count(settings: Settings) -> int:
    """Return the number of tokens."""
    return settings.token_keys + settings.token_types + settings.token_categories


def dimension(settings: Settings) -> int:
    """Return the length of a row: the upper triangle over tokens."""
    tokens = token_count(settings)
    return tokens * (tokens + 1) // 2


def tokens_of(settings: Settings, state: SharedState) -> dict[str, NDArray[np.int64]]:
    """Return the buckets that are tokens, per block: the largest noisy sums, bucket 0 left out."""
    wanted = dict(
        zip(TOKEN_BLOCKS, (settings.token_keys, settings.token_types, settings.token_categories), strict=True)
    )
    chosen: dict[str, NDArray[np.int64]] = {}
    for name, count in wanted.items():
        sums = state[f"popularity/{name}"][1:]
        chosen[name] = 1 + np.argsort(-sums, kind="stable")[:count].astype(np.int64)
    return chosen


def token_matrix(
    schema: FeatureSchema, settings: Settings, state: SharedState, catalogue: Catalogue
) -> dict[str, sparse.csr_matrix]:
    """Return per block the 0/1 matrix (products, tokens of the block)."""
    sizes = {"key": schema.key_buckets, **{name: schema.buckets(name) for name in TOKEN_BLOCKS[1:]}}
    chosen = tokens_of(settings, state)
    return {name: bucket_matrix(catalogue, name, sizes[name])[:, chosen[name]] for name in TOKEN_BLOCKS}


def token_rows(
    profile: NDArray[np.float32], matrices: dict[str, sparse.csr_matrix], width: int
) -> NDArray[np.float64]:
    """Return (b, tokens) rows of norm at most 1: each block scaled to norm 1, then the whole."""
    parts = [unit_rows(np.asarray(profile @ matrices[name], dtype=np.float64)) for name in TOKEN_BLOCKS]
    rows = np.concatenate(parts, axis=1)
    padding = width - rows.shape[1]
    return unit_rows(np.pad(rows, ((0, 0), (0, padding))))


def cooccurrence_rows(
    schema: FeatureSchema, settings: Settings, state: SharedState, shop: ShopData
) -> Iterator[NDArray[np.float64]]:
    """Yield chunks (b, dimension), one row per customer, norm at most 1."""
    timeline = Timeline(shop)
    matrices = token_matrix(schema, settings, state, shop.catalogue)
    width = token_count(settings)
    upper = np.triu_indices(width)
    scale = np.where(upper[0] == upper[1], 1.0, np.sqrt(2.0))
    for start in range(0, timeline.customers, _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, timeline.customers))
        past = timeline.before(shop.as_of - settings.holdout_days, rows, (settings.half_life_days,))
        tokens = token_rows(past.profile(settings.half_life_days), matrices, width)
        yield tokens[:, upper[0]] * tokens[:, upper[1]] * scale


def apply_cooccurrence(
    settings: Settings, state: SharedState, noisy_sum: NDArray[np.float64], *, noise_stddev: float
) -> SharedState:
    """Solve EASE on the noisy Gram and release the item-to-item matrix over tokens."""
    width = token_count(settings)
    upper = np.triu_indices(width)
    gram = np.zeros((width, width))
    gram[upper] = noisy_sum / np.where(upper[0] == upper[1], 1.0, np.sqrt(2.0))
    gram = gram + np.triu(gram, 1).T
    # Off-diagonal noise has stddev noise_stddev / sqrt 2; Wigner's edge is twice that times sqrt(width).
    edge = noise_stddev * np.sqrt(2.0 * width)
    values, vectors = np.linalg.eigh(gram)
    kept = np.where(values > edge, values, 0.0)
    if not kept.any():
        return state.updated({"cooccurrence/weights": np.zeros((width, width), dtype=np.float32)})
    ridge = settings.cooccurrence_ridge + edge
    inverse = (vectors / (kept + ridge)) @ vectors.T
    weights = -inverse / np.diag(inverse)[None, :]
    np.fill_diagonal(weights, 0.0)
    return state.updated({"cooccurrence/weights": weights.astype(np.float32)})
