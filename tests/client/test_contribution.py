"""A shop's contribution is a sum that no customer moves beyond the clip, and one share of the noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from highstreet.client.contribution import clipped_sum, contribute, phase_release, rehearse, sum_over
from highstreet.models.programme import customer_rows, gradient_task
from highstreet.privacy.errors import InvalidReleaseError, SeededNoiseError
from highstreet.privacy.noise import SecureNoise, SeededNoise
from highstreet.privacy.sampling import poisson_sample
from highstreet.privacy.summing import ROUNDING_SLACK
from tests.client.made_up_coop import mechanism_for
from tests.client.small_shop import CUSTOMERS, PHASES, PLAN, build_shop, states_before_phases


@pytest.fixture(scope="module")
def shop():
    return build_shop()


@pytest.fixture(scope="module")
def states(shop):
    return states_before_phases(shop)


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
