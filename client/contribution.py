"""What one store adds to a round: the one path of the store service and the lab, and later of the secure sum.

Sample the customers, take each one's clipped row or gradient, add them up (`clipped_sum`); put the sum on the
grid and add noise (`contribute`). Nothing here reads a clock, a file or a ledger: the caller has spent the
budget before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from highstreet.models.plan import ModelPlan, PhaseKind, PhasePlan
from highstreet.models.programme import customer_rows, gradient_task
from highstreet.models.shop import ShopData
from highstreet.models.state import SharedState
from highstreet.privacy.clipping import clipped_row_sum
from highstreet.privacy.mechanism import GaussianMechanism
from highstreet.privacy.noise import NoiseSource, SecureNoise, SeededNoise, require_secure
from highstreet.privacy.per_customer import batch_rows, clipped_gradient_sum
from highstreet.privacy.releases import GaussianRelease, customer_release
from highstreet.privacy.sampling import poisson_sample

__all__ = [
    "Rehearsal",
    "clipped_sum",
    "contribute",
    "phase_mechanism",
    "phase_release",
    "rehearse",
    "sum_over",
]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rehearsal:
    """A contribution with reproducible noise: for tests and the lab, never to be sent."""

    values: NDArray[np.int64]


def phase_mechanism(phase: PhasePlan) -> GaussianMechanism:
    """Return the mechanism of a phase; a phase without noise has none.

    Raises:
        InvalidReleaseError: the phase's noise multiplier is 0 or out of range.
    """
    return GaussianMechanism(
        dimension=phase.dimension,
        clipping_norm=phase.clipping_norm,
        noise_multiplier=phase.noise_multiplier,
    )


def phase_release(phase: PhasePlan) -> GaussianRelease:
    """Describe a phase for the accountant and the ledger: one sum about a customer of one store."""
    return customer_release(noise_multiplier=phase.noise_multiplier, sampling_rate=phase.sampling_rate)


def contribute(
    plan: ModelPlan, phase: PhasePlan, state: SharedState, shop: ShopData, *, noise: SecureNoise
) -> NDArray[np.int64]:
    """Return what leaves the store in one phase: noisy integers, each within 32 bits.

    Guarantee: `phase_release(phase)`, for a customer of this store added or removed, against everybody
    outside the store. Assumes that every row and gradient depends on its own customer's data and public
    values only.

    Args:
        plan: the programme.
        phase: the phase asked for.
        state: the released state to start from.
        shop: the customers whose spend is on record, and no others.
        noise: of the sample and of the noise.

    Returns:
        int64, shape (phase.dimension,), in steps of `phase_mechanism(phase).grid_step`.

    Raises:
        SeededNoiseError: the noise is anything but SecureNoise.
        PrivacyError: the phase has no noise, or a customer's values are not finite or of the wrong shape.
    """
    return _noisy(plan, phase, state, shop, require_secure(noise))


def rehearse(
    plan: ModelPlan, phase: PhasePlan, state: SharedState, shop: ShopData, *, noise: SeededNoise
) -> Rehearsal:
    """Do what `contribute` does with reproducible noise; the result is of a type that nobody sends."""
    return Rehearsal(values=_noisy(plan, phase, state, shop, noise))


def clipped_sum(
    plan: ModelPlan, phase: PhasePlan, state: SharedState, shop: ShopData, *, source: NoiseSource
) -> NDArray[np.float64]:
    """Sample the customers of a phase and return the sum of what they contribute, without noise.

    Not private: for a mechanism, a secure sum, or the lab.

    Args:
        plan: the programme.
        phase: the phase asked for.
        state: the released state to start from.
        shop: all customers who could take part.
        source: of the Poisson sample; untouched when the sampling rate is 1.

    Returns:
        float64, shape (phase.dimension,).
    """
    count = len(shop.customer_ids)
    rows = poisson_sample(count, sampling_rate=phase.sampling_rate, source=source)
    return sum_over(plan, phase, state, shop if len(rows) == count else shop.select(rows))


def sum_over(plan: ModelPlan, phase: PhasePlan, state: SharedState, shop: ShopData) -> NDArray[np.float64]:
    """Return the clipped sum over every customer of this shop, sampled or not.

    Removing one customer from the shop changes it by at most the phase's clipping norm.
    """
    if phase.kind is not PhaseKind.GRADIENT:
        return clipped_row_sum(
            customer_rows(plan, phase, state, shop),
            dimension=phase.dimension,
            clipping_norm=phase.clipping_norm,
        )
    task = gradient_task(plan, phase, state)
    step = batch_rows(phase.dimension)

    def batches() -> Iterator[tuple[object, ...]]:
        for start in range(0, len(shop.customer_ids), step):
            yield task.examples(shop, np.arange(start, min(start + step, len(shop.customer_ids))))

    return clipped_gradient_sum(
        task.module,
        task.loss,
        batches(),  # type: ignore[arg-type]  # tensors, named by the task; this file needs no torch
        dimension=phase.dimension,
        clipping_norm=phase.clipping_norm,
    )


def _noisy(
    plan: ModelPlan, phase: PhasePlan, state: SharedState, shop: ShopData, source: NoiseSource
) -> NDArray[np.int64]:
    mechanism = phase_mechanism(phase)
    return mechanism.privatise(clipped_sum(plan, phase, state, shop, source=source), source=source)
