"""A drafted programme costs its epsilon, and its public numbers follow the weights."""

from __future__ import annotations

import pytest

from highstreet.audit.claims import releases_of
from highstreet.audit.drafting import draft_plan
from highstreet.models.programme import check_plan, default_plan
from highstreet.privacy.accountant import epsilon as epsilon_of
from highstreet.privacy.releases import Weighting


@pytest.mark.parametrize(
    ("weighting", "shops", "clients", "ridge"),
    [
        (Weighting.WHOLE, 20, 75, 60.0),
        (Weighting.ONE_OVER_MOST, 1, 75, 60.0),
        (Weighting.ONE_OVER_MOST, 4, 19, 15.0),
        (Weighting.ONE_OVER_MOST, 20, 4, 3.0),
        (Weighting.ONE_OVER_MOST, 100, 1, 0.6),
        (Weighting.ONE_OVER_SHOPS, 20, 24, 20.0),
    ],
)
def test_numbers_in_customers_shrink_with_what_a_customer_counts_by(
    weighting: Weighting, shops: int, clients: int, ridge: float
) -> None:
    plan = draft_plan(epsilon=None, delta=1e-5, weighting=weighting, shops_per_person=shops)
    assert plan.clients_per_store == clients
    assert check_plan(plan).cooccurrence_ridge == pytest.approx(ridge)


def test_a_draft_costs_just_under_its_epsilon_and_without_weights_it_is_the_default() -> None:
    plan = draft_plan(epsilon=2.0, delta=1e-5, params={"holdout_days": 14})
    assert 1.98 < epsilon_of(releases_of(plan), delta=1e-5) <= 2.0
    assert plan.phases[-1].name == "evaluation"
    assert draft_plan(epsilon=None, delta=1e-5) == default_plan(noise_multiplier=0.0)
