import math

import numpy as np
import pytest
from scipy.special import ndtr

from highstreet.privacy.gaussian import gaussian_delta
from highstreet.simulations.audits import operating_points
from highstreet.simulations.audits.gaussian_bounds import epsilon_of, mu_of, separation
from highstreet.simulations.audits.operating_points import Errors, counted, interval
from highstreet.simulations.errors import InvalidAuditError


def test_epsilon_of_a_separation_is_where_its_delta_is_the_one_asked_for():
    for mu in (0.3, 1.0, 5.0):
        assert gaussian_delta(epsilon=epsilon_of(mu, delta=1e-5), noise_multiplier=1 / mu) == pytest.approx(
            1e-5
        )


def test_programme_without_noise_anywhere_separates_without_limit():
    assert mu_of((2.0, 0.0)) == math.inf
    assert mu_of((3.0, 4.0)) == pytest.approx(math.hypot(1 / 3, 1 / 4))


def test_lower_bound_is_too_high_in_few_samples_only():
    rng = np.random.default_rng(3)
    samples, mu, alpha = 2000, 0.7, 0.05
    too_high = estimate_too_high = 0
    for _ in range(samples):
        found = separation(rng.normal(mu * 2.5, 2.5, 60), rng.normal(0, 2.5, 50), alpha=alpha)
        too_high += found.low > mu
        estimate_too_high += found.estimate > mu
    limit = samples * alpha + 5 * math.sqrt(samples * alpha * (1 - alpha))  # five standard errors
    assert too_high <= limit
    assert estimate_too_high > limit  # the estimate is no bound


def test_clear_separation_is_proven():
    rng = np.random.default_rng(4)
    found = separation(rng.normal(8, 1, 100), rng.normal(0, 1, 100), alpha=1e-6)
    assert 4 < found.low < 8


def test_scores_without_spread_prove_everything_or_nothing():
    assert separation(np.ones(3), np.zeros(3), alpha=0.05).low == math.inf
    assert separation(np.zeros(3), np.ones(3), alpha=0.05).low == 0.0


def test_a_single_score_proves_nothing():
    with pytest.raises(InvalidAuditError):
        separation(np.ones(1), np.zeros(5), alpha=0.05)


def test_clopper_pearson_limits_by_hand():
    # Nothing in n trials: the upper limit p solves (1 - p)^n = alpha / 2.
    assert interval(0, 50, alpha=0.05)[1] == pytest.approx(1 - 0.025 ** (1 / 50))
    assert interval(50, 50, alpha=0.05) == (pytest.approx(0.025 ** (1 / 50)), 1.0)


def test_bounds_of_a_test_that_never_errs():
    perfect = Errors(inside=1000, outside=1000, missed=0, alarms=0)
    limit = 1 - 0.025 ** (1 / 1000)
    expected = math.log((1 - limit - 1e-5) / limit)
    assert operating_points.epsilon_bound(perfect, delta=1e-5, alpha=0.05) == pytest.approx(expected)
    assert operating_points.gaussian_epsilon_bound(perfect, delta=1e-5, alpha=0.05) > 20


def test_guessing_proves_nothing():
    blind = Errors(inside=1000, outside=1000, missed=500, alarms=500)
    assert operating_points.epsilon_bound(blind, delta=1e-5, alpha=0.05) == 0.0
    assert operating_points.gaussian_epsilon_bound(blind, delta=1e-5, alpha=0.05) == 0.0


def test_counted_bounds_lie_below_the_truth_and_above_a_smaller_claim():
    rng = np.random.default_rng(5)
    mu = 2.0
    errors = counted(rng.normal(mu / 2, 1, 4000), rng.normal(-mu / 2, 1, 4000), threshold=0.0)
    # Each rate lies within five standard errors of Phi(-mu / 2) but for one seed in a million.
    truth, tolerance = float(ndtr(-mu / 2)), 5 * math.sqrt(ndtr(-mu / 2) * ndtr(mu / 2) / 4000)
    assert abs(errors.missed / 4000 - truth) < tolerance
    found = operating_points.gaussian_epsilon_bound(errors, delta=1e-5, alpha=1e-6)
    assert epsilon_of(1.5, delta=1e-5) < found < epsilon_of(mu, delta=1e-5)
