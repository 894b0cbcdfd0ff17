from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from highstreet.audit.requests import mechanism_of
from highstreet.audit.scorecard import scorecard
from highstreet.audit.weights import customer_weight
from highstreet.client.contribution import (
    clipped_sum,
    contribute,
    phase_release,
    rehearse,
    sum_over,
)
from highstreet.client.customer_weights import weighted_for_sums
from highstreet.models.evaluation import METRICS
from highstreet.models.programme import (
    apply_sum,
    customer_rows,
    default_plan,
    gradient_task,
    initial_state,
)
from highstreet.models.schema import FeatureSchema
from highstreet.models.shop import Catalogue, Product, Purchases, ShopData
from highstreet.privacy.errors import InvalidReleaseError, SeededNoiseError, UnsupportedReleaseError
from highstreet.privacy.noise import SecureNoise, SeededNoise
from highstreet.privacy.sampling import poisson_sample
from highstreet.privacy.summing import ROUNDING_SLACK
from tests.client.made_up_coop import about_persons, by_counts, charter_of, mechanism_for

CUSTOMERS = 24
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
    gradient_rounds=2,
    params={"holdout_days": 28.0, "token_keys": 16.0, "token_types": 12.0, "token_categories": 8.0},
)


def build_shop():
    generator = np.random.default_rng(11)
    products = [
        Product(
            product_id=f"p{i}",
            category=f"category {i % 5}",
            product_type=f"type {i % 11}",
            brand=f"brand {i % 7}",
            maker=f"maker {i % 4}",
            size=f"{i % 3} l",
            price=1.0 + i % 9,
        )
        for i in range(40)
    ]
    # From a customer who bought nothing to one who bought 90 times.
    counts = np.linspace(0, 90, CUSTOMERS).astype(int)
    customer = np.repeat(np.arange(CUSTOMERS), counts)
    lines = len(customer)
    return ShopData(
        catalogue=Catalogue.build(SCHEMA, products),
        purchases=Purchases.of(
            customer,
            np.minimum(generator.geometric(0.08, lines) - 1, 39),
            generator.integers(19_000, 19_300, lines),
            generator.integers(1, 4, lines),
        ),
        customer_ids=tuple(f"c{i}" for i in range(CUSTOMERS)),
        as_of=19_300,
    )


@pytest.fixture(scope="module")
def shop():
    return build_shop()


@pytest.fixture(scope="module")
def states(shop):
    """The released state before each phase, from a run without noise."""
    found = [initial_state(PLAN)]
    for phase in PLAN.phases:
        total = sum_over(PLAN, phase, found[-1], shop)
        found.append(apply_sum(PLAN, phase, found[-1], total, stores=1, noise_stddev=0.1))
    return found


PHASES = pytest.mark.parametrize("phase", PLAN.phases, ids=lambda phase: f"{phase.index} {phase.name}")


@PHASES
@pytest.mark.parametrize("tightened", [1.0, 0.05])
def test_removing_any_customer_moves_the_shops_sum_by_at_most_the_clipping_norm(
    phase, tightened, shop, states
):
    """Also with a clip so tight that nearly everybody is clipped, which is where dependence would show."""
    state = states[phase.index]
    tight = replace(phase, clipping_norm=phase.clipping_norm * tightened)
    whole = sum_over(PLAN, tight, state, shop)
    changes = []
    for gone in range(CUSTOMERS):
        rest = shop.select(np.delete(np.arange(CUSTOMERS), gone))
        changes.append(np.linalg.norm(whole - sum_over(PLAN, tight, state, rest)))
    assert max(changes) <= tight.clipping_norm * (1 + ROUNDING_SLACK)
    assert max(changes) > 0


