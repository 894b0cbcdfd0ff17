from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from highstreet.privacy.discreteness import Departure, departure
from highstreet.privacy.errors import InvalidReleaseError

OUTSIDE = 2.0**-80


def share_pmf(b, reach):
    """P(k) of one share for |k| <= reach, to 60 digits."""
    weights = [mpmath.exp(-mpmath.mpf(k * k) / (2 * 4**b)) for k in range(-reach, reach + 1)]
    total = mpmath.jtheta(3, 0, mpmath.exp(-mpmath.mpf(1) / (2 * 4**b)))
    return np.array([weight / total for weight in weights], dtype=object)


def summed_pmf(b, shares):
    """P(k) of a sum of shares; each share is cut at 20 sigma, below 1e-86."""
    one = share_pmf(b, 20 * 2**b)
    total = one
    for _ in range(shares - 1):
        total = np.convolve(total, one)
    return total


def log_ratios(pmf, variance, reach):
    """The log of P(X = k) over the rounded normal's, for 0 <= k <= reach."""
    centre = len(pmf) // 2
    stddev = mpmath.sqrt(variance)

    def rounded(k):  # the upper tail: no digits are lost for k >= 0
        upper = [mpmath.erfc((k + shift) / stddev / mpmath.sqrt(2)) / 2 for shift in (-0.5, 0.5)]
        return upper[0] - upper[1]

    return np.array([float(mpmath.log(pmf[centre + k] / rounded(k))) for k in range(reach + 1)])


@pytest.mark.parametrize(("b", "shares"), [(2, 1), (2, 3), (2, 5), (3, 1), (3, 2), (5, 1)])
def test_the_log_ratio_to_a_rounded_normal_is_within_the_bound(b, shares):
    with mpmath.workdps(60):
        variance = mpmath.mpf(shares * 4**b)
        bound = departure(dimension=1, shares=shares, log2_stddev=b).log_ratio
        # As far out as the bound claims: u tau, with u as in the statement for outside = 2^-80 and d = 1.
        tau = math.sqrt(variance - 1 / 12)
        reach = math.floor(0.5 + math.sqrt(2 * math.log(2 / OUTSIDE) * float(variance)))
        ratios = np.abs(log_ratios(summed_pmf(b, shares), variance - mpmath.mpf(1) / 12, reach))
        assert reach > 10 * tau
        assert ratios.max() <= bound
        assert ratios.max() > bound / 4  # the bound is no empty one
        # The twin: compared with a rounded normal of its own variance, the bound does not hold.
        assert np.abs(log_ratios(summed_pmf(b, shares), variance, reach)).max() > bound


@pytest.mark.parametrize(("shares", "looseness"), [(2, 6), (3, 50)])
def test_a_sum_of_shares_is_as_close_to_one_discrete_gaussian_as_published(shares, looseness):
    """Kairouz, Liu and Steinke's bound at sigma = 1, where it can be seen."""
    with mpmath.workdps(60):
        total = summed_pmf(0, shares)
        centre = len(total) // 2
        nome = mpmath.exp(-mpmath.mpf(1) / (2 * shares))
        norm = mpmath.jtheta(3, 0, nome)
        worst = max(abs(float(mpmath.log(total[centre + k] * norm / nome ** (k * k)))) for k in range(12))
    published = 10 * sum(math.exp(-2 * math.pi**2 * k / (k + 1)) for k in range(1, shares))
    assert worst <= published
    assert worst > published / looseness  # so a bound that much smaller would be false


