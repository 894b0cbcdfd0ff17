"""The accountant: what a set of releases costs, by composing privacy loss distributions.

They are dp-accounting's. Every number is an upper bound: distributions are discretised pessimistically, and
how finely is chosen from the size of the answer, so that the bound is tight to about 0.1 % and a programme of
a dozen phases takes well under a second.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Protocol

from highstreet.privacy.discreteness import EPSILON_EXTRA_LIMIT
from highstreet.privacy.errors import InvalidReleaseError, UnsupportedReleaseError
from highstreet.privacy.releases import GaussianRelease, Neighbouring

__all__ = ["Accountant", "PldAccountant", "epsilon"]

#: Bounds on the interval of a privacy loss distribution.
_FINEST_INTERVAL = 2.0**-14
_COARSEST_INTERVAL = 2.0**-2
#: Relative error aimed at.
_TOLERANCE = 2.0**-11
#: Below this noise multiplier, of one release per contribution or of all together, the answer is infinity:
#: such releases protect nobody (epsilon above 1,000), and their distributions would fill the memory.
_LEAST_NOISE = 0.02
#: Below this it is no noise: one over its square would be out of range.
_NO_NOISE = 2.0**-400
#: A smaller sampling rate is charged as this one, which costs no less; the library fails on subnormal ones.
_LEAST_RATE = 2.0**-64

#: Part of delta kept for the discreteness of the noise; with EPSILON_EXTRA_LIMIT it covers 1,024 releases.
_DISCRETE_DELTA = 2.0**-9

#: (noise multiplier, sampling rate, contributions) -> steps
_Programme = tuple[tuple[tuple[float, float, int], int], ...]


class Accountant(Protocol):
    """Says what releases cost together; one conformance suite holds every implementation."""

    def epsilon(self, releases: Iterable[GaussianRelease], *, delta: float) -> float:
        """Return epsilon such that the releases together are (epsilon, delta)-differentially private."""
        ...


class PldAccountant:
    """Composes privacy loss distributions; the accountant whose figures are claimed."""

    def epsilon(self, releases: Iterable[GaussianRelease], *, delta: float) -> float:
        """Return an upper bound on epsilon at this delta, for all releases together.

        What is charged is Gaussian noise, plus what discrete noise in its place may cost at most: 2^-20 of
        epsilon a release, and 2^-9 of delta for up to 1,024 of them (`discreteness`).

        The order of releases makes no difference, adaptive choices included (Gaussian and Poisson-subsampled
        Gaussian mechanisms compose adaptively under their dominating pairs).

        Args:
            releases: sums about the same privacy unit, under adding or removing it. Empty costs 0.
            delta: in (0, 1).

        Returns:
            Epsilon, 0 or more; infinity when a release has no noise or next to none.

        Raises:
            UnsupportedReleaseError: something else than a GaussianRelease, another neighbouring relation, or
                mixed privacy units.
            InvalidReleaseError: delta is out of range.

        >>> from highstreet.privacy.releases import customer_release
        >>> round(PldAccountant().epsilon([customer_release(noise_multiplier=5.0)], delta=1e-5), 3)
        0.726
        """
        counted = list(releases)
        gaussian = _epsilon_of(accountable(counted, delta=delta), float(delta) * (1 - _DISCRETE_DELTA))
        return gaussian + EPSILON_EXTRA_LIMIT * sum(release.steps for release in counted)


def epsilon(releases: Iterable[GaussianRelease], *, delta: float) -> float:
    """Return what these releases cost together; see PldAccountant.epsilon.

    >>> from highstreet.privacy.releases import customer_release
    >>> epsilon([], delta=1e-5), epsilon([customer_release(noise_multiplier=0.0)], delta=1e-5)
    (0.0, inf)
    """
    return PldAccountant().epsilon(releases, delta=delta)


def accountable(releases: Iterable[GaussianRelease], *, delta: float) -> _Programme:
    """Check releases and merge equal ones: ((noise multiplier, sampling rate, contributions), steps), sorted.

    Releases without sampling are merged into one first: Gaussian mechanisms with multipliers z_i compose to
    exactly one with 1 / z^2 = sum of 1 / z_i^2 (Dong, Roth and Su 2022, Corollary 3.3), and k contributions
    that all take part are one of k times the norm.

    Raises:
        UnsupportedReleaseError: see PldAccountant.epsilon.
        InvalidReleaseError: delta is out of range.
    """
    if not 0 < delta < 1:
        raise InvalidReleaseError(f"Delta must lie between 0 and 1, not {delta}.")
    checked = list(releases)
    _refuse_unsupported(checked)
    counts: Counter[tuple[float, float, int]] = Counter()
    precision = 0.0
    for release in checked:
        if release.noise_multiplier < _NO_NOISE * release.contributions:
            return (((0.0, 1.0, 1), 1),)
        if release.sampling_rate == 1:
            precision += release.steps * (release.contributions / release.noise_multiplier) ** 2
        else:
            rate = max(release.sampling_rate, _LEAST_RATE)
            counts[(release.noise_multiplier, rate, release.contributions)] += release.steps
    if precision > 0:
        counts[(precision**-0.5, 1.0, 1)] += 1
    return tuple(sorted(counts.items()))


def _refuse_unsupported(releases: list[GaussianRelease]) -> None:
    for release in releases:
        if not isinstance(release, GaussianRelease):
            raise UnsupportedReleaseError("A release of an unknown kind cannot be accounted for.")
        if release.neighbouring is not Neighbouring.ADD_OR_REMOVE:
            raise UnsupportedReleaseError("Only adding or removing a privacy unit is accounted for.")
    if len({release.privacy_unit for release in releases}) > 1:
        raise UnsupportedReleaseError("Releases about different privacy units do not add up to one claim.")


@lru_cache(maxsize=4096)
def _epsilon_of(programme: _Programme, delta: float) -> float:
    if not programme:
        return 0.0
    if (
        any(noise < _LEAST_NOISE * k for (noise, _, k), _ in programme)
        or _total_noise(programme) < _LEAST_NOISE
    ):
        return math.inf
    steps = sum(count for _, count in programme)
    coarse = _epsilon_at(programme, delta, _interval(_likely_loss(programme), steps=steps, tolerance=2.0**-6))
    return min(coarse, _epsilon_at(programme, delta, _interval(coarse, steps=steps, tolerance=_TOLERANCE)))


def _total_noise(programme: _Programme) -> float:
    """Return the noise multiplier of the one Gaussian that the programme tends to when it has many steps."""
    return 1 / math.sqrt(sum(steps * (rate * k / noise) ** 2 for (noise, rate, k), steps in programme))


def _likely_loss(programme: _Programme) -> float:
    """Return the scale of the privacy loss in the central limit: mean plus four standard deviations."""
    mu = 1 / _total_noise(programme)
    return mu * mu / 2 + 4 * mu


def _interval(size: float, *, steps: int, tolerance: float) -> float:
    """Return an interval, a power of two so that cached parts are shared, that costs about tolerance * size.

    Discretising with interval h (connect the dots) adds about h^2 per composed step, and h bounds what can be
    told apart at all.
    """
    wanted = min(8 * tolerance * size, math.sqrt(tolerance * size / steps))
    bounded = min(max(wanted, _FINEST_INTERVAL), _COARSEST_INTERVAL)
    return 2.0 ** math.floor(math.log2(bounded))


def _epsilon_at(programme: _Programme, delta: float, interval: float) -> float:
    composed: Any = None
    for (noise, rate, contributions), steps in programme:
        part = _loss_distribution(noise, rate, contributions, steps, interval)
        composed = part if composed is None else composed.compose(part)
    return float(composed.get_epsilon_for_delta(delta))


@lru_cache(maxsize=512)
def _loss_distribution(noise: float, rate: float, contributions: int, steps: int, interval: float) -> Any:
    # Imported here: it takes a second, and most commands that import the ledger account for nothing.
    from dp_accounting.pld import privacy_loss_distribution as pld

    if contributions == 1:
        one = pld.from_gaussian_mechanism(noise, sampling_prob=rate, value_discretization_interval=interval)
    else:
        # Choquette-Choo, Ganesh, Steinke, Thakurta 2023 (arXiv:2310.15526), Corollary 4.7: a sum of
        # independently sampled vectors of norm at most 1 is dominated by the scalar mixture with the numbers
        # sampled.
        drawn = [
            math.comb(contributions, j) * rate**j * (1 - rate) ** (contributions - j)
            for j in range(contributions + 1)
        ]
        one = pld.from_mixture_gaussian_mechanism(
            noise,
            sensitivities=[float(j) for j in range(contributions + 1)],
            sampling_probs=drawn,
            value_discretization_interval=interval,
        )
    return one.self_compose(steps) if steps > 1 else one
