"""Training in one process: the stores' and the coordinator's own code, without the network between them.

Each store's sum comes from `client.contribution.clipped_sum`, the state moves by `server.aggregation` and
`models.programme.apply_sum`. Three ways of adding noise:

- every store its own, as real stores do: integers through the mechanism, added up by the coordinator's
`close_phase`; - once in the sum, as a secure sum would: stores' integers without noise are added up and one
  mechanism's noise comes on top, here centrally;
- none, which is no mechanism at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from highstreet.client.contribution import clipped_sum, phase_mechanism, phase_release
from highstreet.models.plan import ModelPlan, PhasePlan
from highstreet.models.programme import apply_sum, default_plan, initial_state
from highstreet.models.schema import FeatureSchema
from highstreet.models.shop import ShopData
from highstreet.models.state import SharedState
from highstreet.privacy.calibration import calibrate_noise_multiplier
from highstreet.privacy.noise import SeededNoise
from highstreet.server.aggregation import close_phase
from highstreet.simulations.conditions import DELTA, Placement

__all__ = ["FirstSums", "plan_for", "train"]

Step = Callable[[str, int, int], None]
FirstSums = dict[tuple[str, int], NDArray[np.float64]]


def plan_for(schema: FeatureSchema, epsilon: float | None) -> ModelPlan:
    """Return the default programme at an epsilon (with DELTA, for a customer at a store), or without noise.

    The noise multiplier is calibrated over the programme's releases by the shipped accountant.
    """
    if epsilon is None:
        return default_plan(schema, noise_multiplier=0.0)
    shape = default_plan(schema, noise_multiplier=1.0)
    releases = [phase_release(phase) for phase in shape.phases]
    factor = calibrate_noise_multiplier(releases, epsilon=epsilon, delta=DELTA)
    return default_plan(schema, noise_multiplier=factor)


def train(
    plan: ModelPlan,
    shops: Sequence[ShopData],
    *,
    placement: Placement,
    seed: int,
    first_sums: FirstSums,
    step: Step,
) -> SharedState:
    """Run every phase over every shop and return the last state, which is what a release holds.

    Args:
        plan: the programme; without noise its placement must be NOBODY.
        shops: every member's data, all customers consenting.
        placement: who adds the noise.
        seed: of the noise and the sampling.
        first_sums: clipped sums of the first phase by plan and shop, filled and reused: they depend on no
            noise.
        step: told (phase, shops done, shops) as work goes on.
    """
    state = initial_state(plan)
    for phase in plan.phases:
        source = SeededNoise(_mixed(seed, phase.index))
        sums = []
        for index, shop in enumerate(shops):
            sums.append(_store_sum(plan, phase, state, shop, index, source, first_sums))
            step(f"{phase.name} {phase.index + 1}/{len(plan.phases)}", index + 1, len(shops))
        state = _close(plan, phase, state, sums, placement=placement, source=source)
    return state


def _store_sum(
    plan: ModelPlan,
    phase: PhasePlan,
    state: SharedState,
    shop: ShopData,
    index: int,
    source: SeededNoise,
    first_sums: FirstSums,
) -> NDArray[np.float64]:
    if phase.index > 0 or phase.sampling_rate < 1:
        return clipped_sum(plan, phase, state, shop, source=source)
    key = (f"{sorted(plan.params.items())} {plan.schema.sha256()}", index)
    if key not in first_sums:
        first_sums[key] = clipped_sum(plan, phase, state, shop, source=source)
    return first_sums[key]


def _close(
    plan: ModelPlan,
    phase: PhasePlan,
    state: SharedState,
    sums: Sequence[NDArray[np.float64]],
    *,
    placement: Placement,
    source: SeededNoise,
) -> SharedState:
    if placement is Placement.NOBODY:
        total = np.sum(sums, axis=0)
        return apply_sum(plan, phase, state, total, stores=len(sums), noise_stddev=0.0)
    mechanism = phase_mechanism(phase)
    if placement is Placement.EVERY_STORE:
        return close_phase(plan, phase, state, [mechanism.privatise(each, source=source) for each in sums])
    integers = np.sum([mechanism.encode(each) for each in sums], axis=0, dtype=np.int64)
    noisy = mechanism.decode(integers + mechanism.noise(source))
    return apply_sum(plan, phase, state, noisy, stores=len(sums), noise_stddev=mechanism.noise_stddev)


def _mixed(seed: int, phase: int) -> int:
    return seed * 1000 + phase
