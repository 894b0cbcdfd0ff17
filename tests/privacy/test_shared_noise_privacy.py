"""The exact privacy of a sum of discrete shares is what the accountant says, within the stated departure."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.signal import fftconvolve
from scipy.stats import norm

from highstreet.privacy.accountant import epsilon as accounted_epsilon
from highstreet.privacy.discrete_gaussian import discrete_gaussians
from highstreet.privacy.noise import SeededNoise
from highstreet.privacy.shared_noise import DistributedMechanism
from tests.privacy.made_up_mechanism import mechanism

# The accounting, in one dimension: the probabilities of the sum of the honest shares by direct summation.


def honest_pmf(built, shares):
    """P(k) of a sum of shares, each out to 14 sigma; absolute error below 1e-14."""
    reach = 14 * 2**built.share_log2_stddev
    x = np.arange(-reach, reach + 1, dtype=float)
    one = np.exp(-(x**2) / (2 * 4.0**built.share_log2_stddev))
    one /= one.sum()
    total = one
    for _ in range(shares - 1):
        total = fftconvolve(total, one)
    return np.maximum(total, 0.0)


def exact_epsilon(pmf, shift, delta):
    """The least epsilon with sum over k of max(0, P(k) - e^epsilon P(k - shift)) <= delta."""
    here = np.pad(pmf, (0, shift))
    there = np.pad(pmf, (shift, 0))
    low, high = 0.0, 50.0
    for _ in range(50):
        middle = (low + high) / 2
        fits = np.maximum(here - math.exp(middle) * there, 0).sum() <= delta
        low, high = (low, middle) if fits else (middle, high)
    return high


@pytest.mark.parametrize("noise_multiplier", [0.6, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("delta", [1e-5, 1e-8])
def test_the_exact_privacy_profile_agrees_with_the_accountant(noise_multiplier, delta):
    built = mechanism(dimension=1, noise_multiplier=noise_multiplier)
    shares = built.floor - built.colluders
    pmf = honest_pmf(built, shares)
    shift = math.floor(built.sensitivity)  # the largest change of an integer
    exact = exact_epsilon(pmf, shift, delta)
    accounted = accounted_epsilon([built.release()], delta=delta)
    # The integer shift is up to 1/513 short of the sensitivity, and the accountant is within 0.1 %.
    assert exact <= (accounted + built.departure.epsilon_extra) * (1 + 1e-6)
    assert exact >= 0.99 * accounted
    # The twin: one share withheld more than promised for is seen.
    assert exact_epsilon(honest_pmf(built, shares - 1), shift, delta) > 1.05 * accounted


def crowded():
    """As many small shares as are added, on the coarsest grid that the departure allows."""
    return DistributedMechanism(
        dimension=1,
        clipping_norm=1.0,
        noise_multiplier=1.0,
        floor=120,
        colluders=3,
        stores=200,
        clients_per_store=15_000,
    )


@pytest.mark.parametrize("delta", [1e-5, 1e-8])
def test_the_exact_privacy_profile_of_many_small_shares_agrees_too(delta):
    built = crowded()
    assert built.share_log2_stddev == 3  # a share of stddev 8; alone it would depart 117^2 times as far
    pmf = honest_pmf(built, 117)
    shift = math.floor(built.sensitivity)
    accounted = accounted_epsilon([built.release()], delta=delta)
    assert exact_epsilon(pmf, shift, delta) <= (accounted + built.departure.epsilon_extra) * (1 + 1e-6)
    assert exact_epsilon(pmf, shift, delta) >= 0.98 * accounted  # the integer shift is up to 1/87 short
    # The twin: a tenth of the shares withheld is seen.
    assert exact_epsilon(honest_pmf(built, 105), shift, delta) > 1.03 * accounted


def test_many_small_shares_as_stores_draw_them_carry_the_noise_promised():
    """The statistics of what 117 honest stores send, all with sums of zero."""
    built = DistributedMechanism(
        dimension=2000,
        clipping_norm=1.0,
        noise_multiplier=1.0,
        floor=120,
        colluders=3,
        stores=200,
        clients_per_store=1000,
    )
    total = sum(built.share(np.zeros(2000), source=SeededNoise(seed)) for seed in range(117))
    promised = built.noise_multiplier * built.sensitivity
    tolerance = 5 / math.sqrt(2 * 2000)  # five standard errors of the ratio of stddevs
    assert abs(total.std() / promised - 1) < tolerance
    assert abs(total.mean()) < 5 * promised / math.sqrt(2000)
    fewer = sum(built.share(np.zeros(2000), source=SeededNoise(seed)) for seed in range(80))
    assert abs(fewer.std() / promised - 1) > tolerance  # the twin: a third of the shares withheld


def test_renyi_divergences_stay_below_those_of_the_gaussian():
    """Zero-concentrated privacy with rho = shift^2 / (2 variance), as Canonne et al. 2020 prove for N_Z."""
    b, shares, shift = 3, 3, 11
    reach = 100 * 2**b  # order 32 moves the weight by 32 shifts: 352
    x = np.arange(-reach, reach + 1, dtype=float)
    log_one = -(x**2) / (2 * 4.0**b)
    # With three shares at sigma = 8 the sum is N_Z(0, 3 * 64) up to e^-600 (see `discreteness`).
    log_pmf = -(x**2) / (2 * shares * 4.0**b)
    log_pmf -= np.logaddexp.reduce(log_pmf)
    convolved = np.exp(log_one - np.logaddexp.reduce(log_one))
    summed = np.convolve(np.convolve(convolved, convolved, "same"), convolved, "same")
    centre = slice(reach - 100, reach + 101)
    assert np.abs(np.log(summed[centre]) - log_pmf[centre]).max() < 1e-9
    rho = shift**2 / (2 * shares * 4.0**b)
    for order in (1.5, 2.0, 8.0, 32.0):
        here, there = log_pmf[shift:], log_pmf[:-shift]
        divergence = np.logaddexp.reduce(order * here + (1 - order) * there) / (order - 1)
        assert divergence <= order * rho * (1 + 1e-9)
        assert divergence > order * rho * 0.99  # the twin: the bound of a noise 1 % larger is broken


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_privacy_loss_in_many_dimensions_is_the_gaussians(seed):
    """For an integer shift v the loss is normal with mean |v|^2 / 2 sigma^2 and twice that as variance."""
    d, draws = 12, 100_000
    built = mechanism(dimension=d, stores=200, clients_per_store=5000)
    generator = np.random.default_rng(seed)
    direction = generator.normal(size=d)
    shift = np.trunc(direction / np.linalg.norm(direction) * built.sensitivity).astype(np.int64)
    shares = built.floor - built.colluders
    b = built.share_log2_stddev
    noise = sum(
        discrete_gaussians(SeededNoise(100 * seed + i), draws * d, log2_stddev=b) for i in range(shares)
    ).reshape(draws, d)
    variance = shares * 4.0**b
    # log P(x) - log P(x + v) for the discrete Gaussian the sum is within e^-1000 of
    loss = ((noise + shift) ** 2 - noise**2).sum(axis=1) / (2 * variance)
    size = float(shift @ shift) / variance
    assert 0.97 < math.sqrt(size) * built.noise_multiplier <= 1 + 1e-9

    assert abs(loss.mean() - size / 2) < 5 * math.sqrt(size / draws)
    assert abs(loss.var() / size - 1) < 5 * math.sqrt(2 / draws)
    assert abs(loss.var() / (1.05 * size) - 1) > 5 * math.sqrt(2 / draws)  # the twin: 5 % off

    # delta at epsilon 1, whose terms max(0, 1 - e^(epsilon - loss)) lie in [0, 1]
    terms = np.maximum(0, -np.expm1(1 - loss))
    mu = math.sqrt(size)
    expected = norm.cdf(mu / 2 - 1 / mu) - math.e * norm.cdf(-mu / 2 - 1 / mu)
    tolerance = 5 * terms.std() / math.sqrt(draws)
    assert abs(terms.mean() - expected) < tolerance
    promised = 1 / built.noise_multiplier
    most = norm.cdf(promised / 2 - 1 / promised) - math.e * norm.cdf(-promised / 2 - 1 / promised)
    assert terms.mean() <= most + tolerance
