"""What cannot be computed for one customer is left out for that one, and never told by a refusal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import numpy as np
import pytest

from highstreet.audit.consent import Purpose
from highstreet.client import contribution, leaving_out
from highstreet.client.consent import ConsentDesk
from highstreet.client.contribution import contribute, sum_over
from highstreet.client.home import StoreHome
from highstreet.client.leaving_out import computable, contribute_regardless
from highstreet.client.shop_loader import load_shop
from highstreet.client.vault import Vault
from highstreet.models.plan import ModelPlan, PhasePlan
from highstreet.models.programme import apply_sum, customer_rows, default_plan, initial_state
from highstreet.models.schema import FeatureSchema
from highstreet.models.shop import ShopData
from highstreet.models.state import SharedState
from highstreet.privacy.errors import NonFiniteRowsError
from highstreet.privacy.noise import SecureNoise
from highstreet.privacy.summing import ROUNDING_SLACK
from tests.client.made_up_coop import mechanism_for

SCHEMA = FeatureSchema(
    key_buckets=64,
    category_buckets=16,
    product_type_buckets=32,
    brand_buckets=16,
    maker_buckets=16,
    size_buckets=16,
)
PLAN = default_plan(
    SCHEMA,
    noise_multiplier=4.0,
    gradient_rounds=1,
    params={"holdout_days": 28.0, "token_keys": 16.0, "token_types": 12.0, "token_categories": 8.0},
)
PHASES = pytest.mark.parametrize("phase", PLAN.phases, ids=lambda phase: f"{phase.index} {phase.name}")
POPULARITY = PLAN.phases[0]


@pytest.fixture
def shop(shop_home: StoreHome) -> ShopData:
    with Vault.open(shop_home.vault) as vault:
        cohort = ConsentDesk(vault).cohort(Purpose.COOP_LEARNING)
        return load_shop(vault, cohort, SCHEMA, date(2026, 10, 1), purpose=Purpose.COOP_LEARNING)


@pytest.fixture
def states(shop: ShopData) -> list[SharedState]:
    """The released state before each phase, from a run without noise."""
    found = [initial_state(PLAN)]
    for phase in PLAN.phases:
        total = sum_over(PLAN, phase, found[-1], shop)
        found.append(apply_sum(PLAN, phase, found[-1], total, stores=1, noise_stddev=0.1))
    return found


def _without(shop: ShopData, *rows: int) -> ShopData:
    return shop.select(np.array([row for row in range(len(shop.customer_ids)) if row not in rows]))


def _nobody(shop: ShopData) -> ShopData:
    return shop.select(np.array([], dtype=np.int64))


@PHASES
def test_every_phase_is_computed_over_nobody_as_over_many(
    phase: PhasePlan, shop: ShopData, states: list[SharedState]
) -> None:
    for each in (shop, shop.select(np.array([3])), _nobody(shop)):
        values = contribute_regardless(
            PLAN, phase, states[phase.index], each, mechanism=mechanism_for(PLAN, phase)
        )
        assert (values.shape, values.dtype) == ((phase.dimension,), np.dtype(np.int64))
    assert not sum_over(PLAN, phase, states[phase.index], _nobody(shop)).any()


def _broken_for(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Make the rows of some customers not finite, as an extreme state can."""

    def rows(plan: ModelPlan, phase: PhasePlan, state: SharedState, shop: ShopData) -> Iterator[np.ndarray]:
        start = 0
        for chunk in customer_rows(plan, phase, state, shop):
            broken = chunk.copy()
            for row in range(len(chunk)):
                if shop.customer_ids[start + row] in names:
                    broken[row, 0] = np.nan
            start += len(chunk)
            yield broken

    monkeypatch.setattr(contribution, "customer_rows", rows)


@pytest.mark.parametrize("broken", [(0,), (4, 5, 21), tuple(range(22))], ids=["one", "some", "all"])
def test_a_customer_it_cannot_be_computed_for_adds_nothing_and_the_others_all(
    broken: tuple[int, ...],
    shop: ShopData,
    states: list[SharedState],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = _without(shop, *broken)
    _broken_for(monkeypatch, *(shop.customer_ids[row] for row in broken))
    assert computable(PLAN, POPULARITY, states[0], shop).customer_ids == expected.customer_ids
    asked: list[ShopData] = []

    def watched(plan: ModelPlan, phase: PhasePlan, state: SharedState, each: ShopData, **how: Any) -> object:
        asked.append(each)
        return contribute(plan, phase, state, each, **how)

    monkeypatch.setattr(leaving_out, "contribute", watched)
    mechanism = mechanism_for(PLAN, POPULARITY)
    given = contribute_regardless(PLAN, POPULARITY, states[0], shop, mechanism=mechanism)
    assert given.shape == (POPULARITY.dimension,)
    assert [each.customer_ids for each in asked] == [shop.customer_ids, expected.customer_ids]
    with pytest.raises(NonFiniteRowsError):  # what would have become a refusal
        contribute(PLAN, POPULARITY, states[0], shop, mechanism=mechanism, noise=SecureNoise())


def test_removing_a_customer_left_out_or_not_moves_the_sum_by_at_most_the_clipping_norm(
    shop: ShopData, states: list[SharedState], monkeypatch: pytest.MonkeyPatch
) -> None:
    _broken_for(monkeypatch, shop.customer_ids[2], shop.customer_ids[9])

    def total(each: ShopData) -> np.ndarray:
        return sum_over(PLAN, POPULARITY, states[0], computable(PLAN, POPULARITY, states[0], each))

    whole = total(shop)
    moves = [np.linalg.norm(whole - total(_without(shop, row))) for row in range(len(shop.customer_ids))]
    assert max(moves) <= POPULARITY.clipping_norm * (1 + ROUNDING_SLACK)
    assert moves[2] == moves[9] == 0
    assert moves[3] > 0
    # Answering with nobody's sum when one customer fails would move it by more: by everybody else's.
    assert np.linalg.norm(whole) > POPULARITY.clipping_norm * (1 + ROUNDING_SLACK)


@pytest.mark.parametrize("name", ["curvature", "ranker"])
def test_a_state_made_to_overflow_for_some_customers_is_answered_all_the_same(
    name: str, shop: ShopData, states: list[SharedState]
) -> None:
    """A coordinator that plants one extreme weight asks who bought that product; it gets numbers."""
    phase = next(each for each in PLAN.phases if each.name == name)
    planted = {key: np.array(states[phase.index][key]) for key in states[phase.index]}
    planted["cooccurrence/weights"][0, 0] = 1e38
    state = SharedState(planted)
    mechanism = mechanism_for(PLAN, phase)
    with pytest.raises(NonFiniteRowsError):
        contribute(PLAN, phase, state, shop, mechanism=mechanism, noise=SecureNoise())
    outcomes = {
        contribute_regardless(PLAN, phase, state, each, mechanism=mechanism).shape
        for each in (shop, _without(shop, 1), _nobody(shop))
    }
    assert outcomes == {(phase.dimension,)}


def test_what_fails_for_nobody_too_is_an_error_whoever_the_customers_are(shop: ShopData) -> None:
    for each in (shop, _nobody(shop)):
        with pytest.raises(Exception, match="needs popularity/key"):
            contribute_regardless(
                PLAN, PLAN.phases[1], initial_state(PLAN), each, mechanism=mechanism_for(PLAN, PLAN.phases[1])
            )
