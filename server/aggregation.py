"""The coordinator's arithmetic: the opened sum of the stores moves the state one phase on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from highstreet.models.plan import ModelPlan, PhasePlan
from highstreet.models.programme import apply_sum
from highstreet.models.state import SharedState
from highstreet.privacy.shared_noise import DistributedMechanism

__all__ = ["close_phase"]


def close_phase(
    plan: ModelPlan,
    phase: PhasePlan,
    state: SharedState,
    total: NDArray[np.int64],
    *,
    mechanism: DistributedMechanism,
    contributors: int,
) -> SharedState:
    """Return the state after a phase.

    Args:
        plan: the programme.
        phase: the phase that ends.
        state: the state the stores computed from.
        total: the stores' integers added up modulo p, shape (dimension,), in grid steps; each with its share
            of the noise.
        mechanism: whose shares they are (`audit.requests.mechanism_of`).
        contributors: how many stores are in the sum; a public number, and so is the noise it makes.
    """
    return apply_sum(
        plan,
        phase,
        state,
        mechanism.decode(total),
        stores=contributors,
        noise_stddev=mechanism.noise_stddev(contributors=contributors),
    )