@PHASES
def test_a_customers_own_part_is_the_same_whoever_else_is_there(phase, shop, states):
    """Stronger than the clip: nothing in a row or gradient may depend on other customers.

    Up to the single-precision rounding that `privacy.summing` allows for.
    """
    state = states[phase.index]
    alone = [sum_over(PLAN, phase, state, shop.select(np.array([row]))) for row in range(CUSTOMERS)]
    whole = sum_over(PLAN, phase, state, shop)
    assert np.linalg.norm(whole - np.sum(alone, axis=0)) <= CUSTOMERS * phase.clipping_norm * 2.0**-24


def test_a_row_that_depends_on_others_would_be_caught(shop, states):
    """The twin: with the shop's popularity inside the row, one customer moves the sum beyond the clip."""
    phase = PLAN.phases[0]

    def leaky_rows(data):
        rows = np.concatenate(list(customer_rows(PLAN, phase, states[0], data)))
        return rows * rows.sum(axis=0)

    whole = leaky_rows(shop)
    clipping_norm = np.linalg.norm(whole, axis=1).max()
    others = [shop.select(np.delete(np.arange(CUSTOMERS), gone)) for gone in range(CUSTOMERS)]
    changes = [np.linalg.norm(whole.sum(axis=0) - leaky_rows(data).sum(axis=0)) for data in others]
    assert all((np.linalg.norm(leaky_rows(data), axis=1) <= clipping_norm).all() for data in others)
    assert max(changes) > 1.5 * clipping_norm


@PHASES
def test_a_shop_without_customers_adds_zeros(phase, shop, states):
    nobody = shop.select(np.array([], dtype=int))
    total = sum_over(PLAN, phase, states[phase.index], nobody)
    assert total.shape == (phase.dimension,)
    assert not total.any()


@PHASES
def test_removing_any_customer_moves_the_integers_by_at_most_the_mechanisms_sensitivity(phase, shop, states):
    """What the noise is measured by: clipped, put on the grid, rounded."""
    state = states[phase.index]
    tight = replace(phase, clipping_norm=phase.clipping_norm * 0.05)
    mechanism = mechanism_for(PLAN, tight)

    def moves(clipped):
        whole = mechanism.encode(sum_over(PLAN, clipped, state, shop))
        rests = (shop.select(np.delete(np.arange(CUSTOMERS), gone)) for gone in range(CUSTOMERS))
        return [
            np.linalg.norm(whole - mechanism.encode(sum_over(PLAN, clipped, state, rest))) for rest in rests
        ]

    assert 0.5 * mechanism.sensitivity < max(moves(tight)) <= mechanism.sensitivity
    assert (
        max(moves(replace(tight, clipping_norm=2 * tight.clipping_norm))) > mechanism.sensitivity
    )  # the twin


@PHASES
def test_what_is_put_into_the_sum_is_the_clipped_sum_and_one_share_of_the_noise(phase, shop, states):
    mechanism = mechanism_for(PLAN, phase)
    state = states[phase.index]
    sent = contribute(PLAN, phase, state, shop, mechanism=mechanism, noise=SecureNoise())
    assert sent.dtype == np.int64
    assert np.abs(sent).max() < 2**30
    noise = sent - mechanism.encode(clipped_sum(PLAN, phase, state, shop, source=SecureNoise()))
    share = 2.0**mechanism.share_log2_stddev
    # Six standard errors of the root mean square: one run in 500 million.
    tolerance = 6 * share / np.sqrt(2 * phase.dimension)
    assert abs(np.sqrt(np.mean(noise.astype(float) ** 2)) - share) < tolerance


def test_the_shares_of_the_floor_less_the_colluders_are_the_noise_that_is_accounted(shop, states):
    phase = PLAN.phases[0]
    mechanism = mechanism_for(PLAN, phase)
    nobody = shop.select(np.array([], dtype=int))
    honest = range(mechanism.floor - mechanism.colluders)
    sums = [
        contribute(PLAN, phase, states[0], nobody, mechanism=mechanism, noise=SecureNoise())
        for _ in range(40)
        for _ in honest
    ]
    noise = np.sum(np.reshape(sums, (len(honest), 40, -1)), axis=0, dtype=float)
    wanted = mechanism.noise_multiplier * mechanism.sensitivity
    tolerance = 6 * wanted / np.sqrt(2 * noise.size)  # six standard errors: one run in 500 million
    assert abs(noise.std() - wanted) < tolerance
    # The twin: with one share fewer it is told at once.
    fewer = np.sum(np.reshape(sums, (len(honest), 40, -1))[1:], axis=0, dtype=float)
    assert abs(fewer.std() - wanted) > tolerance


