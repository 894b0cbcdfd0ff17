from __future__ import annotations

import math

import pytest

from highstreet.privacy.claims import Claim, two_claims
from highstreet.privacy.errors import InvalidReleaseError
from highstreet.privacy.releases import Neighbouring, NoisePlacement, PrivacyUnit, Weighting, customer_release


def claim(**changes):
    sound = {
        "epsilon": 1.0,
        "delta": 1e-5,
        "unit": PrivacyUnit.CUSTOMER_AT_STORE,
        "neighbouring": Neighbouring.ADD_OR_REMOVE,
    }
    return Claim(**{**sound, **changes})


def test_a_printed_epsilon_is_rounded_up_never_down():
    assert str(claim(epsilon=1.5701)).startswith("epsilon 1.58, delta 1e-05 for a customer of one shop")
    assert str(claim(epsilon=1.57)).startswith("epsilon 1.57,")


def test_no_noise_is_printed_as_infinity():
    assert str(claim(epsilon=math.inf)).startswith("epsilon infinity")


@pytest.mark.parametrize(
    "wrong",
    [
        {"epsilon": -1.0},
        {"epsilon": math.nan},
        {"delta": 0.0},
        {"k": 2},
        {"k": 0},
        {"weighting": Weighting.ONE_OVER_SHOPS},
    ],
)
def test_a_claim_that_cannot_be_is_refused(wrong):
    with pytest.raises(InvalidReleaseError):
        claim(**wrong)


@pytest.mark.parametrize("placement", NoisePlacement)
def test_the_person_is_never_promised_more_than_the_customer_of_one_shop(placement):
    releases = [
        customer_release(noise_multiplier=9.0),
        customer_release(noise_multiplier=7.0, sampling_rate=0.5),
    ]
    for stores in (1, 2, 7):
        both = two_claims(releases, delta=1e-5, stores_per_person=stores, placement=placement)
        assert both.person.k == stores
        assert (both.person.epsilon > both.customer.epsilon) == (stores > 1)
        assert both.customer.delta == both.person.delta
        assert ("one shop" if stores == 1 else f"up to {stores} shops") in both.lines()[1]


def test_noise_in_every_store_promises_the_person_more_than_noise_once_in_the_sum():
    releases = [customer_release(noise_multiplier=9.0)] * 3
    every, once = (
        two_claims(releases, delta=1e-5, stores_per_person=6, placement=placement).person.epsilon
        for placement in (NoisePlacement.EVERY_STORE, NoisePlacement.ONCE_IN_SUM)
    )
    assert every < once


def test_with_weights_a_person_is_promised_what_a_customer_of_one_shop_is():
    """By hand: two Gaussians of 8 are one of 8 / sqrt 2, however many shops; against dp-accounting itself."""
    from dp_accounting.pld import privacy_loss_distribution

    exact = privacy_loss_distribution.from_gaussian_mechanism(
        8 / math.sqrt(2), value_discretization_interval=1e-4
    ).get_epsilon_for_delta(1e-5)
    releases = [customer_release(noise_multiplier=8.0, steps=2)]
    for weighting, said in (
        (Weighting.ONE_OVER_SHOPS, "up to 20 shops, each contribution divided by their number"),
        (Weighting.ONE_OVER_MOST, "up to 20 shops, each contribution divided by that number"),
    ):
        both = two_claims(
            releases,
            delta=1e-5,
            stores_per_person=20,
            placement=NoisePlacement.ONCE_IN_SUM,
            weighting=weighting,
        )
        assert both.person.epsilon == both.customer.epsilon == pytest.approx(exact, rel=0.001)
        assert said in both.lines()[1]
        assert "divided" not in both.lines()[0]
    without = two_claims(releases, delta=1e-5, stores_per_person=20, placement=NoisePlacement.ONCE_IN_SUM)
    assert without.person.epsilon > 20 * exact  # the twin: whole contributions
    assert "divided" not in without.lines()[1]
