"""Intervals of figures that are ratios of noisy sums, and of differences of two of them.

A ratio's interval is Fieller's, as in `audit.scorecard`; it holds the noise in both sums and the choice of
customers. The difference of two figures of different customers or releases has that of Zou and Donner 2008
(MOVER).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

__all__ = ["Interval", "difference_interval", "quantile", "ratio_interval"]

#: Two-sided chance that an interval misses.
_MISS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A figure and where it can be."""

    value: float
    low: float
    high: float


def quantile(*, groups: int) -> float:
    """Return how many standard deviations an interval reaches where groups share its misses (Bonferroni).

    >>> round(quantile(groups=1), 4), round(quantile(groups=5), 4)
    (1.96, 2.5758)
    """
    return NormalDist().inv_cdf(1 - _MISS / (2 * groups))


def ratio_interval(
    total: float,
    customers: float,
    *,
    variance: float,
    customers_variance: float,
    spread: tuple[float, float, float],
    bounds: tuple[float, float],
    z: float,
) -> Interval:
    """Return all means m for which (total - m customers) is not too far from 0, and the ratio itself.

    Args:
        total: noisy sum of a figure over customers.
        customers: their noisy number.
        variance: of the noise in the sum.
        customers_variance: of the noise in the number.
        spread: (a, b, c): a customer's figure has at most the variance a + b m + c m^2 when its mean is m.
        bounds: between what the mean can lie.
        z: how many standard deviations are not too far.

    Returns:
        An interval within the bounds; all of them where the number of customers is not clearly over 0.

    Source: Fieller 1954, JRSS B 16(2); for figures in [lo, hi] the spread (m - lo)(hi - m) is Bhatia and
    Davis 2000, "A better bound on the variance".
    """
    least, most = bounds
    if customers <= 0:
        return Interval(value=min(max(0.0, least), most), low=least, high=most)
    total = min(max(total, least * customers), most * customers)  # noise beyond what can be says no more
    value = total / customers
    a, b, c = spread
    square = customers**2 - z**2 * (customers_variance + customers * c)
    middle = total * customers + z**2 * customers * b / 2
    constant = total**2 - z**2 * (variance + customers * a)
    if customers**2 <= z**2 * customers_variance or square <= 0:
        return Interval(value=value, low=least, high=most)
    half = math.sqrt(max(0.0, middle**2 - square * constant))
    low, high = (middle - half) / square, (middle + half) / square
    return Interval(value=value, low=min(max(low, least), value), high=max(min(high, most), value))


def difference_interval(first: Interval, second: Interval) -> Interval:
    """Return the interval of the difference of two figures with independent errors.

    Source: Zou and Donner 2008, Statistics in Medicine 27(10), section 2 (the square-and-add rule that is
    Newcombe's 1998 method 10 for proportions).

    Worked: .5 in (.4, .6) less .3 in (.2, .4): .2 -+ sqrt(.1^2 + .1^2) = (.05858, .34142).
    """
    value = first.value - second.value
    below = math.hypot(first.value - first.low, second.high - second.value)
    above = math.hypot(first.high - first.value, second.value - second.low)
    return Interval(value=value, low=value - below, high=value + above)