def test_the_same_call_never_gives_the_same_noise(shop, states):
    phase = PLAN.phases[0]
    mechanism = mechanism_for(PLAN, phase)
    first, second = (
        contribute(PLAN, phase, states[0], shop, mechanism=mechanism, noise=SecureNoise()) for _ in range(2)
    )
    assert not np.array_equal(first, second)


def test_a_rehearsal_repeats_itself_and_is_of_another_type(shop, states):
    phase = PLAN.phases[0]
    mechanism = mechanism_for(PLAN, phase)
    first, second = (
        rehearse(PLAN, phase, states[0], shop, mechanism=mechanism, noise=SeededNoise(3)) for _ in range(2)
    )
    assert np.array_equal(first.values, second.values)
    assert not isinstance(first, np.ndarray)


def test_a_contribution_with_a_seeded_source_is_refused(shop, states):
    mechanism = mechanism_for(PLAN, PLAN.phases[0])
    with pytest.raises(SeededNoiseError):
        contribute(PLAN, PLAN.phases[0], states[0], shop, mechanism=mechanism, noise=SeededNoise(3))


def test_a_phase_without_noise_has_no_mechanism_to_contribute_by():
    silent = replace(PLAN.phases[0], noise_multiplier=0.0)
    with pytest.raises(InvalidReleaseError):
        mechanism_for(PLAN, silent)


def test_sampled_rounds_add_up_a_sample_and_nobody_else(shop, states):
    phase = next(phase for phase in PLAN.phases if phase.name == "ranker")
    sampled = replace(phase, sampling_rate=0.5)
    state = states[phase.index]
    rows = poisson_sample(CUSTOMERS, sampling_rate=0.5, source=SeededNoise(9))
    assert 0 < len(rows) < CUSTOMERS
    got = clipped_sum(PLAN, sampled, state, shop, source=SeededNoise(9))
    assert np.array_equal(got, sum_over(PLAN, sampled, state, shop.select(rows)))


def test_a_phase_is_described_to_the_accountant_as_it_is(shop):
    phase = replace(PLAN.phases[0], sampling_rate=0.5)
    release = phase_release(phase)
    assert release == mechanism_for(PLAN, phase).release(sampling_rate=0.5)
    assert (release.noise_multiplier, release.steps) == (phase.noise_multiplier, 1)


def test_the_gradient_is_the_one_the_task_defines(shop, states):
    """Against autograd over one customer at a time, with the clip far away."""
    phase = next(phase for phase in PLAN.phases if phase.name == "ranker")
    loose = replace(phase, clipping_norm=1e9)
    task = gradient_task(PLAN, loose, states[phase.index])
    expected = np.zeros(phase.dimension)
    module = task.module.double()
    for row in range(CUSTOMERS):
        inputs, *targets = (t.double() for t in task.examples(shop, np.array([row])))
        loss = task.loss(module(inputs), *targets).sum()
        parameters = [p for p in module.parameters() if p.requires_grad]
        expected += torch.cat([g.reshape(-1) for g in torch.autograd.grad(loss, parameters)]).numpy()
    assert np.allclose(sum_over(PLAN, loose, states[phase.index], shop), expected, atol=1e-9)
    assert np.any(expected)


def weighted(shop, weights):
    return replace(shop, weights=np.asarray(weights, dtype=np.float64))


def tightened(phase):
    """With a clip so tight that nearly everybody contributes the whole clipping norm."""
    return replace(phase, clipping_norm=phase.clipping_norm * 0.05)


