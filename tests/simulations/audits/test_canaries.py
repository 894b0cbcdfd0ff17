from dataclasses import replace

import numpy as np
import pytest

from highstreet.client import contribution
from highstreet.client.contribution import clipped_sum
from highstreet.models import programme
from highstreet.privacy.noise import SeededNoise
from highstreet.simulations.audits.canaries import (
    BasketCanaries,
    DirectionCanaries,
    orthogonal_directions,
    random_directions,
)
from highstreet.simulations.audits.exposure import expose
from highstreet.simulations.audits.made_up import made_up_shops
from highstreet.simulations.audits.paths import OnceInSum
from highstreet.simulations.audits.plans import SMALL_PARAMS, SMALL_SCHEMA, claimed_plan
from highstreet.simulations.errors import InvalidAuditError

PLAN = claimed_plan(8.0, delta=1e-5, schema=SMALL_SCHEMA, params=SMALL_PARAMS)


@pytest.fixture(scope="module")
def shops():
    return made_up_shops(SMALL_SCHEMA, stores=3, customers=4, seed=7, rare=6)


@pytest.fixture(scope="module")
def states(shops):
    """The state before each phase of one run."""
    nobody = BasketCanaries(0)
    run = expose(PLAN, shops, nobody, np.zeros(0, dtype=bool), path=OnceInSum(), source=SeededNoise(1))
    return [seen.state for seen in run.phases]


@pytest.mark.parametrize("phase", PLAN.phases, ids=lambda phase: f"{phase.index}-{phase.name}")
def test_canary_adds_its_direction_clipped_in_every_phase(phase, shops, states):
    canaries = DirectionCanaries(3, directions=random_directions(5))
    state = states[phase.index]
    joined = canaries.join(shops[0], [2])
    with canaries.streams():
        with_canary = clipped_sum(PLAN, phase, state, joined, source=SeededNoise(1))
        without = clipped_sum(PLAN, phase, state, shops[0], source=SeededNoise(1))
    expected = phase.clipping_norm * canaries.directions(phase, [2])[0]
    tolerance = 1e-5 * phase.clipping_norm  # single precision, and Opacus' norm + 1e-6
    assert np.linalg.norm(with_canary - without - expected) < tolerance
    outside = clipped_sum(PLAN, phase, state, joined, source=SeededNoise(1))
    assert np.linalg.norm(outside - with_canary) > 0.5 * phase.clipping_norm  # the twin: no stream, no canary


def test_other_customers_are_left_as_they_are_and_the_seam_closes(shops, states):
    canaries = DirectionCanaries(1, directions=random_directions(5))
    plain = clipped_sum(PLAN, PLAN.phases[0], states[0], shops[0], source=SeededNoise(1))
    with canaries.streams():
        assert contribution.customer_rows is not programme.customer_rows
        inside = clipped_sum(PLAN, PLAN.phases[0], states[0], shops[0], source=SeededNoise(1))
    assert contribution.customer_rows is programme.customer_rows
    assert contribution.gradient_task is programme.gradient_task
    assert np.array_equal(plain, inside)


def test_basket_canaries_come_out_of_featurisation_as_the_attacker_expects(shops, states):
    canaries, phase = BasketCanaries(6), PLAN.phases[0]
    joined = clipped_sum(PLAN, phase, states[0], canaries.join(shops[1], [1, 4]), source=SeededNoise(1))
    alone = clipped_sum(PLAN, phase, states[0], shops[1], source=SeededNoise(1))
    vectors = canaries.vectors(PLAN, phase, states[0], shops[0], [1, 4])
    assert np.allclose(joined - alone, vectors.sum(axis=0), atol=1e-6)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1], abs=1e-6)
    assert canaries.vectors(PLAN, PLAN.phases[1], states[1], shops[0], [1]) is None


def test_orthogonal_directions_are_orthogonal_in_every_phase():
    draw = orthogonal_directions(24, seed=3)
    for phase in PLAN.phases:
        found = draw(phase, range(24)).astype(np.float64)
        assert np.allclose(found @ found.T, np.eye(24), atol=1e-6)
    with pytest.raises(InvalidAuditError):
        orthogonal_directions(27, seed=3)(PLAN.phases[-1], [0])


def test_directions_of_two_phases_of_one_name_differ():
    first, second = [phase for phase in PLAN.phases if phase.name == "ranker"][:2]
    draw = random_directions(5)
    assert not np.allclose(draw(first, [0]), draw(second, [0]))
    assert np.array_equal(draw(first, [1]), draw(replace(first), [0, 1])[1:])
