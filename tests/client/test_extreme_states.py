"""A state made to turn rounding into numbers: removing a customer still moves the sum by at most the clip."""

from __future__ import annotations

import numpy as np
import pytest

from highstreet.client.contribution import sum_over
from highstreet.models.errors import InvalidStateError
from highstreet.models.features import FEATURES
from highstreet.models.plan import PhaseKind, PhasePlan
from highstreet.models.programme import (
    apply_sum,
    check_state,
    customer_rows,
    default_plan,
    gradient_task,
    initial_state,
)
from highstreet.models.schema import FeatureSchema
from highstreet.models.shop import Catalogue, Product, Purchases, ShopData
from highstreet.models.state import SharedState
from highstreet.privacy.summing import ROUNDING_SLACK

CUSTOMERS, PRODUCTS, AS_OF = 66, 120, 20_000
SCHEMA = FeatureSchema(
    key_buckets=16_384,  # no two of the products in one: they all weigh the same
    category_buckets=16,
    product_type_buckets=64,
    brand_buckets=16,
    maker_buckets=128,
    size_buckets=4,
)
PLAN = default_plan(
    SCHEMA,
    noise_multiplier=5.0,
    gradient_rounds=1,
    params={"token_keys": 50.0, "candidates": 40.0, "own_candidates": 20.0, "holdout_days": 20.0},
)
PHASES = pytest.mark.parametrize("phase", PLAN.phases[2:], ids=lambda phase: phase.name)


def _shop() -> ShopData:
    """Everybody bought everything on one day: their scores under weights that cancel are rounding alone."""
    generator = np.random.default_rng(1)
    products = [
        Product(
            product_id=f"p{n:03d}",
            title=f"t{n}",
            category=f"category {n % 7}",
            product_type=f"type {n % 31}",
            brand=f"brand {n % 11}",
            maker=f"maker {n}",
            size=f"{n}",
            price=1 + n % 9,
        )
        for n in range(PRODUCTS)
    ]
    bought = [
        (customer, item, day)
        for customer in range(CUSTOMERS)
        for day, count in ((19_900, PRODUCTS), (19_955, 6), (19_985, 3))
        for item in generator.choice(PRODUCTS, count, replace=False)
    ]
    customer, item, day = np.array(bought).T
    return ShopData(
        catalogue=Catalogue.build(SCHEMA, products),
        purchases=Purchases.of(customer, item, day, np.ones(len(day))),
        customer_ids=tuple(str(n) for n in range(CUSTOMERS)),
        as_of=AS_OF,
    )


@pytest.fixture(scope="module")
def shop() -> ShopData:
    return _shop()


@pytest.fixture(scope="module")
def states(shop: ShopData) -> list[SharedState]:
    found = [initial_state(PLAN)]
    for phase in PLAN.phases:
        total = sum_over(PLAN, phase, found[-1], shop)
        found.append(apply_sum(PLAN, phase, found[-1], total, stores=1, noise_stddev=1e-3))
    return found


def _made_to_cancel(state: SharedState, *, size: float) -> SharedState:
    """Weights of equal size and both signs, so that only rounding is left of a customer's scores."""
    width = len(state["cooccurrence/weights"])
    half = np.where(np.arange(width) % 2, 0.7, -0.7)
    weights = np.stack(
        [
            np.random.default_rng(n).permutation(half) * np.random.default_rng(n).random()
            for n in range(width)
        ],
        axis=1,
    )
    planted: dict[str, np.ndarray] = {"cooccurrence/weights": (weights * size).astype(np.float32)}
    if "ranker/whitening" in state:
        signs = np.random.default_rng(2).choice([-1.0, 1.0], size=(len(FEATURES), len(FEATURES)))
        planted["ranker/whitening"] = 1e3 * signs
    return state.updated(planted)


def _rows(phase: PhasePlan, state: SharedState, shop: ShopData) -> np.ndarray:
    """What each customer adds before the clip, or what a gradient is computed from."""
    if phase.kind is not PhaseKind.GRADIENT:
        return np.concatenate(list(customer_rows(PLAN, phase, state, shop)))
    task = gradient_task(PLAN, phase, state)
    parts = task.examples(shop, np.arange(len(shop.customer_ids)))
    return np.concatenate([part.numpy().reshape(len(part), -1) for part in parts], axis=1)


@PHASES
@pytest.mark.parametrize("size", [1e5, 1e17])
def test_a_customers_row_is_the_same_bits_whoever_else_is_there(
    phase: PhasePlan, size: float, shop: ShopData, states: list[SharedState]
) -> None:
    """Beyond the bounds too: they are the second line."""
    state = _made_to_cancel(states[phase.index], size=size)
    whole = _rows(phase, state, shop)
    for others in (np.arange(1, CUSTOMERS), np.arange(33), np.array([40]), np.arange(0, CUSTOMERS, 2)):
        assert np.array_equal(_rows(phase, state, shop.select(others)), whole[others])


@PHASES
def test_the_most_extreme_state_that_is_taken_keeps_the_sensitivity(
    phase: PhasePlan, shop: ShopData, states: list[SharedState]
) -> None:
    state = _made_to_cancel(states[phase.index], size=1e5)
    check_state(PLAN, state, phases_done=phase.index)
    whole = sum_over(PLAN, phase, state, shop)
    for out in (0, 1, 33, CUSTOMERS - 1):
        rest = shop.select(np.delete(np.arange(CUSTOMERS), out))
        move = np.linalg.norm(whole - sum_over(PLAN, phase, state, rest))
        assert move <= phase.clipping_norm * (1 + ROUNDING_SLACK)


@PHASES
def test_what_rounding_could_be_made_into_is_not_taken(phase: PhasePlan, states: list[SharedState]) -> None:
    with pytest.raises(InvalidStateError, match="cooccurrence/weights"):
        check_state(PLAN, _made_to_cancel(states[phase.index], size=1e16), phases_done=phase.index)
