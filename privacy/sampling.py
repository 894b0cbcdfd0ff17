"""Poisson sampling: each customer takes part in a round on its own, by a known chance and a hidden draw."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from highstreet.privacy.errors import InvalidReleaseError
from highstreet.privacy.noise import NoiseSource

__all__ = ["poisson_sample"]


def poisson_sample(count: int, *, sampling_rate: float, source: NoiseSource) -> NDArray[np.intp]:
    """Return the rows that take part, in ascending order; none is a possible answer.

    Each row is drawn independently. The chance is the sampling rate rounded down to a multiple of 2^-64,
    never above what is accounted for. Amplification by sampling holds only while nobody learns who was drawn:
    the source must be as secret as that of the noise, and the number drawn must not leave the store.

    Args:
        count: number of customers, 0 or more.
        sampling_rate: in (0, 1]; with 1 everybody takes part and nothing is drawn.
        source: of the draws.

    Raises:
        InvalidReleaseError: the sampling rate is out of range.

    >>> from highstreet.privacy.noise import SeededNoise
    >>> poisson_sample(3, sampling_rate=1.0, source=SeededNoise(1)).tolist()
    [0, 1, 2]
    """
    if not 0 < sampling_rate <= 1:
        raise InvalidReleaseError(f"A sampling rate must lie above 0 and at most at 1, not {sampling_rate}.")
    if sampling_rate == 1:
        return np.arange(count)
    threshold = np.uint64(math.floor(math.ldexp(sampling_rate, 64)))
    return np.flatnonzero(source.uint64s(count) < threshold)
