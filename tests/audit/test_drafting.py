"""A drafted programme costs its epsilon, and its public numbers follow the weights."""

from __future__ import annotations

import math
from functools import cache

import pytest

from highstreet.audit.charter import RoundTerms
from highstreet.audit.claims import releases_of
from highstreet.audit.drafting import draft_plan
from highstreet.audit.requests import mechanism_under
from highstreet.models.plan import ModelPlan
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


@cache
def _drafted(epsilon: float, weighting: Weighting, shops: int) -> ModelPlan:
    return draft_plan(
        epsilon=epsilon,
        delta=1e-5,
        weighting=weighting,
        shops_per_person=shops,
        params={"holdout_days": 28},
    )


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 3.0, 8.0])
@pytest.mark.parametrize(
    ("weighting", "shops"),
    [
        (Weighting.WHOLE, 1),
        *((Weighting.ONE_OVER_MOST, k) for k in (1, 2, 7, 20)),
        *((Weighting.ONE_OVER_SHOPS, k) for k in (2, 7, 20)),
    ],
)
def test_every_draft_can_be_summed_by_three_to_two_hundred_shops(
    epsilon: float, weighting: Weighting, shops: int
) -> None:
    plan = _drafted(epsilon, weighting, shops)
    phases = {phase.name: phase for phase in plan.phases}.values()
    for stores in (3, 4, 5, 6, 9, 17, 30, 64, 65, 100, 128, 129, 180, 200):
        for share in (0.6, 0.8, 1.0):
            floor = max(3, math.ceil(share * stores))
            for colluders in range(min(4, floor)):
                terms = RoundTerms(cohort_floor=floor, colluders=colluders, committee_size=9)
                for phase in phases:
                    built = mechanism_under(
                        phase,
                        terms,
                        participants=stores,
                        clients_per_store=plan.clients_per_store,
                        shops_per_person=1 if weighting is Weighting.WHOLE else shops,
                    )
                    reached = built.noise_multiplier_with(contributors=floor, colluders=colluders)
                    assert reached >= phase.noise_multiplier * (1 - 1e-12)
