"""Training in one process: the stores' and the coordinator's own code, without the network between them.

A store's sum comes from `client.contribution.clipped_sum`, the state moves by `models.programme.apply_sum`.
Three ways of adding noise:

- once in the sum, as a co-op does: every store adds its share of the noise, shares out what comes of it to a
  committee, and only the sum is opened (`secure_sums`);
- every store its own, for comparison only: each sum carries the whole noise and is seen by the coordinator;
- none, which is no mechanism at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from highstreet.audit.charter import RoundTerms
from highstreet.audit.drafting import draft_plan
from highstreet.audit.requests import mechanism_under
from highstreet.client.contribution import clipped_sum
from highstreet.models.plan import ModelPlan, PhasePlan
from highstreet.models.programme import apply_sum, initial_state
from highstreet.models.schema import FeatureSchema
from highstreet.models.shop import ShopData
from highstreet.models.state import SharedState
from highstreet.privacy.mechanism import GaussianMechanism
from highstreet.privacy.noise import SeededNoise
from highstreet.privacy.releases import Weighting
from highstreet.simulations.conditions import DELTA, Placement
from highstreet.simulations.person_weights import STORES_PER_PERSON
from highstreet.simulations.secure_sums import OneProcessCoop, round_terms

__all__ = ["FirstSums", "plan_for", "shops_per_person", "train"]

Step = Callable[[str, int, int], None]
#: Adds the stores' sums of a phase up: the sum with its noise, and the noise's stddev per coordinate in it.
_Adder = Callable[[PhasePlan, Sequence[NDArray[np.float64]], SeededNoise], tuple[NDArray[np.float64], float]]
FirstSums = dict[tuple[str, int], NDArray[np.float64]]


def plan_for(
    schema: FeatureSchema, epsilon: float | None, weighting: Weighting = Weighting.WHOLE
) -> ModelPlan:
    """Return the default programme at an epsilon with DELTA, or without noise, as a charter gets it."""
    return draft_plan(
        epsilon=epsilon,
        delta=DELTA,
        weighting=weighting,
        shops_per_person=STORES_PER_PERSON,
        schema=schema,
    )


def shops_per_person(weighting: Weighting) -> int:
    """Return in how many shops' rounding a person takes part that the mechanism must pay for."""
    return 1 if weighting is Weighting.WHOLE else STORES_PER_PERSON


def train(
    plan: ModelPlan,
    shops: Sequence[ShopData],
    *,
    placement: Placement,
    seed: int,
    first_sums: FirstSums,
    step: Step,
    rounds: RoundTerms | None = None,
    weighting: Weighting = Weighting.WHOLE,
) -> SharedState:
    """Run every phase over every shop and return the last state, which is what a release holds.

    Args:
        plan: the programme; without noise its placement must be NOBODY.
        shops: every member's data, all customers consenting, with the weights of `weighting`.
        placement: who adds the noise.
        seed: of the noise and the sampling.
        first_sums: clipped sums of the first phase by plan, weighting and shop, filled and reused: they
            depend on no noise.
        step: told (phase, shops done, shops) as work goes on.
        rounds: how secure sums are held; `round_terms` of so many shops when None.
        weighting: of contributions; the noise in a sum allows for what rounding costs with it.

    Raises:
        TooFewStoresError: the noise is to be added in the sum, and there are too few shops for one.
    """
    add = _adder(plan, placement, rounds, stores=len(shops), most_shops=shops_per_person(weighting))
    state = initial_state(plan)
    for phase in plan.phases:
        source = SeededNoise(_mixed(seed, phase.index))
        sums = []
        for index, shop in enumerate(shops):
            sums.append(_store_sum(plan, phase, state, shop, (weighting, index), source, first_sums))
            step(f"{phase.name} {phase.index + 1}/{len(plan.phases)}", index + 1, len(shops))
        total, noise_stddev = add(phase, sums, source)
        state = apply_sum(plan, phase, state, total, stores=len(sums), noise_stddev=noise_stddev)
    return state


def _store_sum(
    plan: ModelPlan,
    phase: PhasePlan,
    state: SharedState,
    shop: ShopData,
    which: tuple[Weighting, int],
    source: SeededNoise,
    first_sums: FirstSums,
) -> NDArray[np.float64]:
    if phase.index > 0 or phase.sampling_rate < 1:
        return clipped_sum(plan, phase, state, shop, source=source)
    weighting, index = which
    key = (f"{sorted(plan.params.items())} {plan.schema.sha256()} {weighting}", index)
    if key not in first_sums:
        first_sums[key] = clipped_sum(plan, phase, state, shop, source=source)
    return first_sums[key]


def _adder(
    plan: ModelPlan, placement: Placement, rounds: RoundTerms | None, *, stores: int, most_shops: int
) -> _Adder:
    if placement is Placement.NOBODY:
        return _plain_sum
    if placement is Placement.EVERY_STORE:
        return _sum_of_noisy_sums
    terms = rounds or round_terms(stores)
    coop = OneProcessCoop(stores, terms)

    def secure_sum(
        phase: PhasePlan, sums: Sequence[NDArray[np.float64]], source: SeededNoise
    ) -> tuple[NDArray[np.float64], float]:
        mechanism = mechanism_under(
            phase,
            terms,
            participants=stores,
            clients_per_store=plan.clients_per_store,
            shops_per_person=most_shops,
        )
        addends = {index: partial(mechanism.share, each, source=source) for index, each in enumerate(sums)}
        opened = coop.add(addends, round_number=phase.index, dimension=phase.dimension)
        return mechanism.decode(opened.values), mechanism.noise_stddev(contributors=len(opened.contributors))

    return secure_sum


def _plain_sum(
    _phase: PhasePlan, sums: Sequence[NDArray[np.float64]], _source: SeededNoise
) -> tuple[NDArray[np.float64], float]:
    return np.sum(sums, axis=0), 0.0


def _sum_of_noisy_sums(
    phase: PhasePlan, sums: Sequence[NDArray[np.float64]], source: SeededNoise
) -> tuple[NDArray[np.float64], float]:
    """Add up sums that each carry the whole noise of the phase."""
    mechanism = GaussianMechanism(
        dimension=phase.dimension,
        clipping_norm=phase.clipping_norm,
        noise_multiplier=phase.noise_multiplier,
    )
    total: NDArray[np.int64] = np.add.reduce([mechanism.privatise(each, source=source) for each in sums])
    return mechanism.decode(total), mechanism.noise_stddev * math.sqrt(len(sums))


def _mixed(seed: int, phase: int) -> int:
    return seed * 1000 + phase
