"""Comparison of recommenders: means, paired differences and intervals that respect who belongs together.

A person who shops in several stores is several units of evaluation but one person, so errors are clustered
by person: for a mean m over n units, g clusters with sums S_c of (x - m), the variance is g / (g - 1) * sum
S_c^2 / n^2 (Liang and Zeger 1986, the intercept-only case). Intervals use Student's t with g - 1 degrees of
freedom.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student_t

from highstreet.models.errors import ModelsError

__all__ = [
    "Estimate",
    "InvalidComparisonError",
    "bucket_means",
    "clustered_mean",
    "paired_difference",
    "worse_off",
]

FloatArray = NDArray[np.floating]
Labels = NDArray[np.integer]


class InvalidComparisonError(ModelsError):
    """The columns of a comparison do not fit together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean with its error.

    Attributes:
        mean: over units; NaN without units.
        standard_error: clustered; NaN with fewer than two clusters.
        low, high: the 95 % interval.
        units, clusters: how many went in.
    """

    mean: float
    standard_error: float
    low: float
    high: float
    units: int
    clusters: int

    @property
    def half_width(self) -> float:
        """Half the width of the interval."""
        return (self.high - self.low) / 2

    @property
    def is_above_zero(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.low > 0


def clustered_mean(values: FloatArray, clusters: Labels, *, seed_variance: float = 0.0) -> Estimate:
    """Return the mean of the values that are not NaN, with its error clustered by label.

    Args:
        values: one per unit; NaN means the unit has nothing to say.
        clusters: whose unit it is, same length.
        seed_variance: variance of the mean that comes from the training's randomness, added to the error.

    Worked: values 1, 3 | 5, 7 in two clusters: mean 4, cluster sums -4 and 4, variance 2 * 32 / 16 = 4,
    error 2.

    >>> clustered_mean(np.array([1.0, 3.0, 5.0, 7.0]), np.array([0, 0, 1, 1])).standard_error
    2.0
    """
    if values.shape != clusters.shape or values.ndim != 1:
        raise InvalidComparisonError(f"{values.shape} values came with {clusters.shape} cluster labels.")
    kept = ~np.isnan(values)
    x = values[kept].astype(np.float64)
    labels, index = np.unique(clusters[kept], return_inverse=True)
    n, g = len(x), len(labels)
    if n == 0:
        return Estimate(mean=np.nan, standard_error=np.nan, low=np.nan, high=np.nan, units=0, clusters=0)
    mean = float(x.mean())
    if g < 2:
        return Estimate(mean=mean, standard_error=np.nan, low=np.nan, high=np.nan, units=n, clusters=g)
    sums = np.bincount(index, weights=x - mean, minlength=g)
    variance = g / (g - 1) * float(sums @ sums) / n**2 + seed_variance
    error = float(np.sqrt(variance))
    reach = float(student_t.ppf(0.975, g - 1)) * error
    return Estimate(mean=mean, standard_error=error, low=mean - reach, high=mean + reach, units=n, clusters=g)


def paired_difference(ours: FloatArray, theirs: FloatArray, clusters: Labels) -> Estimate:
    """Return the mean of ours - theirs over units, with its clustered error.

    Args:
        ours: shape (units,), or (seeds, units) for a recommender trained several times. Seeds are averaged
            per unit; the variance between the seeds' mean differences, over the number of seeds, is added.
        theirs: the same; where both have seeds they have as many, paired in order.
        clusters: whose unit it is, shape (units,).
    """
    difference = np.atleast_2d(ours) - np.atleast_2d(theirs)
    if difference.shape[1:] != clusters.shape:
        raise InvalidComparisonError(f"{difference.shape[1]} units came with {len(clusters)} cluster labels.")
    seeds = len(difference)
    per_seed = np.array([np.nanmean(row) if not np.isnan(row).all() else np.nan for row in difference])
    between = float(per_seed.var(ddof=1)) / seeds if seeds > 1 else 0.0
    return clustered_mean(difference.mean(axis=0), clusters, seed_variance=between)


def bucket_means(values: FloatArray, clusters: Labels, buckets: Labels) -> dict[int, Estimate]:
    """Return one clustered mean per bucket, by bucket label in ascending order."""
    if buckets.shape != values.shape:
        raise InvalidComparisonError(f"{values.shape} values came with {buckets.shape} bucket labels.")
    return {
        int(bucket): clustered_mean(values[buckets == bucket], clusters[buckets == bucket])
        for bucket in np.unique(buckets)
    }


def worse_off(ours: FloatArray, theirs: FloatArray, stores: Labels) -> tuple[int, int]:
    """Count the stores that ours serves worse than theirs by more than their own standard error.

    Returns the number of such stores, then the number of stores judged. The standard error is that of the
    store's mean difference over its customers. If the two were equally good, about one store in six (16 %)
    would still count. Stores with fewer than two customers to judge by are left out.
    """
    worse = judged = 0
    difference = ours - theirs
    for store in np.unique(stores):
        mine = difference[stores == store]
        mine = mine[~np.isnan(mine)]
        if len(mine) < 2:
            continue
        judged += 1
        worse += int(mine.mean() < -mine.std(ddof=1) / np.sqrt(len(mine)))
    return worse, judged
