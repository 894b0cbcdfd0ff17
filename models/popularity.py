"""Phase `popularity`: noisy recency-weighted counts per public product key and per public attribute.

A customer's row is a concatenation of blocks (product keys, then each field), each of norm 1 times the
square root of the block's share of the squared norm, so that the whole row has norm at most 1 and one clip
bounds it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from highstreet.models.history import Timeline
from highstreet.models.schema import FIELDS, FeatureSchema
from highstreet.models.settings import Settings
from highstreet.models.shop import Catalogue, ShopData
from highstreet.models.state import SharedState

__all__ = [
    "apply_popularity",
    "block_sizes",
    "bucket_matrix",
    "dimension",
    "popularity_rows",
    "posterior_mean",
]

_CHUNK = 32


def block_sizes(schema: FeatureSchema) -> dict[str, int]:
    """Return the blocks of a row, in order, with their lengths."""
    sizes = {"key": schema.key_buckets}
    sizes.update({name: schema.buckets(name) for name in FIELDS})
    sizes["price_band"] = schema.price_bands
    return sizes


def dimension(schema: FeatureSchema) -> int:
    """Return the length of a row."""
    return sum(block_sizes(schema).values())


def bucket_matrix(catalogue: Catalogue, name: str, buckets: int) -> sparse.csr_matrix:
    """Return the 0/1 matrix (products, buckets) of a field or of `key`; bucket 0 (not given) stays empty."""
    column = catalogue.shared_key if name == "key" else catalogue.column(name)
    given = np.flatnonzero(column > 0)
    ones = np.ones(len(given), dtype=np.float32)
    return sparse.csr_matrix((ones, (given, column[given])), shape=(len(catalogue), buckets))


def popularity_rows(
    schema: FeatureSchema, settings: Settings, shop: ShopData
) -> Iterator[NDArray[np.float64]]:
    """Yield chunks (b, dimension), one row per customer, norm at most 1."""
    timeline = Timeline(shop)
    sizes = block_sizes(schema)
    matrices = {name: bucket_matrix(shop.catalogue, name, size) for name, size in sizes.items()}
    scales = _block_scales(settings, sizes)
    for start in range(0, timeline.customers, _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, timeline.customers))
        past = timeline.before(shop.as_of - settings.holdout_days, rows, (settings.half_life_days,))
        profile = past.profile(settings.half_life_days)
        yield np.concatenate(
            [
                scales[name] * unit_rows(np.asarray(profile @ matrices[name], dtype=np.float64))
                for name in sizes
            ],
            axis=1,
        )


def apply_popularity(
    schema: FeatureSchema,
    settings: Settings,
    state: SharedState,
    noisy_sum: NDArray[np.float64],
    *,
    noise_stddev: float,
) -> SharedState:
    """Undo the block weights; release each block as sums, and the noise stddev beside it."""
    sizes = block_sizes(schema)
    scales = _block_scales(settings, sizes)
    released: dict[str, NDArray[np.floating]] = {}
    start = 0
    for name, size in sizes.items():
        block = noisy_sum[start : start + size] / scales[name]
        released[f"popularity/{name}"] = block.astype(np.float32)
        released[f"popularity/{name}_stddev"] = np.array([noise_stddev / scales[name]])
        start += size
    return state.updated(released)


def posterior_mean(
    observed: NDArray[np.floating], *, stddev: float, prior_mean: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return the expected true sum behind a noisy one, under a wide log-normal prior.

    Args:
        observed: (n,) noisy sums.
        stddev: of the Gaussian noise in them; 0 leaves them as they are, but for a floor.
        prior_mean: (n,) positive, what would be expected before looking.

    Returns:
        (n,) positive numbers. Where noise drowns the signal they approach the prior mean.
    """
    values = observed.astype(np.float64)
    expected = np.maximum(prior_mean.astype(np.float64), 1e-6)
    if stddev <= 0:
        return np.maximum(values, 0.05 * np.minimum(expected, 1.0))
    offsets = np.linspace(-4.5, 4.5, 55)
    log_prior = -0.5 * (offsets / _PRIOR_LOG_STDDEV) ** 2
    grid = np.exp(np.log(expected)[:, None] + offsets[None, :] - _PRIOR_LOG_STDDEV**2 / 2)
    log_posterior = log_prior[None, :] - 0.5 * ((values[:, None] - grid) / stddev) ** 2
    weight = np.exp(log_posterior - log_posterior.max(axis=1, keepdims=True))
    return np.asarray((weight * grid).sum(axis=1) / weight.sum(axis=1))


_PRIOR_LOG_STDDEV = 1.4


def unit_rows(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale each row to norm 1; zero rows stay zero. A row's bits do not depend on the other rows."""
    rows = np.ascontiguousarray(rows)  # in another order a single row would be added up differently
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norms > 0, norms, 1.0)


def _block_scales(settings: Settings, sizes: dict[str, int]) -> dict[str, float]:
    field_share = (1.0 - settings.key_share) / (len(sizes) - 1)
    return {name: float(np.sqrt(settings.key_share if name == "key" else field_share)) for name in sizes}
