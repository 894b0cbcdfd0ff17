from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from highstreet.privacy.accountant import epsilon
from highstreet.privacy.budget import Budget, SpendingLimits, check_release, fit, window_start
from highstreet.privacy.errors import InvalidReleaseError, ReleaseRefusedError, UnsupportedReleaseError
from highstreet.privacy.gaussian import ClosedFormAccountant
from highstreet.privacy.releases import Neighbouring, PrivacyUnit, customer_release

BUDGET = Budget(epsilon=2.0, delta=1e-5, period_days=365)
LIMITS = SpendingLimits(budget=BUDGET, least_noise_multiplier=2.0, most_rounds=3)
ONE = customer_release(noise_multiplier=5.0)


@given(st.lists(st.floats(1.0, 40.0), max_size=12), st.floats(1.0, 40.0))
def test_what_fits_never_exceeds_the_budget_and_what_does_not_would(past, new):
    releases = [customer_release(noise_multiplier=noise) for noise in past]
    asked = customer_release(noise_multiplier=new)
    decision = fit(releases, [asked], BUDGET, ClosedFormAccountant())
    exact = ClosedFormAccountant().epsilon([*releases, asked], delta=BUDGET.delta)
    assert decision.epsilon == exact
    assert decision.is_within == (exact <= BUDGET.epsilon)


def test_a_loss_equal_to_the_budget_fits():
    spent = epsilon([ONE, ONE], delta=1e-5)
    exact = replace(BUDGET, epsilon=spent)

    class Fixed:
        def epsilon(self, releases, *, delta):
            return spent

    assert fit([ONE], [ONE], exact, Fixed()).is_within
    assert not fit([ONE], [ONE], replace(exact, epsilon=spent - 2e-9), Fixed()).is_within


def test_a_release_the_accountant_cannot_account_for_does_not_fit_it_is_refused():
    with pytest.raises(UnsupportedReleaseError):
        fit([], [replace(ONE, neighbouring=Neighbouring.REPLACE)], BUDGET, ClosedFormAccountant())


@pytest.mark.parametrize(
    "release",
    [
        replace(ONE, privacy_unit=PrivacyUnit.PERSON),
        replace(ONE, privacy_unit=PrivacyUnit.EXAMPLE),
        replace(ONE, neighbouring=Neighbouring.REPLACE),
        replace(ONE, steps=2),
        replace(ONE, contributions=2),
        replace(ONE, noise_multiplier=1.99),
        replace(ONE, noise_multiplier=0.0),
    ],
)
def test_a_release_outside_the_stores_own_limits_is_refused(release):
    with pytest.raises(ReleaseRefusedError):
        check_release(release, LIMITS, rounds_in_period=0)


def test_one_round_too_many_is_refused():
    check_release(ONE, LIMITS, rounds_in_period=2)
    with pytest.raises(ReleaseRefusedError):
        check_release(ONE, LIMITS, rounds_in_period=3)


@pytest.mark.parametrize(
    "wrong", [{"epsilon": 0.0}, {"epsilon": float("nan")}, {"delta": 1.0}, {"period_days": 0}]
)
def test_a_budget_that_limits_nothing_is_refused(wrong):
    with pytest.raises(InvalidReleaseError):
        replace(BUDGET, **wrong)


@given(st.integers(0, 100_000), st.integers(1, 4000))
def test_a_period_holds_exactly_its_days(day, period):
    assert day - window_start(day, period) + 1 == period


class _Exactly:
    """An accountant that says what it is told."""

    def __init__(self, loss: float) -> None:
        self.loss = loss

    def epsilon(self, releases: object, *, delta: float) -> float:
        return self.loss


@pytest.mark.parametrize(
    ("loss", "is_within"),
    [(2.0, True), (2.0 + 4e-16, True), (2.0 + 1e-9, True), (2.0 + 2e-9, False), (math.inf, False)],
)
def test_a_loss_of_exactly_the_budget_fits_and_no_more_than_rounding_above(
    loss: float, is_within: bool
) -> None:
    assert fit([], [], BUDGET, _Exactly(loss)).is_within is is_within


def test_the_stores_budget_holds_and_the_promised_one_beside_it() -> None:
    promised = Budget(epsilon=1.0, delta=1e-6, period_days=30)
    assert LIMITS.budgets == (BUDGET,)
    assert replace(LIMITS, promised=promised).budgets == (BUDGET, promised)
