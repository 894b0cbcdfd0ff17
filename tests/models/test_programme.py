"""The programme as a whole: what a customer can change, its order, what odd shops do to it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from opacus import GradSampleModule
from whole_runs import clipped_sum, contributions, run, single_gradients

from highstreet.models.errors import InvalidStateError, PhaseOrderError
from highstreet.models.evaluation import METRICS
from highstreet.models.programme import (
    RUNG,
    apply_sum,
    customer_rows,
    default_plan,
    gradient_task,
    initial_state,
)
from highstreet.models.schema import FeatureSchema
from highstreet.models.shop import Catalogue, Product, Purchases, ShopData
from highstreet.models.state import SharedState


@pytest.fixture(scope="module")
def trained(small_plan, shop) -> list[SharedState]:
    """The state each phase starts from, and the final one."""
    return [run(small_plan, [shop], until=index) for index in range(len(small_plan.phases) + 1)]


def test_every_phase_runs_and_the_release_ranks_better_than_popularity(small_plan, trained):
    final = trained[-1]
    value = {name: float(final[f"evaluation/{name}"][0]) for name in METRICS}
    assert value["all/customers"] > 5
    assert value["all/ranker"] > value["all/popularity"]


@pytest.mark.parametrize("index", range(6))
def test_removing_a_customer_moves_the_clipped_sum_by_at_most_the_clipping_norm(
    small_plan, trained, shop, index
):
    phase, state = small_plan.phases[index], trained[index]
    assert len(small_plan.phases) == 6
    whole = clipped_sum(contributions(small_plan, phase, state, shop), phase.clipping_norm)
    everyone = np.arange(len(shop.customer_ids))
    moved = []
    for customer in everyone[::6]:
        without = shop.select(np.setdiff1d(everyone, [customer]))
        rest = clipped_sum(contributions(small_plan, phase, state, without), phase.clipping_norm)
        moved.append(float(np.linalg.norm(whole - rest)))
    assert max(moved) <= phase.clipping_norm * (1 + 1e-4)
    assert max(moved) > 0


@pytest.mark.parametrize("index", range(6))
def test_a_customers_row_depends_on_nobody_else_and_not_on_the_place_in_the_table(
    small_plan, trained, shop, index
):
    phase, state = small_plan.phases[index], trained[index]
    rows = contributions(small_plan, phase, state, shop)
    order = np.random.default_rng(3).permutation(len(rows))[:7]
    alone = contributions(small_plan, phase, state, shop.select(order))
    np.testing.assert_allclose(alone, rows[order], atol=1e-4)


@pytest.mark.parametrize("index", [0, 1, 2, 5])
def test_rows_already_keep_to_the_clipping_norm(small_plan, trained, shop, index):
    phase = small_plan.phases[index]
    norms = np.linalg.norm(contributions(small_plan, phase, trained[index], shop), axis=1)
    assert norms.max() <= phase.clipping_norm * (1 + 1e-6)
    assert norms.max() > 0.1


def test_opacus_gives_the_gradients_of_a_loop_over_single_customers(small_plan, trained, shop):
    phase = small_plan.phases[3]
    task = gradient_task(small_plan, phase, trained[3])
    wrapped = GradSampleModule(task.module, loss_reduction="sum")
    inputs, *targets = task.examples(shop, np.arange(len(shop.customer_ids)))
    task.loss(wrapped(inputs), *targets).sum().backward()
    per_example = torch.cat([p.grad_sample.flatten(1) for p in wrapped.parameters()], dim=1).numpy()
    singles = single_gradients(small_plan, phase, trained[3], shop)
    assert per_example.shape == (len(shop.customer_ids), phase.dimension)
    np.testing.assert_allclose(per_example, singles, atol=1e-4)
    assert np.abs(singles).max() > 0.01


def test_a_round_moves_the_weights_towards_lower_loss(small_plan, trained, shop):
    def loss(state: SharedState) -> float:
        task = gradient_task(small_plan, small_plan.phases[3], state)
        inputs, *targets = task.examples(shop, np.arange(len(shop.customer_ids)))
        return float(task.loss(task.module(inputs), *targets).detach().sum())

    before, after = trained[3], trained[4].updated({"ranker/whitening": trained[3]["ranker/whitening"]})
    assert loss(after) < loss(before)


def test_a_phase_before_its_time_or_of_another_kind_is_refused(small_plan, trained, shop):
    start = initial_state(small_plan)
    for phase in small_plan.phases[1:]:
        with pytest.raises(PhaseOrderError):
            contributions(small_plan, phase, start, shop)
    with pytest.raises(PhaseOrderError):
        gradient_task(small_plan, small_plan.phases[0], trained[-1])
    with pytest.raises(PhaseOrderError):
        customer_rows(small_plan, small_plan.phases[3], trained[-1], shop)


def test_a_sum_that_does_not_fit_is_refused(small_plan):
    phase, state = small_plan.phases[0], initial_state(small_plan)
    good = np.zeros(phase.dimension)
    bad = np.full(phase.dimension, np.nan)
    for total, stores, stddev in (
        (good[1:], 1, 0.0),
        (bad, 1, 0.0),
        (good, 0, 0.0),
        (good, 1, -1.0),
        (good, 1, np.nan),
    ):
        with pytest.raises(InvalidStateError):
            apply_sum(small_plan, phase, state, total, stores=stores, noise_stddev=stddev)


def test_an_empty_cohort_gives_an_empty_sum_in_every_phase(small_plan, trained, shop):
    nobody = shop.select(np.array([], dtype=np.int64))
    for phase, state in zip(small_plan.phases, trained, strict=False):
        assert clipped_sum(contributions(small_plan, phase, state, nobody), phase.clipping_norm).tolist() == (
            [0.0] * phase.dimension
        )
    task = gradient_task(small_plan, small_plan.phases[3], trained[3])
    inputs, *targets = task.examples(nobody, np.array([], dtype=np.int64))
    assert task.loss(task.module(inputs), *targets).shape == (0,)


def odd_shops(schema: FeatureSchema) -> dict[str, Callable[[], ShopData]]:
    def of(products: list[Product], lines: list[tuple[int, int, int]], customers: int) -> ShopData:
        columns = np.array(lines, dtype=np.int64).reshape(-1, 3).T
        return ShopData(
            catalogue=Catalogue.build(schema, products),
            purchases=Purchases.of(columns[0], columns[1], columns[2], np.ones(len(lines))),
            customer_ids=tuple(map(str, range(customers))),
            as_of=17_500,
        )

    bare = [Product(product_id=str(i)) for i in range(5)]
    full = [Product(product_id="a", category="milk"), Product(product_id="b", category="tea")]
    return {
        "one purchase": lambda: of(full, [(0, 1, 17_495)], 1),
        "one product": lambda: of(full[:1], [(0, 0, 17_400), (0, 0, 17_495), (1, 0, 17_470)], 2),
        "no attributes": lambda: of(bare, [(0, 1, 17_400), (0, 2, 17_480), (1, 1, 17_495)], 2),
        "no purchases": lambda: of(full, [], 3),
        "no products": lambda: of([], [], 2),
    }


@pytest.mark.parametrize(
    "kind", ["one purchase", "one product", "no attributes", "no purchases", "no products"]
)
def test_odd_shops_go_through_every_phase(small_plan, small_schema, shop, kind):
    odd = odd_shops(small_schema)[kind]()
    final = run(small_plan, [shop, odd])
    for name in final:
        assert np.isfinite(final[name]).all()
    alone = run(small_plan, [odd], noise=0.5)
    assert np.isfinite(alone["ranker/weights"]).all()


def test_products_without_a_public_key_are_never_counted_under_one(small_plan, small_schema):
    bare = odd_shops(small_schema)["no attributes"]()
    state = run(small_plan, [bare], until=1)
    assert not state["popularity/key"].any()


def test_shops_with_disjoint_catalogues_help_each_other(small_plan, shop_maker):
    """No product key is in two shops, categories and types are: the others help a shop of four."""
    others = [
        shop_maker(prefix=prefix, customers=60, seed=seed) for seed, prefix in enumerate("ab", start=10)
    ]
    newcomer = shop_maker(prefix="c", customers=4, seed=13)
    keys = [set(shop.catalogue.shared_key.tolist()) for shop in (*others, newcomer)]
    assert not keys[0] & keys[1]
    assert not (keys[0] | keys[1]) & keys[2]
    later_customers = shop_maker(prefix="c", customers=60, seed=14)

    def ndcg(state: SharedState, metric: str) -> float:
        rows = contributions(small_plan, small_plan.phases[-1], state, later_customers).sum(axis=0)
        head = metric.split("/")[0]
        return float(rows[METRICS.index(metric)] / rows[METRICS.index(f"{head}/customers")])

    together, alone = run(small_plan, [*others, newcomer]), run(small_plan, [newcomer])
    without, nothing = (
        run(small_plan, others),
        run(small_plan, [newcomer.select(np.array([], dtype=np.int64))]),
    )
    assert ndcg(together, "all/ranker") > ndcg(alone, "all/ranker")
    assert ndcg(without, "novel/popularity") > ndcg(nothing, "novel/popularity")


def test_noise_alone_leaves_the_weights_near_where_they_began(small_plan, shop):
    """Under drowning noise the whitening shrinks the steps, so that noise does not become weights."""
    quiet, drowned = run(small_plan, [shop]), run(small_plan, [shop], noise=1e4)
    assert np.isfinite(drowned["ranker/weights"]).all()
    assert drowned["ranker/variance"][0] > 100 * quiet["ranker/variance"][0]
    assert not drowned["cooccurrence/weights"].any()


def test_the_default_programme_names_its_rung():
    plan = default_plan(noise_multiplier=1.0)
    assert plan.rung == RUNG
    assert initial_state(plan)["ranker/weights"].shape == (plan.phases[3].dimension,)
