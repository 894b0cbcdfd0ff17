"""The noise a programme needs: the least scale of its noise multipliers that meets a target epsilon."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace

from highstreet.privacy.accountant import epsilon as epsilon_of
from highstreet.privacy.errors import InvalidReleaseError, UnreachableBudgetError
from highstreet.privacy.releases import GaussianRelease

__all__ = ["calibrate_noise_multiplier"]

_LEAST, _MOST = 2.0**-10, 2.0**20


def calibrate_noise_multiplier(
    relative: Iterable[GaussianRelease], *, epsilon: float, delta: float, tolerance: float = 1e-3
) -> float:
    """Return the factor for all noise multipliers with which the releases meet (epsilon, delta).

    Give the programme with noise multipliers that say how its phases share the budget (its plan at noise
    multiplier 1, say); the same factor then scales them all. For a person, pass the releases through
    `release_for_person`.

    Args:
        relative: the releases with relative noise multipliers, all above 0.
        epsilon: target, above 0.
        delta: target, in (0, 1).
        tolerance: the factor is at most this relative amount above the least one.

    Returns:
        The factor, on the safe side: the releases scaled by it cost at most epsilon.

    Raises:
        InvalidReleaseError: nothing to calibrate, or a number out of range.
        UnreachableBudgetError: no factor up to a million is enough.

    >>> from highstreet.privacy.releases import customer_release
    >>> two = [customer_release(noise_multiplier=2**0.5), customer_release(noise_multiplier=2**0.5)]
    >>> round(calibrate_noise_multiplier(two, epsilon=0.7255, delta=1e-5), 2)
    5.0
    """
    releases = tuple(relative)
    if not releases or not epsilon > 0 or any(release.noise_multiplier == 0 for release in releases):
        raise InvalidReleaseError(
            "Calibration needs releases with noise multipliers above 0 and epsilon above 0."
        )

    def fits(factor: float) -> bool:
        scaled = (replace(each, noise_multiplier=each.noise_multiplier * factor) for each in releases)
        return epsilon_of(scaled, delta=delta) <= epsilon

    low, high = _bracket(fits)
    while high > low * (1 + tolerance):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


def _bracket(fits: Callable[[float], bool]) -> tuple[float, float]:
    """Return a factor that does not fit and, at most twice as large, one that does."""
    factor = 1.0
    if fits(factor):
        while fits(factor / 2) and factor > _LEAST:
            factor /= 2
        return factor / 2, factor
    while factor < _MOST:
        factor *= 2
        if fits(factor):
            return factor / 2, factor
    raise UnreachableBudgetError("No noise within reason brings the programme under the asked-for epsilon.")