@pytest.mark.parametrize("dimension", [1, 1000, 1 << 24])
def test_the_outcomes_left_out_are_as_rare_as_stated(dimension):
    """Under the rounded normal, whose tail is the exact one; the sum's is below 2 exp(-u^2 tau^2 / 2 v)."""
    b, shares = 6, 3
    variance = shares * 4**b
    tau = math.sqrt(variance - 1 / 12)
    found = departure(dimension=dimension, shares=shares, log2_stddev=b)
    # Solve the stated eta for u.
    eta = found.log_ratio / dimension
    u = math.sqrt(max(np.roots([1 / 2880, 1 / 288, 1 / 512 - eta * tau**4]).real))
    with mpmath.workdps(60):
        rounded = mpmath.erfc((u * tau - 0.5) / tau / mpmath.sqrt(2))
        nearer = mpmath.erfc((0.95 * u * tau - 0.5) / tau / mpmath.sqrt(2))
        summed = 2 * mpmath.exp(-((u * tau) ** 2) / (2 * variance))
        assert dimension * rounded < found.outside * (1 + 1e-6)
        assert dimension * summed < found.outside * (1 + 1e-6)
        assert dimension * nearer > found.outside  # a u 5 % smaller would not do


def test_departures_add_up_and_a_claim_pays_for_both_parts():
    one = departure(dimension=100, shares=3, log2_stddev=8)
    two = one + departure(dimension=7, shares=2, log2_stddev=6)
    assert two.log_ratio > one.log_ratio
    assert two.outside == 2 * one.outside
    assert two.epsilon_extra == 2 * two.log_ratio
    exact = Departure(log_ratio=0.1, outside=1e-9)
    expected = math.exp(0.1) * 1e-5 + 1e-9 * (1 + math.exp(2.1))
    assert 1e-5 + exact.delta_extra(epsilon=2.0, delta=1e-5) == pytest.approx(expected, rel=1e-12)


def hockey_stick(one, other, epsilon):
    return np.maximum(one - math.exp(epsilon) * other, 0).sum()


def moved(probabilities, against, log_ratio, outside):
    """The same distribution with its most telling outcomes as much likelier as allowed, and one outside."""
    telling = np.argsort(against / probabilities)
    up = telling[np.cumsum(probabilities[telling]) < 0.45]
    inside = probabilities.copy()
    inside[up] *= math.exp(log_ratio)
    down = np.setdiff1d(telling, up)
    inside[down] *= (1 - outside - inside[up].sum()) / inside[down].sum()
    assert np.all(np.abs(np.log(inside / probabilities)) <= log_ratio + 1e-12)
    return np.append(inside, outside)


def test_a_promise_for_one_pair_holds_with_the_departure_for_every_pair_as_close():
    generator = np.random.default_rng(2)
    allowed = Departure(log_ratio=0.05, outside=1e-4)
    broken_without = 0
    for _ in range(1000):
        one, other = generator.dirichlet(np.ones(8), size=2)
        close = moved(one, other, 0.05, 1e-4), moved(other, one, 0.05, 1e-4)
        epsilon = generator.uniform(0, 2)
        delta = hockey_stick(one, other, epsilon)
        extra = allowed.delta_extra(epsilon=epsilon, delta=delta)
        assert hockey_stick(*close, epsilon + allowed.epsilon_extra) <= delta + extra
        broken_without += hockey_stick(*close, epsilon) > delta + extra
    assert broken_without > 100  # the twin: without what is added to epsilon the promise is broken


def test_more_shares_or_finer_grids_depart_less_and_more_coordinates_more():
    base = departure(dimension=100, shares=3, log2_stddev=8).log_ratio
    assert departure(dimension=100, shares=4, log2_stddev=8).log_ratio < base
    assert departure(dimension=100, shares=3, log2_stddev=9).log_ratio < base / 15
    assert departure(dimension=200, shares=3, log2_stddev=8).log_ratio > 2 * base


@pytest.mark.parametrize("wrong", [{"dimension": 0}, {"shares": 0}, {"log2_stddev": -1}])
def test_a_sum_that_is_none_is_refused(wrong):
    with pytest.raises(InvalidReleaseError):
        departure(**{"dimension": 3, "shares": 3, "log2_stddev": 3, **wrong})
