from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from highstreet.privacy.errors import InvalidReleaseError, UnsupportedReleaseError
from highstreet.privacy.releases import (
    GaussianRelease,
    Neighbouring,
    NoisePlacement,
    PrivacyUnit,
    Weighting,
    customer_release,
    release_for_person,
)


@pytest.mark.parametrize(
    "wrong",
    [
        {"noise_multiplier": -1.0},
        {"noise_multiplier": float("nan")},
        {"noise_multiplier": float("inf")},
        {"sampling_rate": 0.0},
        {"sampling_rate": 1.01},
        {"sampling_rate": float("nan")},
        {"steps": 0},
        {"contributions": 0},
    ],
)
def test_a_release_out_of_range_is_refused(wrong):
    sound = {"noise_multiplier": 1.0, "sampling_rate": 0.5, "steps": 1, "contributions": 1}
    about = {"privacy_unit": PrivacyUnit.PERSON, "neighbouring": Neighbouring.ADD_OR_REMOVE}
    GaussianRelease(**sound, **about)
    with pytest.raises(InvalidReleaseError):
        GaussianRelease(**{**sound, **wrong}, **about)


@given(st.integers(1, 20), st.integers(1, 60), st.sampled_from(NoisePlacement))
def test_a_person_in_k_shops_is_in_k_releases_or_has_k_contributions_in_one(stores, steps, placement):
    one = customer_release(noise_multiplier=3.0, sampling_rate=0.5, steps=steps)
    person = release_for_person(one, stores=stores, placement=placement)
    assert person.privacy_unit is PrivacyUnit.PERSON
    assert person.steps * person.contributions == stores * steps
    assert (person.contributions == 1) == (placement is NoisePlacement.EVERY_STORE or stores == 1)


def test_only_a_customer_at_a_store_extends_to_a_person():
    one = customer_release(noise_multiplier=3.0)
    person = release_for_person(one, stores=2, placement=NoisePlacement.ONCE_IN_SUM)
    with pytest.raises(UnsupportedReleaseError):
        release_for_person(person, stores=2, placement=NoisePlacement.ONCE_IN_SUM)


WEIGHTED = [each for each in Weighting if each is not Weighting.WHOLE]


@given(st.integers(1, 20), st.integers(1, 60), st.sampled_from(WEIGHTED))
def test_all_weighted_contributions_of_a_person_are_one(stores, steps, weighting):
    one = customer_release(noise_multiplier=3.0, steps=steps)
    once = NoisePlacement.ONCE_IN_SUM
    person = release_for_person(one, stores=stores, placement=once, weighting=weighting)
    assert (person.privacy_unit, person.contributions) == (PrivacyUnit.PERSON, 1)
    assert (person.steps, person.noise_multiplier) == (steps, 3.0)


@pytest.mark.parametrize("weighting", WEIGHTED)
def test_weights_are_refused_where_shops_sample_apart_or_are_seen_one_by_one(weighting):
    whole, sampled = (customer_release(noise_multiplier=3.0, sampling_rate=rate) for rate in (1.0, 0.5))
    for release, placement in (
        (sampled, NoisePlacement.ONCE_IN_SUM),
        (whole, NoisePlacement.EVERY_STORE),
    ):
        release_for_person(release, stores=2, placement=placement)
        with pytest.raises(UnsupportedReleaseError):
            release_for_person(release, stores=2, placement=placement, weighting=weighting)
    person = release_for_person(whole, stores=2, placement=NoisePlacement.ONCE_IN_SUM)
    with pytest.raises(UnsupportedReleaseError):
        release_for_person(person, stores=2, placement=NoisePlacement.ONCE_IN_SUM, weighting=weighting)
