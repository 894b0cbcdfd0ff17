"""A programme: what every store computes in each phase, and what the coordinator does with the noisy sums.

All of it is pure. A customer's row or gradient depends on that customer's own purchases, on public values (plan,
schema, the shop's catalogue) and on already released state, never on another customer. Coordinators and stores run
the same code, whether one process plays all stores or each store is a machine.

The programme of the rung `statistics-ranker`:

1. `popularity` (statistics): recency-weighted counts per public product key and per attribute.
2. `cooccurrence` (statistics): what is bought by the same people, over the keys and categories phase 1 names.
3. `curvature` (statistics): second moments of the ranker's features, so that few gradient rounds are enough.
4. `ranker` (gradient, a few rounds): weights of a ranker over features of a customer's own history.
5. `evaluation` (evaluation): how well the release ranks the days held out, summed over customers.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from highstreet.models.plan import ModelPlan, PhaseKind, PhasePlan
from highstreet.models.ranker import GradientTask
from highstreet.models.schema import FeatureSchema
from highstreet.models.shop import ShopData
from highstreet.models.state import SharedState
from numpy.typing import NDArray

__all__ = [
    "RUNG",
    "GradientTask",
    "ModelPlan",
    "PhaseKind",
    "PhasePlan",
    "apply_sum",
    "customer_rows",
    "default_plan",
    "gradient_task",
    "initial_state",
]

RUNG = "statistics-ranker"


def default_plan(
    schema: FeatureSchema | None = None,
    *,
    noise_multiplier: float,
    clients_per_store: int = 75,
    gradient_rounds: int = 4,
    gradient_sampling_rate: float = 1.0,
    params: dict[str, float] | None = None,
) -> ModelPlan:
    """Return the programme with public defaults.

    Args:
        schema: the feature space; the default one when None.
        noise_multiplier: of one full-batch Gaussian release worth the *whole* programme. Each phase gets a share s
            of it and the multiplier noise_multiplier / sqrt(s), shares adding to 1, so that the full-batch phases
            together cost exactly what the one release would (Gaussian mechanisms compose in 1 / multiplier^2).
            0 for no privacy (lab only).
        clients_per_store: public constant for denominators.
        gradient_rounds: number of ranker rounds, 0 to 32.
        gradient_sampling_rate: Poisson sampling over customers in the ranker rounds.
        params: overrides of the model's public numbers by name.
    """
    raise NotImplementedError


def initial_state(plan: ModelPlan) -> SharedState:
    """Return the state before phase 0: public values only."""
    raise NotImplementedError


def customer_rows(
    plan: ModelPlan, phase: PhasePlan, state: SharedState, shop: ShopData
) -> Iterator[NDArray[np.float64]]:
    """Yield chunks (b, dimension) with one row per customer, in order, for a STATISTICS or EVALUATION phase.

    Rows are not clipped here. They are built so that their norm is at most the clipping norm already.
    """
    raise NotImplementedError


def gradient_task(plan: ModelPlan, phase: PhasePlan, state: SharedState) -> GradientTask:
    """Return what a store trains in a GRADIENT phase."""
    raise NotImplementedError


def apply_sum(
    plan: ModelPlan,
    phase: PhasePlan,
    state: SharedState,
    noisy_sum: NDArray[np.float64],
    *,
    stores: int,
    noise_stddev: float,
) -> SharedState:
    """Return the state after a phase.

    Args:
        plan: the programme.
        phase: the phase whose sum this is.
        state: the state stores computed the phase from.
        noisy_sum: (dimension,), sum over stores of clipped rows or gradients, noise included.
        stores: number of stores in the sum.
        noise_stddev: stddev of the noise in the sum, per coordinate.
    """
    raise NotImplementedError
