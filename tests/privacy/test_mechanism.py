from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from highstreet.privacy.errors import (
    GridOverflowError,
    InvalidReleaseError,
    InvalidRowsError,
    NonFiniteRowsError,
)
from highstreet.privacy.mechanism import GaussianMechanism
from highstreet.privacy.noise import SecureNoise, SeededNoise
from highstreet.privacy.summing import ROUNDING_SLACK

MECHANISMS = st.builds(
    GaussianMechanism,
    dimension=st.sampled_from([1, 3, 31, 1000, 1 << 20, 1 << 24]),
    clipping_norm=st.floats(1e-6, 1e6),
    noise_multiplier=st.floats(1e-2, 4096.0),
)


@given(MECHANISMS)
def test_the_stated_sensitivity_is_the_clip_the_slack_and_the_worst_rounding(mechanism):
    rounding = mechanism.grid_step * math.sqrt(mechanism.dimension)
    assert mechanism.sensitivity == mechanism.clipping_norm * (1 + ROUNDING_SLACK) + rounding
    assert mechanism.noise_stddev == mechanism.noise_multiplier * mechanism.sensitivity


@given(MECHANISMS)
def test_the_noise_leaves_room_on_a_32_bit_wire(mechanism):
    nine_deviations = 9.2 * mechanism.noise_stddev / mechanism.grid_step
    assert nine_deviations < 2**31


@given(st.integers(1, 1 << 14), st.floats(1e-6, 1e6), st.floats(0.1, 64.0))
def test_grid_and_slack_cost_less_than_two_thousandths(dimension, clipping_norm, noise_multiplier):
    mechanism = GaussianMechanism(
        dimension=dimension, clipping_norm=clipping_norm, noise_multiplier=noise_multiplier
    )
    assert mechanism.sensitivity <= clipping_norm * 1.002


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 17, 400]), st.floats(0.0, 1e4))
def test_neighbouring_sums_stay_within_the_stated_sensitivity_after_rounding(seed, dimension, size):
    mechanism = GaussianMechanism(dimension=dimension, clipping_norm=1.5, noise_multiplier=1.0)
    generator = np.random.default_rng(seed)
    one = generator.normal(size=dimension) * size
    step = generator.choice([-1.0, 1.0], size=dimension)
    other = one + step * 1.5 / np.linalg.norm(step)
    change = (mechanism.encode(one) - mechanism.encode(other)).astype(float) * mechanism.grid_step
    assert np.linalg.norm(change) <= mechanism.sensitivity


def test_rounding_can_exceed_the_clipping_norm_so_the_stated_sensitivity_is_needed():
    mechanism = GaussianMechanism(dimension=2500, clipping_norm=1.0, noise_multiplier=1.0)
    step = mechanism.grid_step
    # Both ends sit just on the outer side of a rounding boundary in every coordinate.
    whole = math.floor(1 / math.sqrt(2500) / step)
    low, high = np.full(2500, 0.5 * step * 0.999), np.full(2500, 0.5 * step * 0.999 + 1 / 50)
    change = (mechanism.encode(high) - mechanism.encode(low)).astype(float) * step
    assert np.linalg.norm(change) > np.linalg.norm(high - low)
    assert whole > 10
    assert np.linalg.norm(change) <= mechanism.sensitivity


def test_what_is_sent_is_the_rounded_sum_plus_rounded_noise_exactly():
    mechanism = GaussianMechanism(dimension=50, clipping_norm=2.0, noise_multiplier=3.0)
    total = np.random.default_rng(3).normal(size=50) * 100
    sent = mechanism.privatise(total, source=SeededNoise(4))
    assert np.array_equal(sent, mechanism.encode(total) + mechanism.noise(SeededNoise(4)))
    assert sent.dtype == np.int64


def test_noise_stddev_matches_the_specification():
    n = 200_000
    mechanism = GaussianMechanism(dimension=n, clipping_norm=0.5, noise_multiplier=4.0)
    draws = mechanism.decode(mechanism.privatise(np.zeros(n), source=SeededNoise(7)))
    tolerance = 5 * mechanism.noise_stddev / np.sqrt(2 * n)  # five standard errors
    assert abs(draws.std() - mechanism.noise_stddev) < tolerance
    assert abs(draws.std() - 1.02 * mechanism.noise_stddev) > tolerance


def test_the_sum_comes_back_within_half_a_step():
    mechanism = GaussianMechanism(dimension=300, clipping_norm=1.0, noise_multiplier=1.0)
    total = np.random.default_rng(5).normal(size=300) * 1000
    assert np.abs(mechanism.decode(mechanism.encode(total)) - total).max() <= mechanism.grid_step / 2


def test_sums_of_encoded_stores_add_up_exactly():
    mechanism = GaussianMechanism(dimension=8, clipping_norm=1.0, noise_multiplier=1.0)
    totals = [np.random.default_rng(i).normal(size=8) for i in range(6)]
    encoded = [mechanism.encode(total) for total in totals]
    assert np.array_equal(mechanism.decode(sum(encoded)), sum(map(mechanism.decode, encoded)))


def test_a_value_over_the_wire_limit_is_cut_and_not_refused():
    mechanism = GaussianMechanism(dimension=2, clipping_norm=1.0, noise_multiplier=1.0)
    sent = mechanism.privatise(np.array([1e9, -1e9]), source=SecureNoise())
    assert sent.tolist() == [2**31 - 1, -(2**31 - 1)]


@pytest.mark.parametrize(
    ("total", "error"),
    [
        (np.zeros(2), InvalidRowsError),
        (np.array([0.0, np.nan, 0.0]), NonFiniteRowsError),
        (np.array([0.0, np.inf, 0.0]), NonFiniteRowsError),
        (np.array([0.0, 1e300, 0.0]), GridOverflowError),
    ],
)
def test_a_sum_that_is_no_sum_is_refused(total, error):
    mechanism = GaussianMechanism(dimension=3, clipping_norm=1.0, noise_multiplier=1.0)
    with pytest.raises(error):
        mechanism.privatise(total, source=SecureNoise())


@pytest.mark.parametrize(
    "wrong",
    [
        {"noise_multiplier": 0.0},
        {"noise_multiplier": math.inf},
        {"clipping_norm": 0.0},
        {"clipping_norm": math.nan},
        {"dimension": 0},
    ],
)
def test_there_is_no_mechanism_without_noise_or_bound(wrong):
    with pytest.raises(InvalidReleaseError):
        GaussianMechanism(**{"dimension": 3, "clipping_norm": 1.0, "noise_multiplier": 1.0, **wrong})


def test_the_release_it_describes_is_the_one_it_makes():
    mechanism = GaussianMechanism(dimension=3, clipping_norm=7.0, noise_multiplier=2.5)
    release = mechanism.release(sampling_rate=0.5)
    assert (release.noise_multiplier, release.sampling_rate) == (2.5, 0.5)
