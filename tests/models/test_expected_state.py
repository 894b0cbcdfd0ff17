"""Every honest state passes the check of its phase; nothing else of a state does."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from highstreet.models.errors import InvalidPlanError, InvalidStateError
from highstreet.models.plan import ModelPlan
from highstreet.models.programme import apply_sum, check_state, default_plan, initial_state
from highstreet.models.state import SharedState


def _states(plan: ModelPlan, *, size: float, noise: float, seed: int = 3) -> Iterator[SharedState]:
    """The state before each phase and after the last, from sums of this size."""
    generator = np.random.default_rng(seed)
    state = initial_state(plan)
    yield state
    for phase in plan.phases:
        total = generator.normal(size=phase.dimension) * size
        state = apply_sum(plan, phase, state, total, stores=3, noise_stddev=noise)
        yield state


@pytest.mark.parametrize("size", [0.0, 1.0, 1e4, 1e8])
@pytest.mark.parametrize("noise", [0.0, 10.0, 1e6])
def test_what_the_coordinators_steps_produce_is_expected(
    small_plan: ModelPlan, size: float, noise: float
) -> None:
    for done, state in enumerate(_states(small_plan, size=size, noise=noise)):
        check_state(small_plan, state, phases_done=done)


def test_the_steps_keep_to_the_bounds_at_the_ends_of_the_settings(
    small_schema, small_params: dict[str, float]
) -> None:
    for ridge, radius in ((1e-3, 1e3), (1e9, 1e-3)):
        params = {**small_params, "cooccurrence_ridge": ridge, "step_radius": radius}
        plan = default_plan(small_schema, noise_multiplier=1.0, gradient_rounds=3, params=params)
        for done, state in enumerate(_states(plan, size=1e6, noise=1e-9)):
            check_state(plan, state, phases_done=done)


def test_a_state_of_another_phase_is_refused(small_plan: ModelPlan) -> None:
    states = list(_states(small_plan, size=1.0, noise=1.0))
    releases_arrays = {"popularity": 0, "cooccurrence": 1, "curvature": 2, "evaluation": 5}
    for index in releases_arrays.values():
        for state, done in ((states[index], index + 1), (states[index + 1], index)):
            with pytest.raises(InvalidStateError):
                check_state(small_plan, state, phases_done=done)
    with pytest.raises(InvalidPlanError):
        check_state(small_plan, states[-1], phases_done=len(states))


def test_another_shape_dtype_or_an_extreme_number_in_any_array_is_refused(small_plan: ModelPlan) -> None:
    done = len(small_plan.phases)
    *_, final = _states(small_plan, size=1.0, noise=1.0)
    for name in final:
        array = np.array(final[name])
        other = np.float32 if array.dtype == np.float64 else np.float64
        planted = array.copy()
        planted.flat[-1] = 1e14
        for bad in (planted, array.astype(other), array[None], array[:0]):
            with pytest.raises(InvalidStateError, match=name):
                check_state(small_plan, final.updated({name: bad}), phases_done=done)
        without = SharedState({key: final[key] for key in final if key != name})
        with pytest.raises(InvalidStateError, match=name):
            check_state(small_plan, without, phases_done=done)
    with pytest.raises(InvalidStateError, match="foreign"):
        check_state(small_plan, final.updated({"foreign": np.zeros(1)}), phases_done=done)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cooccurrence/weights", 1e7),
        ("cooccurrence/weights", -1e7),
        ("ranker/whitening", 4001.0),
        ("ranker/weights", 8100.0),
        ("ranker/variance", -1.0),
        ("popularity/key_stddev", -1.0),
        ("evaluation/stddev", -1.0),
    ],
)
def test_a_number_beyond_its_own_bound_is_refused(small_plan: ModelPlan, name: str, value: float) -> None:
    *_, final = _states(small_plan, size=1.0, noise=1.0)
    planted = np.array(final[name])
    planted.flat[0] = value
    with pytest.raises(InvalidStateError, match=name):
        check_state(small_plan, final.updated({name: planted}), phases_done=len(small_plan.phases))
