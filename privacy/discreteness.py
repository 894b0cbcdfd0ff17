"""Discreteness: how far a sum of discrete Gaussian shares is from Gaussian noise rounded to the integers.

Accountants know the Gaussian mechanism. What a co-op releases is Q + X, with X a sum of m discrete Gaussians
of variance 4^b each. This file bounds the difference, so that the one may be charged as the other.

Statement. Let v = m 4^b, tau^2 = v - 1/12, and R = round(N(0, tau^2)). For every integer k with |k| <= u tau,

    |log P(X = k) - log P(R = k)| <= eta = (1/512 + u^2/288 + u^4/2880) / tau^4 + theta,
    theta = 3 exp(-2 pi^2 v) + 10 (m - 1) exp(-pi^2 4^b).

Both |X| and |R| exceed u tau with probability at most 2 exp(-(u - 1/(2 tau))^2 tau^2 / (2 v)).

Proof. (1) X against D = N_Z(0, v): the log ratio is at most 10 times the sum over k = 1 .. m - 1 of
exp(-2 pi^2 4^b k / (k + 1)), everywhere (Kairouz, Liu and Steinke 2021, arXiv:2102.06387, on the convolution
of discrete Gaussians), and k / (k + 1) >= 1/2.

(2) D against R. With s = k / tau^2, a = 1 / (2 tau^2), phi the density of N(0, tau^2) and U uniform on
[-1/2, 1/2], P(R = k) = phi(k) E exp(-s U - a U^2). From log(1 + y) in [y - y^2/2, y] in the product for
sinh, log E exp(-s U) lies in [s^2/24 - s^4/2880, s^2/24], its second derivative is at most 1/12 and its first
at most |s|/12. So under the law tilted by exp(-s U), U^2 has its mean in [1/12, 1/12 + s^2/144] and its range
in [0, 1/4]; by Jensen's inequality and Hoeffding's lemma

    s^2/24 - s^4/2880 - a/12 - a s^2/144 <= log P(R = k) - log phi(k) <= s^2/24 - a/12 + a^2/128.

For D, log P(D = k) - log phi(k) = k^2 / (24 v tau^2) - log(1 + 1 / (12 tau^2)) / 2 - log(1 + w), where
Poisson summation gives 0 <= w < 3 exp(-2 pi^2 v). The terms of order 1 / tau^2 cancel, which is what the 1/12
is for: it is the variance of U that rounding adds. With u = |k| / tau the rest lies between
-(1/512 + u^2/288) / tau^4 - w and (1/576 + u^2 / (3456 v) + u^4/2880) / tau^4. Without the 1/12 the log ratio
would be about (k^2/v - 1) / (24 v), larger by a factor of the order of tau^2.

(3) X is sub-Gaussian with variance proxy v (`discrete_gaussian`), and |R| > u tau needs a normal beyond
u tau - 1/2.

Consequence. Over d coordinates X and R are within a factor exp(d eta) of each other, but for outcomes that
each has with probability at most `outside`. Where Q + R is (epsilon, delta)-differentially private, Q + X
therefore is with epsilon + 2 d eta and exp(d eta) delta + outside (1 + exp(epsilon + d eta)). Q is fixed in
this comparison, so it holds whatever makes Q random (Poisson sampling) and however a person moves it (several
stores), and over several releases, chosen adaptively or not, the two numbers add up. And Q + R = round(Q + N)
is computed from the Gaussian mechanism, so its epsilon and delta are those of the accountant.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from highstreet.privacy.errors import InvalidReleaseError

__all__ = ["EPSILON_EXTRA_LIMIT", "Departure", "departure"]

#: What discreteness adds to the epsilon of one release of `DistributedMechanism` at most; accountants add it.
EPSILON_EXTRA_LIMIT = 2.0**-20
#: Probability of the outcomes left out of the comparison, per release.
_OUTSIDE = 2.0**-80


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """How far releases with discrete noise are from the Gaussian ones an accountant is told of.

    Attributes:
        log_ratio: bound on the log of the ratio of their probabilities, d eta.
        outside: probability of the outcomes to which the bound does not apply, under either.
    """

    log_ratio: float
    outside: float

    def __add__(self, other: Departure) -> Departure:
        """Return the departure of both releases together."""
        return Departure(log_ratio=self.log_ratio + other.log_ratio, outside=self.outside + other.outside)

    @property
    def epsilon_extra(self) -> float:
        """What to add to an accountant's epsilon."""
        return 2 * self.log_ratio

    def delta_extra(self, *, epsilon: float, delta: float) -> float:
        """Return what to add to delta where the accountant said (epsilon, delta).

        >>> Departure(log_ratio=1e-6, outside=2.0**-80).delta_extra(epsilon=3.0, delta=1e-5) < 1.1e-11
        True
        """
        return math.expm1(self.log_ratio) * delta + self.outside * (1 + math.exp(epsilon + self.log_ratio))


def departure(*, dimension: int, shares: int, log2_stddev: int) -> Departure:
    """Bound the departure of a sum of discrete Gaussian shares from the Gaussian it is accounted as.

    The Gaussian has variance shares 4^log2_stddev - 1/12 per coordinate, in steps of the grid.

    Args:
        dimension: number of coordinates d.
        shares: how many shares are added, m.
        log2_stddev: b, each share's stddev being 2^b steps.

    Raises:
        InvalidReleaseError: a number is out of range.

    >>> departure(dimension=10_000, shares=3, log2_stddev=12).epsilon_extra < 1e-9
    True
    """
    if dimension < 1 or shares < 1 or log2_stddev < 0:
        raise InvalidReleaseError(
            f"There is no sum of {shares} shares of stddev 2^{log2_stddev} in {dimension} dimensions."
        )
    each = 4.0**log2_stddev
    variance = shares * each
    tau = math.sqrt(variance - 1 / 12)
    u = 1 / (2 * tau) + math.sqrt(2 * math.log(2 * dimension / _OUTSIDE) * variance) / tau
    theta = 3 * math.exp(-2 * math.pi**2 * variance) + 10 * (shares - 1) * math.exp(-(math.pi**2) * each)
    eta = (1 / 512 + u**2 / 288 + u**4 / 2880) / tau**4 + theta
    return Departure(log_ratio=dimension * eta, outside=_OUTSIDE)
