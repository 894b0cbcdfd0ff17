"""The unsampled Gaussian mechanism in closed form: an independent second way to account for it."""

from __future__ import annotations

import math
from collections.abc import Iterable

from scipy.optimize import brentq
from scipy.special import log_ndtr, ndtr

from highstreet.privacy.accountant import accountable
from highstreet.privacy.errors import UnsupportedReleaseError
from highstreet.privacy.releases import GaussianRelease

__all__ = ["ClosedFormAccountant", "gaussian_delta"]


def gaussian_delta(*, epsilon: float, noise_multiplier: float) -> float:
    """Return the exact delta of one Gaussian mechanism at this epsilon.

    delta = Phi(1/(2z) - epsilon z) - exp(epsilon) Phi(-1/(2z) - epsilon z), for add-or-remove neighbours and
    sensitivity 1.

    Source: Balle and Wang 2018, arXiv:1805.06530, Theorem 8.

    >>> round(gaussian_delta(epsilon=0.0, noise_multiplier=1.0), 6)  # Phi(1/2) - Phi(-1/2)
    0.382925
    """
    z = noise_multiplier
    lost = float(ndtr(0.5 / z - epsilon * z))
    return max(0.0, lost - math.exp(min(700.0, epsilon + float(log_ndtr(-0.5 / z - epsilon * z)))))


class ClosedFormAccountant:
    """Accounts exactly for releases without sampling, and refuses all others."""

    def epsilon(self, releases: Iterable[GaussianRelease], *, delta: float) -> float:
        """Return the exact epsilon at this delta, to a relative 1e-9.

        Raises:
            UnsupportedReleaseError: a release is sampled, or not accountable at all.
            InvalidReleaseError: delta is out of range.

        >>> from highstreet.privacy.releases import customer_release
        >>> round(ClosedFormAccountant().epsilon([customer_release(noise_multiplier=5.0)], delta=1e-5), 5)
        0.72552
        """
        programme = accountable(releases, delta=delta)
        if not programme:
            return 0.0
        if len(programme) > 1 or programme[0][0][1] < 1:
            raise UnsupportedReleaseError("The closed form covers no sampled release.")
        noise = programme[0][0][0]
        if noise == 0:
            return math.inf

        def excess(epsilon: float) -> float:
            return gaussian_delta(epsilon=epsilon, noise_multiplier=noise) - delta

        if excess(0.0) <= 0:
            return 0.0
        upper = 0.5 / noise**2 + 40 / noise
        return float(brentq(excess, 0.0, upper, xtol=1e-12, rtol=1e-10))
