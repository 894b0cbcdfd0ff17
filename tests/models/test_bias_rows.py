"""The rows of the bias phase: bounded, each customer's own, and the sums of what they say they are."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from whole_runs import clipped_sum, contributions, run

from highstreet.models.bias_rows import (
    EXPOSURE,
    PARTS,
    bias_coordinates,
    bias_norm,
    declared_parts,
    parts_of_params,
)
from highstreet.models.customer_groups import ATTRIBUTES, DECLARED, UNKNOWN, cell_of
from highstreet.models.errors import InvalidPlanError, InvalidShopDataError
from highstreet.models.evaluation import METRICS
from highstreet.models.plan import ModelPlan, PhasePlan
from highstreet.models.programme import check_plan, check_state, default_plan
from highstreet.models.shop import ShopData
from highstreet.models.state import SharedState


@pytest.fixture(scope="module")
def plan(small_schema, small_params) -> ModelPlan:
    return default_plan(
        small_schema,
        noise_multiplier=1.0,
        clients_per_store=30,
        gradient_rounds=1,
        params=small_params,
        measured=PARTS,
    )


@pytest.fixture(scope="module")
def grouped(shop: ShopData) -> ShopData:
    generator = np.random.default_rng(2)
    customers = len(shop.customer_ids)
    groups = {
        name: generator.integers(0, len(ATTRIBUTES[name].all_cells), size=customers) for name in DECLARED
    }
    return replace(shop, groups=groups)


@pytest.fixture(scope="module")
def state(plan: ModelPlan, shop: ShopData) -> SharedState:
    return run(plan, [shop], until=len(plan.phases) - 1)


@pytest.fixture(scope="module")
def rows(plan: ModelPlan, state: SharedState, grouped: ShopData) -> NDArray[np.float64]:
    return contributions(plan, plan.phases[-1], state, grouped)


def test_the_phase_is_the_last_and_paid_for(plan: ModelPlan) -> None:
    phase = plan.phases[-1]
    assert (phase.name, phase.dimension) == ("bias", len(bias_coordinates(PARTS)))
    assert phase.clipping_norm == bias_norm(PARTS) == pytest.approx(np.sqrt(7 * 6 + 15))
    # Shares of the budget add to 1: 1 / multiplier^2 adds to that of the whole programme.
    assert sum(1 / each.noise_multiplier**2 for each in plan.phases) == pytest.approx(1.0)
    check_plan(plan)


def test_rows_never_reach_the_clipping_norm(
    plan: ModelPlan, rows: NDArray[np.float64], state: SharedState, grouped: ShopData
) -> None:
    assert np.linalg.norm(rows, axis=1).max() <= plan.phases[-1].clipping_norm
    for parts in itertools.chain([[part] for part in PARTS], [["age_band", EXPOSURE]]):
        phase = _phase(plan, parts)
        some = contributions(_with(plan, phase), phase, state, grouped)
        norms = np.linalg.norm(some, axis=1)
        assert 0 < norms.max() <= bias_norm(parts)


def test_a_customers_row_depends_on_nobody_else_and_not_on_the_place(
    plan: ModelPlan, rows: NDArray[np.float64], state: SharedState, grouped: ShopData
) -> None:
    order = np.random.default_rng(3).permutation(len(rows))[:7]
    alone = np.concatenate(
        [contributions(plan, plan.phases[-1], state, grouped.select(np.array([row]))) for row in order]
    )
    np.testing.assert_allclose(alone, rows[order], atol=1e-4)
    # The twin: another release does change it.
    other = state.updated({"ranker/weights": -state["ranker/weights"]})
    assert np.abs(contributions(plan, plan.phases[-1], other, grouped) - rows).max() > 0.1


def test_removing_a_customer_moves_the_sum_by_at_most_the_clipping_norm(
    plan: ModelPlan, state: SharedState, grouped: ShopData, rows: NDArray[np.float64]
) -> None:
    phase, everyone = plan.phases[-1], np.arange(len(grouped.customer_ids))
    whole = clipped_sum(rows, phase.clipping_norm)
    moved = []
    for customer in everyone[::6]:
        rest = contributions(plan, phase, state, grouped.select(np.setdiff1d(everyone, [customer])))
        moved.append(float(np.linalg.norm(whole - clipped_sum(rest, phase.clipping_norm))))
    assert 0 < max(moved) <= phase.clipping_norm * (1 + 1e-4)


def test_cells_of_an_attribute_add_up_to_the_evaluation(
    plan: ModelPlan, rows: NDArray[np.float64], state: SharedState, grouped: ShopData
) -> None:
    names = bias_coordinates(PARTS)
    evaluation = contributions(plan, plan.phases[-2], state, grouped)
    for attribute in ATTRIBUTES.values():
        for place, metric in enumerate(METRICS):
            mine = [names.index(f"{attribute.name}/{cell}/{metric}") for cell in attribute.all_cells]
            np.testing.assert_allclose(rows[:, mine].sum(axis=1), evaluation[:, place], atol=1e-6)
            assert ((rows[:, mine] > 0).sum(axis=1) <= 1).all()


def test_each_customer_is_in_the_cell_it_is_said_to_be_in(
    rows: NDArray[np.float64], grouped: ShopData
) -> None:
    names = bias_coordinates(PARTS)
    for name in DECLARED:
        cells = ATTRIBUTES[name].all_cells
        columns = [names.index(f"{name}/{cell}/all/customers") for cell in cells]
        judged = rows[:, columns].sum(axis=1) > 0
        assert judged.sum() > 5
        np.testing.assert_array_equal(rows[judged][:, columns].argmax(axis=1), grouped.groups[name][judged])


def test_what_is_not_known_of_customers_is_the_unknown_cell(
    plan: ModelPlan, state: SharedState, shop: ShopData
) -> None:
    phase = _phase(plan, ["age_band"])
    found = contributions(_with(plan, phase), phase, state, shop)
    known = [not name.startswith(f"age_band/{UNKNOWN}/") for name in bias_coordinates(["age_band"])]
    assert not found[:, known].any()
    assert found.any()


def test_exposure_of_each_source_adds_to_one_and_popularity_is_in_the_last_tenths(
    rows: NDArray[np.float64],
) -> None:
    names = bias_coordinates(PARTS)
    counted = rows[:, names.index("exposure/customers")] == 1
    assert counted.sum() > 5
    assert not rows[~counted][:, names.index("exposure/customers") :].any()
    for source in ("ranker", "popularity", "purchases"):
        tenths = [names.index(f"exposure/{source}/tenth_{number}") for number in range(10)]
        np.testing.assert_allclose(rows[counted][:, tenths].sum(axis=1), 1.0, atol=1e-6)
    last = [names.index(f"exposure/popularity/tenth_{number}") for number in (7, 8, 9)]
    np.testing.assert_allclose(rows[counted][:, last].sum(axis=1), 1.0, atol=1e-6)  # ten of forty products


def test_short_and_young_histories_are_little_and_new(plan: ModelPlan, state: SharedState, shop) -> None:
    phase = _phase(plan, ["history", "tenure"])
    lines = shop.purchases
    kept = (lines.customer != 0) | (lines.day >= shop.as_of - 15)
    columns = (lines.customer, lines.item, lines.day, lines.quantity)
    customer, item, day, quantity = (column[kept] for column in columns)
    # Customer 1 bought once, exactly as long before the days held out as makes a customer loyal.
    long_ago = type(lines).of(
        np.append(customer, 1),
        np.append(item, 0),
        np.append(day, shop.as_of - 10 - 182),
        np.append(quantity, 1.0),
    )
    changed = replace(shop, purchases=long_ago)
    found = contributions(_with(plan, phase), phase, state, changed)
    names = bias_coordinates(["history", "tenure"])

    def cell(row: int, attribute: str) -> str:
        held = [name for name, value in zip(names, found[row], strict=True) if value == 1.0]
        return next(name.split("/")[1] for name in held if name.startswith(attribute) and "customers" in name)

    assert (cell(0, "history"), cell(1, "history")) == ("little", "much")
    assert (cell(0, "tenure"), cell(1, "tenure"), cell(2, "tenure")) == ("new", "loyal", "new")


def test_the_state_after_the_phase_holds_sums_and_noise(plan: ModelPlan, grouped: ShopData) -> None:
    final = run(plan, [grouped], noise=0.5)
    check_state(plan, final, phases_done=len(plan.phases))
    assert final["bias/sums"].shape == (plan.phases[-1].dimension,)
    assert final["bias/stddev"].item() == 0.5


def test_shops_without_products_or_purchases_add_zeros(plan: ModelPlan, state: SharedState, shop) -> None:
    nothing = replace(shop, purchases=type(shop.purchases).of(*([] for _ in range(4))))
    found = contributions(plan, plan.phases[-1], state, nothing)
    assert not found.any()
    bare = replace(nothing, catalogue=type(shop.catalogue).build(plan.schema, []))
    assert not contributions(plan, plan.phases[-1], state, bare).any()


@pytest.mark.parametrize("params", [{}, {"age_band": 2.0}, {"shoe_size": 1.0}])
def test_a_phase_that_measures_nothing_or_something_unknown_is_refused(
    plan: ModelPlan, params: dict[str, float]
) -> None:
    with pytest.raises(InvalidPlanError):
        parts_of_params(params)
    with pytest.raises(InvalidPlanError):
        check_plan(_with(plan, replace(plan.phases[-1], params=params)))


@pytest.mark.parametrize("behind", ["bias", "evaluation"])
def test_a_round_of_training_after_the_measurement_is_refused(plan: ModelPlan, behind: str) -> None:
    again = next(phase for phase in plan.phases if phase.name == "ranker")
    place = [phase.name for phase in plan.phases].index(behind) + 1
    phases = [*plan.phases[:place], again, *plan.phases[place:]]
    moved = replace(plan, phases=tuple(replace(each, index=index) for index, each in enumerate(phases)))
    check_plan(plan)
    with pytest.raises(InvalidPlanError, match="not in their order"):
        check_plan(moved)


def test_a_phase_that_clips_or_comes_twice_or_has_no_days_is_refused(
    plan: ModelPlan, small_schema, small_params
) -> None:
    phase = plan.phases[-1]
    with pytest.raises(InvalidPlanError, match="clips"):
        check_plan(_with(plan, replace(phase, clipping_norm=phase.clipping_norm / 2)))
    twice = ModelPlan.from_dict(
        {
            **plan.to_dict(),
            "phases": [*plan.to_dict()["phases"], replace(phase, index=phase.index + 1).to_dict()],
        }  # type: ignore[misc]  # a list
    )
    with pytest.raises(InvalidPlanError, match="twice"):
        check_plan(twice)
    with pytest.raises(InvalidPlanError, match="params"):
        check_plan(_with(plan, replace(plan.phases[0], params={"age_band": 1.0}), at=0))
    with pytest.raises(InvalidPlanError, match="bias phase, but no days"):
        default_plan(
            small_schema,
            noise_multiplier=1.0,
            params={**small_params, "holdout_days": 0},
            measured=["history"],
        )


def test_only_declared_parts_need_to_be_known() -> None:
    assert declared_parts({"age_band": 1.0, "history": 1.0, "exposure": 1.0}) == ("age_band",)


@pytest.mark.parametrize(
    ("name", "text", "cell"),
    [
        ("age_band", "25_34", "25_34"),
        ("age_band", " 25-34 ", "25_34"),
        ("age_band", "24", "under_25"),
        ("age_band", "25", "25_34"),
        ("age_band", "64", "55_64"),
        ("age_band", "65", "65_plus"),
        ("age_band", "120", "65_plus"),
        ("age_band", "121", None),
        ("age_band", "-3", None),
        ("age_band", "²5", None),
        ("household_size", "1", "1"),
        ("household_size", "5", "5_plus"),
        ("household_size", "5+", "5_plus"),
        ("household_size", "0", None),
        ("household_size", "31", None),
        ("income_band", "Under 15K", "under_25k"),
        ("income_band", "100-124K", "100k_plus"),
        ("income_band", "lots", None),
        ("language", "EN-gb", "en"),
        ("language", "tr", "other"),
        ("language", "!", None),
        ("place", "Village", "rural"),
        ("place", "the moon", None),
        ("history", "little", None),
        ("shoe_size", "42", None),
        ("language", "e" * 65, None),
    ],
)
def test_a_shops_words_become_one_cell_or_none(name: str, text: str, cell: str | None) -> None:
    assert cell_of(name, text) == cell


@pytest.mark.parametrize(
    "groups",
    [
        {"history": np.zeros(18, dtype=np.int64)},
        {"age_band": np.zeros(17, dtype=np.int64)},
        {"age_band": np.zeros(18)},
        {"age_band": np.full(18, 7)},
        {"age_band": np.full(18, -1)},
    ],
)
def test_groups_that_cannot_be_are_refused(shop: ShopData, groups: dict[str, NDArray[np.int64]]) -> None:
    with pytest.raises(InvalidShopDataError):
        replace(shop, groups=groups)


def test_groups_go_with_their_customers(grouped: ShopData) -> None:
    order = np.array([3, 1])
    chosen = grouped.select(order)
    for name in DECLARED:
        np.testing.assert_array_equal(chosen.groups[name], grouped.groups[name][order])
    assert grouped.before(grouped.as_of - 3).groups == grouped.groups


def _phase(plan: ModelPlan, parts: list[str]) -> PhasePlan:
    return replace(
        plan.phases[-1],
        params=dict.fromkeys(parts, 1.0),
        dimension=len(bias_coordinates(parts)),
        clipping_norm=bias_norm(parts),
    )


def _with(plan: ModelPlan, phase: PhasePlan, at: int = -1) -> ModelPlan:
    phases = list(plan.phases)
    phases[at] = phase
    return replace(plan, phases=tuple(phases))
