"""Bounds for Gaussian scores: how far apart canaries that are in and canaries that are out must truly lie."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, t

from highstreet.privacy.gaussian import ClosedFormAccountant
from highstreet.privacy.releases import customer_release
from highstreet.simulations.errors import InvalidAuditError

__all__ = ["Separation", "epsilon_of", "mu_of", "separation"]

#: Beyond this separation every claim within reason is refuted, and the closed form would overflow.
_LARGEST_MU = 1e3


@dataclass(frozen=True, slots=True, kw_only=True)
class Separation:
    """Distance of two Gaussians in units of their common stddev: mu of Gaussian differential privacy.

    Attributes:
        estimate: from the samples.
        low: lower confidence bound; 0 when nothing can be said.
    """

    estimate: float
    low: float


def separation(inside: NDArray[np.float64], outside: NDArray[np.float64], *, alpha: float) -> Separation:
    """Compare the scores of canaries that are in with those of canaries that are out.

    The lower bound is wrong with probability at most alpha for independent normal scores of one stddev:
    half of alpha goes to Student's t for the difference of the means, half to chi-squared for the stddev
    (union bound). The pooled stddev is used, which takes two scores more than there are numbers to fit.

    Source: the estimate is that of Andrew et al. 2024, arXiv:2302.03098, section 3, with scores of canaries
    left out in place of the limit distribution N(0, 1 / d), so that it holds in every dimension.

    Raises:
        InvalidAuditError: fewer than two scores on a side.
    """
    if len(inside) < 2 or len(outside) < 2:
        raise InvalidAuditError("A comparison needs two scores on each side at least.")
    freedom = len(inside) + len(outside) - 2
    squares = ((inside - inside.mean()) ** 2).sum() + ((outside - outside.mean()) ** 2).sum()
    stddev = math.sqrt(float(squares) / freedom)
    distance = float(inside.mean() - outside.mean())
    if stddev == 0:
        return Separation(estimate=math.copysign(math.inf, distance), low=math.inf if distance > 0 else 0.0)
    error = stddev * math.sqrt(1 / len(inside) + 1 / len(outside))
    least = distance - float(t.ppf(1 - alpha / 2, freedom)) * error
    widest = stddev * math.sqrt(freedom / float(chi2.ppf(alpha / 2, freedom)))
    return Separation(estimate=distance / stddev, low=max(0.0, least / widest))


def epsilon_of(mu: float, *, delta: float) -> float:
    """Return the exact epsilon at this delta of a Gaussian mechanism with noise multiplier 1 / mu.

    >>> round(epsilon_of(0.2, delta=1e-5), 3), epsilon_of(0.0, delta=1e-5), epsilon_of(5000.0, delta=1e-5)
    (0.726, 0.0, inf)
    """
    if mu <= 0:
        return 0.0
    if mu > _LARGEST_MU:
        return math.inf
    return ClosedFormAccountant().epsilon([customer_release(noise_multiplier=1 / mu)], delta=delta)


def mu_of(noise_multipliers: tuple[float, ...]) -> float:
    """Return mu of Gaussian releases together, each with one full contribution; infinity without noise.

    >>> mu_of((2.0**0.5, 2.0**0.5))
    1.0
    """
    if any(each == 0 for each in noise_multipliers):
        return math.inf
    return round(math.sqrt(sum(each**-2 for each in noise_multipliers)), 15)
