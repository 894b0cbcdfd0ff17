"""Customers with weights: who weighs nothing is not there, and a person in several shops moves one clip."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from highstreet.audit.requests import mechanism_of
from highstreet.audit.scorecard import scorecard
from highstreet.audit.weights import customer_weight
from highstreet.client.contribution import clipped_sum, sum_over
from highstreet.client.customer_weights import weighted_for_sums
from highstreet.models.evaluation import METRICS
from highstreet.privacy.errors import UnsupportedReleaseError
from highstreet.privacy.noise import SeededNoise
from highstreet.privacy.summing import ROUNDING_SLACK
from tests.client.made_up_coop import about_persons, by_counts, charter_of
from tests.client.small_shop import CUSTOMERS, PHASES, PLAN, build_shop, states_before_phases, tightened


@pytest.fixture(scope="module")
def shop():
    return build_shop()


@pytest.fixture(scope="module")
def states(shop):
    return states_before_phases(shop)


def weighted(shop, weights):
    return replace(shop, weights=np.asarray(weights, dtype=np.float64))


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
