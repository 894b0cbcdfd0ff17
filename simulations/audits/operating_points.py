"""Bounds from counted errors: true and false positives of a membership test, by Clopper and Pearson."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import beta

from highstreet.privacy.accountant import epsilon as accounted_epsilon
from highstreet.privacy.releases import GaussianRelease
from highstreet.simulations.audits.gaussian_bounds import epsilon_of

__all__ = [
    "Errors",
    "counted",
    "epsilon_bound",
    "gaussian_epsilon_bound",
    "interval",
    "programme_epsilon_bound",
    "programme_is_refuted",
    "rate_at_low_false_positives",
]

#: Points of a programme's privacy profile at which errors are held against it.
_DELTAS = (1e-5, 0.01, 0.1, 0.3, 0.5, 0.7, 0.85, 0.95)
_LARGEST_EXPONENT = 700.0
#: Least and largest share of the noise that is tried, and how exactly it is found.
_SHARES = (1 / 4, 16.0)
_SHARE_TOLERANCE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Decisions of a membership test over independent trials.

    Attributes:
        inside, outside: trials with the customer in and out.
        missed: of those in, called out (false negatives).
        alarms: of those out, called in (false positives).
    """

    inside: int
    outside: int
    missed: int
    alarms: int


def counted(inside: NDArray[np.float64], outside: NDArray[np.float64], *, threshold: float) -> Errors:
    """Call in whatever scores above the threshold, and count."""
    return Errors(
        inside=len(inside),
        outside=len(outside),
        missed=int((inside <= threshold).sum()),
        alarms=int((outside > threshold).sum()),
    )


def interval(successes: int, trials: int, *, alpha: float) -> tuple[float, float]:
    """Return the Clopper-Pearson interval of a rate; each side is wrong with probability at most alpha / 2.

    >>> low, high = interval(0, 10, alpha=0.05)
    >>> low, round(high, 4)  # 1 - 0.025^(1/10)
    (0.0, 0.3085)
    """
    low = float(beta.ppf(alpha / 2, successes, trials - successes + 1)) if successes else 0.0
    high = float(beta.ppf(1 - alpha / 2, successes + 1, trials - successes)) if successes < trials else 1.0
    return low, high


def epsilon_bound(found: Errors, *, delta: float, alpha: float) -> float:
    """Return a lower bound on epsilon that needs no assumption about the scores.

    (epsilon, delta)-privacy means TPR <= e^epsilon FPR + delta and TNR <= e^epsilon FNR + delta (Kairouz et
    al. 2015); both error rates are replaced by their upper confidence limits, half of alpha each.

    Source: Nasr et al. 2021, arXiv:2101.04535, section 4.
    """
    missed, alarms = _upper_limits(found, alpha=alpha)
    ratios = ((1 - missed - delta) / alarms, (1 - alarms - delta) / missed)
    return max(0.0, *(math.log(ratio) for ratio in ratios if ratio > 0))


def gaussian_epsilon_bound(found: Errors, *, delta: float, alpha: float) -> float:
    """Return a lower bound on epsilon for a mechanism whose trade-off curve is a Gaussian one.

    mu >= Phi^-1(1 - FPR) - Phi^-1(FNR). No assumption is made about the scores, only about the mechanism.

    Source: Nasr et al. 2023, arXiv:2302.07956, section 4.3.
    """
    missed, alarms = _upper_limits(found, alpha=alpha)
    return epsilon_of(float(ndtri(1 - alarms) - ndtri(missed)), delta=delta)


def programme_is_refuted(
    found: Errors, releases: Sequence[GaussianRelease], *, alpha: float, noise_share: float = 1.0
) -> bool:
    """Say whether so few errors are unlikely (at most alpha) against releases with a share of their noise.

    The accountant's (epsilon, delta) at several delta together bound what any test can do; it is refuted when
    the upper limits of both error rates are below that for one of them. No assumption is made about scores.

    Args:
        found: errors counted.
        releases: of the programme, for whoever is attacked.
        alpha: of being wrong about a programme that has this noise or more.
        noise_share: part of the noise multipliers that is tried.
    """
    missed, alarms = _upper_limits(found, alpha=alpha)
    scaled = [replace(each, noise_multiplier=each.noise_multiplier * noise_share) for each in releases]
    for delta in _DELTAS:
        factor = math.exp(min(accounted_epsilon(scaled, delta=delta), _LARGEST_EXPONENT))
        if 1 - missed > factor * alarms + delta or 1 - alarms > factor * missed + delta:
            return True
    return False


def programme_epsilon_bound(
    found: Errors, releases: Sequence[GaussianRelease], *, delta: float, alpha: float
) -> float:
    """Return the epsilon of the least noisy version of these releases that is refuted; 0 for none.

    Assumes of the mechanism that it is these releases with some share of their noise, sampling included. It
    takes the place of `gaussian_epsilon_bound` where sampling makes the trade-off curve no Gaussian one.
    """

    def refuted(share: float) -> bool:
        return programme_is_refuted(found, releases, alpha=alpha, noise_share=share)

    low, high = _SHARES
    if not refuted(high):
        return 0.0
    while high > low * (1 + _SHARE_TOLERANCE):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if refuted(middle) else (middle, high)
    scaled = [replace(each, noise_multiplier=each.noise_multiplier * high) for each in releases]
    return accounted_epsilon(scaled, delta=delta)


def rate_at_low_false_positives(
    inside: NDArray[np.float64], outside: NDArray[np.float64], *, rate: float
) -> float:
    """Return the true positive rate at the threshold that so large a part of those outside exceed.

    >>> rate_at_low_false_positives(np.array([1.0, 5.0]), np.arange(4.0), rate=0.25)
    0.5
    """
    threshold = np.quantile(outside, 1 - rate, method="inverted_cdf")
    return float((inside > threshold).mean())


def _upper_limits(found: Errors, *, alpha: float) -> tuple[float, float]:
    """Return upper limits of the rates of missed and alarms, which both hold with probability 1 - alpha."""
    return (
        interval(found.missed, found.inside, alpha=alpha)[1],
        interval(found.alarms, found.outside, alpha=alpha)[1],
    )
