"""Leaving out customers a phase cannot be computed for, each judged alone, so that no refusal tells of one.

Whether a customer's values are finite can depend on what that customer bought and on a state that the
coordinator sent: finite, but so extreme that only the rows of those who bought one product overflow. A
refusal would then answer a question about a single customer, without noise and at no cost to the budget. So
a customer for whom a phase cannot be computed adds nothing, as if not there. That is decided from this
customer, the public plan and the released state alone: removing a customer still changes the sum by at most
the clipping norm.
"""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from highstreet.client.contribution import contribute, sum_over
from highstreet.models.plan import ModelPlan, PhasePlan
from highstreet.models.shop import ShopData
from highstreet.models.state import SharedState
from highstreet.privacy.noise import SecureNoise
from highstreet.privacy.shared_noise import DistributedMechanism

__all__ = ["computable", "contribute_regardless"]

_LOG = logging.getLogger("highstreet.rounds")


def contribute_regardless(
    plan: ModelPlan,
    phase: PhasePlan,
    state: SharedState,
    shop: ShopData,
    *,
    mechanism: DistributedMechanism,
) -> NDArray[np.int64]:
    """Return what this store puts into the sum of one phase, whatever is in the customers' histories.

    Guarantee: that of `contribute`. Whether it raises depends on the plan, the state and this computer, not
    on whose histories the shop holds: what fails for some customers is computed without those, and what fails
    for all is computed over nobody. The first attempt left nothing, and the second draws its own sample and
    noise, so what comes out is distributed as if those customers were not there.

    Raises:
        Exception: it cannot be computed over nobody either.
    """
    try:
        return contribute(plan, phase, state, shop, mechanism=mechanism, noise=SecureNoise())
    except Exception as error:  # noqa: BLE001 - whichever error a customer causes, it must not be told
        _LOG.warning("phase %s: could not be computed at first (%s)", phase.name, type(error).__name__)
    kept = computable(plan, phase, state, shop)
    left_out = len(shop.customer_ids) - len(kept.customer_ids)
    _LOG.warning("phase %s: %d customers add nothing, it cannot be computed for them", phase.name, left_out)
    return contribute(plan, phase, state, kept, mechanism=mechanism, noise=SecureNoise())


def computable(plan: ModelPlan, phase: PhasePlan, state: SharedState, shop: ShopData) -> ShopData:
    """Return the shop with those customers only for whom alone the phase can be computed.

    By halving: what can be computed for many is not tried one by one.
    """
    kept = _kept(plan, phase, state, shop, np.arange(len(shop.customer_ids), dtype=np.int64))
    return shop.select(np.array(kept, dtype=np.int64))


def _kept(
    plan: ModelPlan, phase: PhasePlan, state: SharedState, shop: ShopData, rows: NDArray[np.int64]
) -> list[int]:
    if len(rows) == 0 or _is_computable(plan, phase, state, shop.select(rows)):
        return [int(row) for row in rows]
    if len(rows) == 1:
        return []
    halves = np.array_split(rows, 2)
    return [row for half in halves for row in _kept(plan, phase, state, shop, half)]


def _is_computable(plan: ModelPlan, phase: PhasePlan, state: SharedState, shop: ShopData) -> bool:
    try:
        return bool(np.isfinite(sum_over(plan, phase, state, shop)).all())
    except Exception:  # noqa: BLE001 - see `contribute_regardless`
        return False
