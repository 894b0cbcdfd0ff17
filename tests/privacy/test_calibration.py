from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from highstreet.privacy.accountant import epsilon
from highstreet.privacy.calibration import calibrate_noise_multiplier
from highstreet.privacy.errors import InvalidReleaseError, UnreachableBudgetError
from highstreet.privacy.releases import NoisePlacement, customer_release, release_for_person

MIXED = (
    customer_release(noise_multiplier=1.5),
    customer_release(noise_multiplier=2.0),
    customer_release(noise_multiplier=1.8, sampling_rate=0.3, steps=6),
)


def cost(releases, factor):
    scaled = [replace(each, noise_multiplier=each.noise_multiplier * factor) for each in releases]
    return epsilon(scaled, delta=1e-5)


@settings(max_examples=4, deadline=None)
@given(st.floats(0.2, 10.0))
def test_the_factor_meets_the_target_and_is_the_least_that_does(target):
    factor = calibrate_noise_multiplier(MIXED, epsilon=target, delta=1e-5)
    assert cost(MIXED, factor) <= target
    assert cost(MIXED, factor * 0.995) > target


@pytest.mark.parametrize("placement", NoisePlacement)
def test_a_person_in_four_shops_needs_more_noise_than_a_customer_of_one(placement):
    person = [release_for_person(each, stores=4, placement=placement) for each in MIXED]
    factor = calibrate_noise_multiplier(person, epsilon=2.0, delta=1e-5)
    assert cost(person, factor) <= 2.0
    assert factor > 1.3 * calibrate_noise_multiplier(MIXED, epsilon=2.0, delta=1e-5)


def test_nothing_to_calibrate_is_refused():
    for releases, target in (((), 1.0), ((customer_release(noise_multiplier=0.0),), 1.0), (MIXED, 0.0)):
        with pytest.raises(InvalidReleaseError):
            calibrate_noise_multiplier(releases, epsilon=target, delta=1e-5)


def test_a_target_beyond_reason_is_refused():
    with pytest.raises(UnreachableBudgetError):
        calibrate_noise_multiplier([customer_release(noise_multiplier=1e-3)], epsilon=1e-9, delta=1e-30)
