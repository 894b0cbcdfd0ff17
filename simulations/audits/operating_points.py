"""Bounds from counted errors: true and false positives of a membership test, by Clopper and Pearson."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import beta

from highstreet.simulations.audits.gaussian_bounds import epsilon_of

__all__ = [
    "Errors",
    "counted",
    "epsilon_bound",
    "gaussian_epsilon_bound",
    "interval",
    "rate_at_low_false_positives",
]


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
