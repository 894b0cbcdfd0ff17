"""The programmes that are audited: as claimed at an epsilon, and the same with less noise than claimed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from highstreet.client.contribution import phase_release
from highstreet.models.plan import ModelPlan
from highstreet.models.programme import default_plan
from highstreet.models.schema import FeatureSchema
from highstreet.privacy.accountant import epsilon as epsilon_of
from highstreet.privacy.calibration import calibrate_noise_multiplier

__all__ = ["SMALL_PARAMS", "SMALL_SCHEMA", "claimed_epsilon", "claimed_plan", "with_noise_share"]

#: A small feature space for audits of many runs; privacy does not depend on its size.
SMALL_SCHEMA = FeatureSchema(
    key_buckets=256,
    category_buckets=16,
    product_type_buckets=32,
    brand_buckets=16,
    maker_buckets=32,
    size_buckets=16,
)
SMALL_PARAMS: Mapping[str, float] = {
    "token_keys": 16.0,
    "candidates": 16.0,
    "own_candidates": 6.0,
    "snapshots": 1.0,
}


def claimed_plan(
    epsilon: float,
    *,
    delta: float,
    schema: FeatureSchema | None = None,
    params: Mapping[str, float] | None = None,
    shares: Mapping[str, float] | None = None,
    gradient_rounds: int = 4,
    gradient_sampling_rate: float = 1.0,
) -> ModelPlan:
    """Return the default programme whose phases together cost this epsilon, for a customer at a store.

    Args:
        epsilon: claimed for the whole programme.
        delta: claimed with it.
        schema: the default one when None.
        params: overrides of the model's public numbers.
        shares: of the budget, by phase name.
        gradient_rounds: ranker rounds.
        gradient_sampling_rate: of customers in them.
    """

    def plan(noise_multiplier: float) -> ModelPlan:
        return default_plan(
            schema,
            noise_multiplier=noise_multiplier,
            params=params,
            shares=shares,
            gradient_rounds=gradient_rounds,
            gradient_sampling_rate=gradient_sampling_rate,
        )

    releases = [phase_release(phase) for phase in plan(1.0).phases]
    factor = calibrate_noise_multiplier(releases, epsilon=epsilon, delta=delta, tolerance=1e-5)
    return plan(factor)


def claimed_epsilon(plan: ModelPlan, *, delta: float) -> float:
    """Return what the shipped accountant says of the programme."""
    return epsilon_of([phase_release(phase) for phase in plan.phases], delta=delta)


def with_noise_share(plan: ModelPlan, share: float) -> ModelPlan:
    """Return the programme with its noise scaled down: 0 turns the noise off.

    Only audits may run it: its claim is another than that of the plan it was made from.
    """
    phases = tuple(replace(phase, noise_multiplier=phase.noise_multiplier * share) for phase in plan.phases)
    return replace(plan, phases=phases)