@PHASES
def test_weights_all_one_change_no_bit(phase, shop, states):
    state = states[phase.index]
    plain = sum_over(PLAN, phase, state, shop)
    assert sum_over(PLAN, phase, state, weighted(shop, np.ones(CUSTOMERS))).tobytes() == plain.tobytes()


@PHASES
def test_a_customer_of_weight_nothing_is_as_if_not_there(phase, shop, states):
    """Even where the others have weights between 0 and 1, bit for bit."""
    state = states[phase.index]
    weights = np.linspace(0.1, 1.0, CUSTOMERS)
    kept = np.flatnonzero(np.arange(CUSTOMERS) % 3 != 0)
    weights[np.arange(CUSTOMERS) % 3 == 0] = 0
    there = sum_over(PLAN, phase, state, weighted(shop, weights))
    gone = sum_over(PLAN, phase, state, weighted(shop, weights).select(kept))
    assert there.tobytes() == gone.tobytes()
    assert not sum_over(PLAN, phase, state, weighted(shop, np.zeros(CUSTOMERS))).any()


@PHASES
def test_a_customer_of_weight_nothing_is_as_if_not_there_where_all_others_are_whole(phase, shop, states):
    """There the sum of the others is taken in another way, with other roundings: always, or never."""
    state = states[phase.index]
    weights = np.where(np.arange(CUSTOMERS) % 3 == 0, 0.0, 1.0)
    there = sum_over(PLAN, phase, state, weighted(shop, weights))
    gone = sum_over(PLAN, phase, state, weighted(shop, weights).select(np.flatnonzero(weights)))
    assert there.tobytes() == gone.tobytes()


@PHASES
def test_each_customer_counts_by_weight_after_the_clip(phase, shop, states):
    """Against one customer at a time; a weight before the clip would give whoever is clipped a whole part."""
    state, tight = states[phase.index], tightened(phase)
    weights = np.random.default_rng(3).choice([0.0, 1 / 7, 1 / 3, 0.5, 1.0], CUSTOMERS)
    alone = [sum_over(PLAN, tight, state, shop.select(np.array([row]))) for row in range(CUSTOMERS)]
    got = sum_over(PLAN, tight, state, weighted(shop, weights))
    allowed = CUSTOMERS * tight.clipping_norm * 2.0**-24
    assert np.linalg.norm(got - weights @ np.array(alone)) <= allowed
    assert np.linalg.norm(got - np.sum(alone, axis=0)) > allowed  # the twin: not the sum without weights


@PHASES
@settings(max_examples=6, deadline=None)
@given(
    parts=st.lists(st.integers(1, 20), min_size=2, max_size=5), equal=st.booleans(), seed=st.integers(0, 9)
)
def test_removing_a_person_from_all_shops_moves_their_sum_by_at_most_the_clipping_norm(
    phase, shop, states, parts, equal, seed
):
    """The person is the same heavy buyer in each shop, so that the contributions point the same way."""
    state, tight = states[phase.index], tightened(phase)
    generator = np.random.default_rng(seed)
    person, count = CUSTOMERS - 1, len(parts)
    mine = np.full(count, 1 / count) if equal else np.array(parts) / sum(parts)

    def moved(weight_in_each):
        total = np.zeros(phase.dimension)
        for weight in weight_in_each:
            others = generator.choice(CUSTOMERS - 1, size=2, replace=False)
            rows = np.append(others, person)
            weights = np.append(1 / generator.integers(1, 6, len(others)), weight)
            here = weighted(shop.select(rows), weights)
            whole = sum_over(PLAN, tight, state, here)
            total += whole - sum_over(PLAN, tight, state, here.select(np.arange(len(others))))
        return np.linalg.norm(total)

    assert moved(mine) <= tight.clipping_norm * (1 + ROUNDING_SLACK)
    assert moved(np.ones(count)) > tight.clipping_norm * (1 + ROUNDING_SLACK)  # the twin


