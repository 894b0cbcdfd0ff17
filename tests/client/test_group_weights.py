"""A group-weighted objective: who counts for how much, and that nobody counts for more than before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from highstreet.client.contribution import sum_over
from highstreet.models.errors import InvalidPlanError
from highstreet.models.group_weights import group_weights
from highstreet.models.plan import ModelPlan, PhaseKind
from highstreet.models.programme import check_plan, default_plan, initial_state, needed_attributes
from highstreet.models.schema import FeatureSchema
from highstreet.models.shop import Catalogue, Product, Purchases, ShopData
from highstreet.models.state import SharedState

PARAMS = {"age_band.under_25": 1.0, "age_band.65_plus": 0.25, "place.unknown": 0.5}


@pytest.fixture(scope="module")
def shop() -> ShopData:
    generator = np.random.default_rng(1)
    stock = Catalogue.build(
        FeatureSchema(), [Product(product_id=str(n), category=f"c{n % 3}", price=1.0 + n) for n in range(20)]
    )
    lines = [
        (customer, generator.integers(20), day)
        for customer in range(6)
        for day in range(17_300, 17_500, int(generator.integers(4, 9)))
    ]
    customer, item, day = np.array(lines).T
    return ShopData(
        catalogue=stock,
        purchases=Purchases.of(customer, item, day, np.ones(len(lines))),
        customer_ids=tuple("abcdef"),
        as_of=17_500,
        groups={"age_band": np.array([1, 6, 0, 3, 6, 1])},
    )


@pytest.fixture(scope="module")
def plan() -> ModelPlan:
    whole = default_plan(
        noise_multiplier=1.0, gradient_rounds=1, params={"candidates": 15, "own_candidates": 5}
    )
    phases = [
        replace(phase, params=PARAMS if phase.kind is PhaseKind.GRADIENT else {}) for phase in whole.phases
    ]
    return replace(whole, phases=tuple(phases))


@pytest.fixture(scope="module")
def state(plan: ModelPlan, shop: ShopData) -> SharedState:
    from highstreet.models.programme import apply_sum

    state = initial_state(plan)
    for phase in plan.phases[:-1]:
        state = apply_sum(plan, phase, state, sum_over(plan, phase, state, shop), stores=1, noise_stddev=0.0)
    return state


def test_weights_are_products_of_what_the_plan_says_of_a_customers_own_groups(shop: ShopData) -> None:
    assert group_weights(PARAMS, shop).tolist() == [0.5, 0.125, 0.5, 0.5, 0.125, 0.5]
    assert group_weights({}, shop).tolist() == [1.0] * 6
    known = replace(shop, groups={**shop.groups, "place": np.array([1, 2, 3, 1, 0, 1])})
    assert group_weights(PARAMS, known).tolist() == [1.0, 0.25, 1.0, 1.0, 0.125, 1.0]


def test_the_sum_is_that_of_single_customers_times_their_weights(
    plan: ModelPlan, shop: ShopData, state: SharedState
) -> None:
    phase = plan.phases[-1]
    plain = replace(phase, params={})
    alone = np.stack([sum_over(plan, plain, state, shop.select(np.array([row]))) for row in range(6)])
    weights = np.array([0.5, 0.125, 0.5, 0.5, 0.125, 0.5])
    np.testing.assert_allclose(sum_over(plan, phase, state, shop), weights @ alone, atol=1e-9)
    # The twin, and on top of weights by shops.
    assert np.abs(sum_over(plan, plain, state, shop) - weights @ alone).max() > 1e-3
    halved = replace(shop, weights=np.full(6, 0.5))
    np.testing.assert_allclose(sum_over(plan, phase, state, halved), 0.5 * weights @ alone, atol=1e-9)


def test_nobody_moves_the_sum_by_more_than_the_clipping_norm(
    plan: ModelPlan, shop: ShopData, state: SharedState
) -> None:
    phase = replace(plan.phases[-1], clipping_norm=0.05)
    whole = sum_over(plan, phase, state, shop)
    moved = [
        np.linalg.norm(whole - sum_over(plan, phase, state, shop.select(np.setdiff1d(np.arange(6), [row]))))
        for row in range(6)
    ]
    bounds = 0.05 * np.array([0.5, 0.125, 0.5, 0.5, 0.125, 0.5])
    assert (np.array(moved) <= bounds * (1 + 1e-6)).all()
    assert max(moved) > 0.02


def test_a_phase_says_which_attributes_it_needs(plan: ModelPlan) -> None:
    assert needed_attributes(plan.phases[-1]) == ("age_band", "place")
    assert needed_attributes(plan.phases[0]) == ()
    measured = default_plan(
        noise_multiplier=1.0, params={"holdout_days": 7}, measured=["age_band", "history"]
    )
    assert needed_attributes(measured.phases[-1]) == ("age_band",)
    check_plan(plan)


@pytest.mark.parametrize(
    "params",
    [
        {"age_band.65_plus": 0.0},
        {"age_band.65_plus": 1.5},
        {"age_band.99": 0.5},
        {"history.little": 0.5},
        {"x": 1},
    ],
)
def test_odd_weights_are_refused(plan: ModelPlan, params: dict[str, float]) -> None:
    phases = (*plan.phases[:-1], replace(plan.phases[-1], params=params))
    with pytest.raises(InvalidPlanError, match="cannot weigh"):
        check_plan(replace(plan, phases=phases))
