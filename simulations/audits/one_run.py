"""One-run auditing: what correct guesses about many canaries, each in by a fair coin, prove about epsilon.

Every one of m canaries is put in or left out by a fair coin of its own; one run later an attacker guesses r
of the coins and abstains on the others. A mechanism that keeps its claim lets at most so many guesses be
right.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtr, ndtri
from scipy.stats import binom

from highstreet.simulations.audits.gaussian_bounds import epsilon_of
from highstreet.simulations.errors import InvalidAuditError

__all__ = [
    "Guesses",
    "best_bound",
    "epsilon_bound",
    "gaussian_epsilon_bound",
    "gaussian_is_rejected",
    "guesses",
    "p_value",
]

_LARGEST_EPSILON = 60.0
_LARGEST_MU = 200.0
_STEPS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Guesses:
    """What came of one round of guessing.

    Attributes:
        canaries: m, all of them.
        made: r, guesses made.
        correct: v, of the guesses made.
    """

    canaries: int
    made: int
    correct: int

    def __post_init__(self) -> None:
        if not 0 <= self.correct <= self.made <= self.canaries:
            raise InvalidAuditError(
                f"{self.correct} right of {self.made} guesses on {self.canaries} canaries cannot be."
            )


def guesses(scores: NDArray[np.float64], included: NDArray[np.bool_], *, made: int) -> Guesses:
    """Guess the coins of the canaries with the most telling scores.

    Args:
        scores: (m,), above 0 where the canary rather seems to be in; the further from 0, the surer.
        included: (m,) the coins.
        made: r, how many to guess; the rest is abstained on.

    >>> guesses(np.array([3.0, -2.0, 0.1]), np.array([True, True, False]), made=2).correct
    1
    """
    surest = np.argsort(-np.abs(scores), kind="stable")[:made]
    right = int(np.sum((scores[surest] > 0) == included[surest]))
    return Guesses(canaries=len(scores), made=len(surest), correct=right)


def p_value(found: Guesses, *, epsilon: float, delta: float) -> float:
    """Return a bound on the chance of so many right guesses against any (epsilon, delta)-private mechanism.

    With q = e^epsilon / (1 + e^epsilon) and B ~ Binomial(r, q):
    P[B >= v] + 2 m delta max over i of P[v > B >= v - i] / i.

    Source: Steinke, Nasr and Jagielski 2023, arXiv:2305.08846, Theorem 5.2 and its Appendix D. Holds for
    canaries added or removed by fair coins, whatever the attacker knows besides.

    >>> one = Guesses(canaries=1, made=1, correct=1)
    >>> round(p_value(one, epsilon=0.0, delta=0.0), 6), round(p_value(one, epsilon=0.0, delta=0.1), 6)
    (0.5, 0.6)
    """
    chance = float(expit(epsilon))
    tail = float(binom.sf(found.correct - 1, found.made, chance))
    if found.correct == 0 or delta == 0:
        return min(1.0, tail)
    back = np.arange(1, found.correct + 1)
    between = binom.sf(found.correct - back - 1, found.made, chance) - tail
    worst = float(np.max(between / back))
    return min(1.0, tail + 2 * found.canaries * delta * worst)


def epsilon_bound(found: Guesses, *, delta: float, alpha: float) -> float:
    """Return the epsilon below which the guesses are too good; 0 when they prove nothing.

    Wrong (above the true epsilon) with probability at most alpha. See `p_value`.
    """

    def rejected(epsilon: float) -> bool:
        return p_value(found, epsilon=epsilon, delta=delta) <= alpha

    return _largest(rejected, _LARGEST_EPSILON)


def gaussian_is_rejected(found: Guesses, *, mu: float, alpha: float) -> bool:
    """Say whether so many right guesses are unlikely (at most alpha) against every mu-Gaussian mechanism.

    The hypothesis is the trade-off curve of a Gaussian mechanism, not one pair (epsilon, delta); a
    programme of Gaussian releases is such a mechanism, and this test loses far less on it than `p_value`.

    Source: Mahloujifar, Melis and Chaudhuri 2025, arXiv:2410.22235, Algorithm `audit_rh_with_cap`, with
    f-bar-inverse(x) = Phi(Phi^-1(x) - mu). For m = r = v = 1 it rejects exactly when Phi(mu / 2) < alpha.
    """
    right, wrong = (
        alpha * found.correct / found.canaries,
        alpha * (found.made - found.correct) / found.canaries,
    )
    for index in range(found.correct - 1, -1, -1):
        raised = max(wrong, float(ndtr(ndtri(min(right, 1.0)) - mu)))
        if raised == wrong:  # neither can change any more
            break
        right = min(1.0, right + index / (found.made - index) * (raised - wrong))
        wrong = raised
    return right + wrong > found.made / found.canaries


def gaussian_epsilon_bound(found: Guesses, *, delta: float, alpha: float) -> float:
    """Return the epsilon at this delta of the largest mu that `gaussian_is_rejected` rejects; 0 for none."""
    mu = _largest(lambda value: gaussian_is_rejected(found, mu=value, alpha=alpha), _LARGEST_MU)
    return epsilon_of(mu, delta=delta)


def best_bound(
    scores: NDArray[np.float64],
    included: NDArray[np.bool_],
    *,
    made: Sequence[int],
    bound: Callable[[Guesses, float], float],
    alpha: float,
) -> tuple[float, Guesses]:
    """Return the best bound over several numbers of guesses, and the guesses that gave it.

    Each gets its part of alpha, so that the best of them is wrong with probability at most alpha.
    """
    found = [guesses(scores, included, made=count) for count in made]
    bounds = [bound(each, alpha / len(found)) for each in found]
    best = max(range(len(found)), key=bounds.__getitem__)
    return bounds[best], found[best]


def _largest(holds: Callable[[float], bool], end: float) -> float:
    """Return the largest value up to `end` at which a claim that fails from some value on still holds."""
    if not holds(0.0):
        return 0.0
    if holds(end):
        return math.inf
    low, high = 0.0, end
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
