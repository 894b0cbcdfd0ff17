"""What one store puts into a round's secure sum: the one path of the store service and the lab.

Sample the customers, take each one's clipped row or gradient times the customer's weight, add them up
(`clipped_sum`); put the sum on the grid and add this store's share of the noise (`contribute`). Nothing here
reads a clock, a file or a ledger: the caller has spent the budget before, and shares what comes out among the
round's committee.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from highstreet.models.group_weights import group_weights
from highstreet.models.plan import ModelPlan, PhaseKind, PhasePlan
from highstreet.models.programme import GradientTask, customer_rows, gradient_task
from highstreet.models.shop import ShopData
from highstreet.models.state import SharedState
from highstreet.privacy.clipping import clipped_row_sum
from highstreet.privacy.errors import UnsupportedReleaseError
from highstreet.privacy.noise import NoiseSource, SecureNoise, SeededNoise, require_secure
from highstreet.privacy.per_customer import batch_rows, clipped_gradient_sum
from highstreet.privacy.releases import GaussianRelease, customer_release
from highstreet.privacy.sampling import poisson_sample
from highstreet.privacy.shared_noise import DistributedMechanism
from highstreet.privacy.summing import compensated_sum

__all__ = [
    "Rehearsal",
    "clipped_sum",
    "contribute",
    "phase_release",
    "rehearse",
    "sum_over",
]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rehearsal:
    """A contribution with reproducible noise: for tests and the lab, never to be sent."""

    values: NDArray[np.int64]


def phase_release(phase: PhasePlan) -> GaussianRelease:
    """Describe a phase for the accountant and the ledger: one sum about a customer of one store."""
    return customer_release(noise_multiplier=phase.noise_multiplier, sampling_rate=phase.sampling_rate)


def contribute(
    plan: ModelPlan,
    phase: PhasePlan,
    state: SharedState,
    shop: ShopData,
    *,
    mechanism: DistributedMechanism,
    noise: SecureNoise,
) -> NDArray[np.int64]:
    """Return what this store puts into the secure sum of one phase: integers with its share of the noise.

    Guarantee: that of `DistributedMechanism` with `phase_release(phase)`, for a customer of this store added
    or removed, when it is seen in a sum of at least `mechanism.floor` stores only. Alone it has less noise
    than promised: it must not leave this store but as a contribution to the secure sum. Assumes that every
    row and gradient depends on its own customer's data and public values only.

    Args:
        plan: the programme.
        phase: the phase asked for.
        state: the released state to start from.
        shop: the customers whose spend is on record, and no others.
        mechanism: of the phase and the round's participants (`audit.requests.mechanism_of`).
        noise: of the sample and of the noise.

    Returns:
        int64, shape (phase.dimension,), in steps of `mechanism.grid_step`, modulo 2^31 - 1, centred.

    Raises:
        SeededNoiseError: the noise is anything but SecureNoise.
        PrivacyError: a customer's values are not finite or of the wrong shape.
    """
    secure = require_secure(noise)
    return mechanism.share(clipped_sum(plan, phase, state, shop, source=secure), source=secure)


def rehearse(
    plan: ModelPlan,
    phase: PhasePlan,
    state: SharedState,
    shop: ShopData,
    *,
    mechanism: DistributedMechanism,
    noise: SeededNoise,
) -> Rehearsal:
    """Do what `contribute` does with reproducible noise; the result is of a type that nobody sends."""
    return Rehearsal(
        values=mechanism.share(clipped_sum(plan, phase, state, shop, source=noise), source=noise)
    )


def clipped_sum(
    plan: ModelPlan, phase: PhasePlan, state: SharedState, shop: ShopData, *, source: NoiseSource
) -> NDArray[np.float64]:
    """Sample the customers of a phase and return the sum of what they contribute, without noise.

    Not private: for a mechanism, or the lab.

    Args:
        plan: the programme.
        phase: the phase asked for.
        state: the released state to start from.
        shop: all customers who could take part.
        source: of the Poisson sample; untouched when the sampling rate is 1.

    Returns:
        float64, shape (phase.dimension,).

    Raises:
        UnsupportedReleaseError: the phase samples and the shop has weights. Shops sample apart, and nothing
            is proven about the part of several small contributions that happens to be drawn. Whether a shop
            has weights is the plan's affair, not a customer's: the refusal tells of nobody.
    """
    if shop.weights is not None and phase.sampling_rate < 1:
        raise UnsupportedReleaseError("Customers with weights cannot be sampled.")
    count = len(shop.customer_ids)
    rows = poisson_sample(count, sampling_rate=phase.sampling_rate, source=source)
    return sum_over(plan, phase, state, shop if len(rows) == count else shop.select(rows))


def sum_over(plan: ModelPlan, phase: PhasePlan, state: SharedState, shop: ShopData) -> NDArray[np.float64]:
    """Return the clipped sum over every customer of this shop, sampled or not, each times its weight.

    Removing one customer from the shop changes it by at most the customer's weight times the phase's
    clipping norm; a customer of weight 0 is as if not there. So whoever has weights that add up to at most 1
    over several shops changes the sum over these shops by at most the clipping norm. Weights all 1 change
    no bit.
    """
    shop = _weighted_by_groups(phase, shop)
    counting = shop
    if shop.weights is not None and not (shop.weights > 0).all():
        counting = shop.select(np.flatnonzero(shop.weights > 0))  # first, so that nothing hangs on the others
    if counting.weights is None or (counting.weights == 1).all():
        return _sum_of_whole(plan, phase, state, counting)
    return compensated_sum(_weighted_blocks(plan, phase, state, counting), dimension=phase.dimension)


def _weighted_by_groups(phase: PhasePlan, shop: ShopData) -> ShopData:
    """Return the shop with the weights of a group-weighted objective, if any, on top of its own."""
    if phase.kind is not PhaseKind.GRADIENT or not phase.params:
        return shop
    weights = group_weights(phase.params, shop)
    return replace(shop, weights=weights if shop.weights is None else shop.weights * weights)


def _sum_of_whole(
    plan: ModelPlan, phase: PhasePlan, state: SharedState, shop: ShopData
) -> NDArray[np.float64]:
    """Sum up clipped contributions, weights aside."""
    if phase.kind is not PhaseKind.GRADIENT:
        return clipped_row_sum(
            customer_rows(plan, phase, state, shop),
            dimension=phase.dimension,
            clipping_norm=phase.clipping_norm,
        )
    task = gradient_task(plan, phase, state)
    return _gradient_sum(phase, task, shop, np.arange(len(shop.customer_ids)))


def _weighted_blocks(
    plan: ModelPlan, phase: PhasePlan, state: SharedState, shop: ShopData
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Yield (customers, weight times the clipped sum over them), weights in ascending order.

    Weights come after the clipping, or a small one would undo it. The extra rounding, of one product and one
    more compensated sum, is in the proof of `summing.ROUNDING_SLACK`.
    """
    weights = np.asarray(shop.weights)
    if phase.kind is PhaseKind.GRADIENT:
        task = gradient_task(plan, phase, state)
        for weight in np.unique(weights):
            rows = np.flatnonzero(weights == weight)
            yield len(rows), weight * _gradient_sum(phase, task, shop, rows)
        return
    start = 0
    for chunk in customer_rows(plan, phase, state, shop):
        here = weights[start : start + len(chunk)]
        start += len(chunk)
        for weight in np.unique(here):
            rows = chunk[here == weight]
            total = clipped_row_sum([rows], dimension=phase.dimension, clipping_norm=phase.clipping_norm)
            yield len(rows), weight * total


def _gradient_sum(
    phase: PhasePlan, task: GradientTask, shop: ShopData, rows: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Sum up the clipped gradients of these customers."""
    step = batch_rows(phase.dimension)

    def batches() -> Iterator[tuple[object, ...]]:
        for start in range(0, len(rows), step):
            yield task.examples(shop, rows[start : start + step])

    return clipped_gradient_sum(
        task.module,
        task.loss,
        batches(),  # type: ignore[arg-type]  # tensors, named by the task; this file needs no torch
        dimension=phase.dimension,
        clipping_norm=phase.clipping_norm,
    )