@PHASES
def test_removing_a_person_moves_the_integers_of_all_shops_by_at_most_the_sensitivity(phase, shop, states):
    """With mechanism and weights from the charter; each shop rounds for itself, which the noise pays for."""
    state, most = states[phase.index], 4
    tight = tightened(phase)
    charter = about_persons(charter_of(PLAN), shops=most)
    mechanism = mechanism_of(tight, charter, participants=6)

    def moved(shops, terms=charter.privacy):
        total = np.zeros(phase.dimension)
        for row in range(shops):
            here = weighted_for_sums(shop.select(np.array([row, CUSTOMERS - 1])), terms)
            rest = here.select(np.array([0]))
            there, gone = (mechanism.encode(sum_over(PLAN, tight, state, each)) for each in (here, rest))
            total += there - gone
        return np.linalg.norm(total)

    for shops in range(1, most + 1):
        assert moved(shops) <= mechanism.sensitivity
    assert moved(most) > 0.5 * mechanism.sensitivity
    # The twins: in more shops than the charter says, and with whole contributions.
    assert moved(most + 2) > mechanism.sensitivity
    assert moved(most, charter_of(PLAN).privacy) > mechanism.sensitivity


def test_the_evaluation_of_weighted_customers_is_that_of_whole_ones(shop, states):
    """Figures are ratios of sums, and the number of customers is brought back by the public weight."""
    phase = PLAN.phases[-1]
    assert phase.name == "evaluation"
    terms = about_persons(charter_of(PLAN), shops=4).privacy

    def card(data, weight):
        total = sum_over(PLAN, phase, states[phase.index], data)
        sums = dict(zip(METRICS, total.tolist(), strict=True))
        return scorecard({**sums, "stddev": 0.01 * weight}, weight=weight)

    whole, divided = card(shop, 1.0), card(weighted_for_sums(shop, terms), customer_weight(terms))
    assert whole["ndcg_at_10/all/ranker"] > 0
    assert divided == pytest.approx(whole)
    assert card(weighted_for_sums(shop, terms), 1.0)["customers/all"] == pytest.approx(
        whole["customers/all"] / 4
    )


def test_the_evaluation_of_counted_customers_is_the_weighted_mean_over_persons(shop, states):
    """Numerator and number of customers are both weighted: a person in k shops is 1 / k of one in each."""
    phase = PLAN.phases[-1]
    terms = by_counts(charter_of(PLAN), shops=4).privacy
    generator = np.random.default_rng(11)
    counted = {customer: 1 / int(generator.integers(1, 5)) for customer in shop.customer_ids[: CUSTOMERS - 4]}

    def sums(data):
        total = sum_over(PLAN, phase, states[phase.index], data)
        return dict(zip(METRICS, total.tolist(), strict=True))

    def card(data):
        return scorecard({**sums(data), "stddev": 0.01}, weight=customer_weight(terms))

    told = card(weighted_for_sums(shop, terms, counted))
    alone = [sums(shop.select(np.array([row]))) for row in range(len(shop.customer_ids))]
    weights = np.array([counted.get(customer, 0.0) for customer in shop.customer_ids])
    here = np.array([each["all/customers"] for each in alone])
    found = np.array([each["all/ranker"] for each in alone])
    assert told["customers/all"] == pytest.approx(weights @ here)
    assert told["ndcg_at_10/all/ranker"] == pytest.approx(weights @ found / (weights @ here))
    # The twin: a mean over customers.
    assert told["ndcg_at_10/all/ranker"] != pytest.approx(card(shop)["ndcg_at_10/all/ranker"])
    assert told["noise_stddev"] == 0.01


def test_customers_with_weights_are_never_sampled(shop, states):
    phase = next(phase for phase in PLAN.phases if phase.name == "ranker")
    sampled = replace(phase, sampling_rate=0.5)
    for weights in (np.ones(CUSTOMERS), np.full(CUSTOMERS, 0.5)):
        with pytest.raises(UnsupportedReleaseError):
            clipped_sum(PLAN, sampled, states[phase.index], weighted(shop, weights), source=SeededNoise(9))
