"""The discrete Gaussian: exact samples of N_Z(0, 4^b), by integer arithmetic alone.

P(x) is proportional to exp(-x^2 / (2 sigma^2)) on the integers, with sigma = 2^b. The algorithm is Canonne,
Kamath and Steinke 2020 (arXiv:2004.00010), Algorithms 1 to 3, with t = sigma in place of floor(sigma) + 1
(their proof holds for every t, and with a power of two divisions are shifts). It is run on whole arrays:

1. A discrete Laplace proposal of scale t: U uniform on 0 .. t - 1, kept with probability exp(-U / t); V the
   number of successes of Bernoulli(exp(-1)) before the first failure; size Y = U + t V; a random sign, where
   "minus zero" is dropped (Algorithm 2).
2. It is kept with probability exp(-(Y - sigma^2 / t)^2 / (2 sigma^2)) = exp(-(Y - 2^b)^2 / 2^(2b + 1))
   (Algorithm 3). About 48 % of the uniforms U end as a sample.
3. Bernoulli(exp(-g)) with g in [0, 1] is the parity of the first K at which Bernoulli(g / K) fails
   (Algorithm 1); exp(-g) with g > 1 is split into factors exp(-1) and the rest.
4. Bernoulli(a / (K 2^q)) compares an exactly uniform integer below K 2^q with a. The integer is a 64-bit word
   divided by floor(2^64 / (K 2^q)); words at or above the largest multiple are drawn anew.

Bounds. Words are uint64. b <= 24, so q <= 49 and K 2^q < 2^63 for K < 2^14. The chance to come to K is at
most 1 / (K - 1)!; trials that come to 2^14, once in 2^200,000, fail. Of the size, U < 2^24, and V is
unbounded: proposals with V >= 128 are dropped. One comes once in e^128, and Algorithm 3 would keep it with
probability below exp(-127^2 / 2). These are the only departures: a sample is within 2^-11,800 of the exact
distribution in total variation. From V <= 127 follow Y < 2^31 and |Y - 2^b| < 2^31, whose square fits int64.

Time and memory depend on the draws, as in every rejection sampler; they are not hidden.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from highstreet.privacy.errors import InvalidReleaseError
from highstreet.privacy.noise import NoiseSource

__all__ = ["MAX_LOG2_STDDEV", "discrete_gaussians"]

#: Largest b; the bounds in the module's docstring are proven up to here.
MAX_LOG2_STDDEV = 24
_WORD_BITS = 64
#: Geometric parts V and terms K of the series from here on are dropped; see the bounds above.
_GEOMETRIC_END = 128
_SERIES_END = 1 << 14
#: Proposals at a time, so that temporary arrays stay in the processor's cache.
_CHUNK = 1 << 16

_Words = NDArray[np.uint64]
_Integers = NDArray[np.int64]


def discrete_gaussians(source: NoiseSource, count: int, *, log2_stddev: int) -> _Integers:
    """Return independent, exact discrete Gaussian numbers with sigma = 2^log2_stddev.

    Their variance is below sigma^2, by a share of 3e-7 at b = 0 and of less than 1e-31 from b = 1 on. They
    are sub-Gaussian with variance proxy sigma^2: E exp(r X) <= exp(r^2 sigma^2 / 2) for every r, because
    completing the square leaves the sum of exp(-(x - r sigma^2)^2 / (2 sigma^2)) over the integers x, which
    is largest where the shift is an integer (Poisson summation has only positive terms there).

    Args:
        source: where the random numbers come from; each is used once.
        count: how many, 0 or more.
        log2_stddev: b, from 0 to MAX_LOG2_STDDEV.

    Returns:
        int64, shape (count,), each below 2^31 in absolute value.

    Raises:
        InvalidReleaseError: b or the count is out of range.

    >>> from highstreet.privacy.noise import SecureNoise
    >>> discrete_gaussians(SecureNoise(), 3, log2_stddev=10).shape
    (3,)
    """
    if not 0 <= log2_stddev <= MAX_LOG2_STDDEV or count < 0:
        raise InvalidReleaseError(
            f"There are no {count} discrete Gaussians of stddev 2^{log2_stddev}: "
            f"the exponent must lie between 0 and {MAX_LOG2_STDDEV}."
        )
    samples = np.empty(count, dtype=np.int64)
    filled = 0
    while filled < count:
        # 2.2 proposals a sample on average; whatever the last chunk has too many is forgotten.
        proposals = min(_CHUNK, 64 + (count - filled) * 9 // 4)
        accepted = _accepted(source, proposals, log2_stddev)[: count - filled]
        samples[filled : filled + len(accepted)] = accepted
        filled += len(accepted)
    return samples


def _accepted(source: NoiseSource, proposals: int, b: int) -> _Integers:
    """Return the proposals that survive, in the order they were made (steps 1 and 2)."""
    size, negative = _laplace_sizes(source, proposals, b)
    distance = size - (1 << b)
    exponent = (distance * distance).view(np.uint64)
    q = 2 * b + 1
    alive = np.flatnonzero(_exponential_trials(source, exponent & np.uint64((1 << q) - 1), q))
    whole = (exponent >> np.uint64(q))[alive]
    survives = np.ones(len(alive), dtype=bool)
    undecided = np.flatnonzero(whole)
    factor = 0
    while undecided.size:
        factor += 1
        kept = _inverse_e_trials(source, len(undecided))
        survives[undecided[~kept]] = False
        undecided = undecided[kept & (whole[undecided] > factor)]
    alive = alive[survives]
    result: _Integers = np.where(negative[alive], -size[alive], size[alive])
    return result


def _laplace_sizes(source: NoiseSource, proposals: int, b: int) -> tuple[_Integers, NDArray[np.bool_]]:
    """Return sizes and signs of discrete Laplace numbers of scale 2^b, fewer than there were proposals."""
    words = source.uint64s(proposals)
    # The sign is the lowest bit of a word and U its b highest: disjoint, so independent.
    uniform = (words >> np.uint64(1)) >> np.uint64(_WORD_BITS - 1 - b)
    kept = _exponential_trials(source, uniform << np.uint64(1), b + 1)
    uniform, negative = uniform[kept], (words[kept] & np.uint64(1)).astype(bool)
    successes = _geometrics(source, len(uniform))
    size = uniform.astype(np.int64) + (successes << b)
    real = (successes < _GEOMETRIC_END) & ~(negative & (size == 0))
    return size[real], negative[real]


def _geometrics(source: NoiseSource, count: int) -> _Integers:
    """Return how many Bernoulli(exp(-1)) succeed before the first failure."""
    successes = np.zeros(count, dtype=np.int64)
    running = np.arange(count)
    while running.size:
        running = running[_inverse_e_trials(source, len(running))]
        successes[running] += 1
    return successes


def _inverse_e_trials(source: NoiseSource, count: int) -> NDArray[np.bool_]:
    """Return Bernoulli(exp(-1)) trials. With g = 1 the first trial of the series always succeeds."""
    return _series(source, np.full(count, 2, dtype=np.uint64), 1, first=2)


def _exponential_trials(source: NoiseSource, numerators: _Words, q: int) -> NDArray[np.bool_]:
    """Return Bernoulli(exp(-a / 2^q)) trials for numerators 0 <= a <= 2^q and q >= 1."""
    return _series(source, numerators, q, first=1)


def _series(source: NoiseSource, numerators: _Words, q: int, *, first: int) -> NDArray[np.bool_]:
    """Return whether the first K >= `first` at which Bernoulli(a / (K 2^q)) fails is odd (step 3)."""
    outcome = np.zeros(len(numerators), dtype=bool)
    running = np.arange(len(numerators))
    for k in range(first, _SERIES_END):
        if not running.size:
            break
        holds = _ratio_trials(source, numerators, k << q)
        if k % 2:
            outcome[running[~holds]] = True
        running, numerators = running[holds], numerators[holds]
    return outcome


def _ratio_trials(source: NoiseSource, numerators: _Words, denominator: int) -> NDArray[np.bool_]:
    """Return Bernoulli(a / denominator) trials, exactly, for 0 <= a <= denominator >= 2 (step 4)."""
    unit = (1 << _WORD_BITS) // denominator
    end = unit * denominator
    words = source.uint64s(len(numerators))
    if end < 1 << _WORD_BITS:
        late = np.flatnonzero(words >= np.uint64(end))
        words = words.copy() if late.size else words
        while late.size:
            fresh = source.uint64s(len(late))
            words[late] = fresh
            late = late[fresh >= np.uint64(end)]
    holds: NDArray[np.bool_] = words // np.uint64(unit) < numerators
    return holds
