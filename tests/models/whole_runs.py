"""Whole programmes over made-up shops, without the secure sum: every row looked at, every phase applied."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from highstreet.models.plan import ModelPlan, PhaseKind, PhasePlan
from highstreet.models.programme import apply_sum, customer_rows, gradient_task, initial_state
from highstreet.models.shop import ShopData
from highstreet.models.state import SharedState


def single_gradients(
    plan: ModelPlan, phase: PhasePlan, state: SharedState, shop: ShopData
) -> NDArray[np.float64]:
    """Per-customer gradients by a loop over single customers, each in a batch of its own."""
    rows: list[NDArray[np.float64]] = []
    task = gradient_task(plan, phase, state)
    for customer in range(len(shop.customer_ids)):
        inputs, *targets = task.examples(shop, np.array([customer]))
        loss = task.loss(task.module(inputs), *targets)
        assert loss.shape == (1,)
        (gradient,) = torch.autograd.grad(loss.sum(), list(task.module.parameters()))
        rows.append(gradient.flatten().double().numpy())
    return np.stack(rows) if rows else np.zeros((0, phase.dimension))


def contributions(
    plan: ModelPlan, phase: PhasePlan, state: SharedState, shop: ShopData
) -> NDArray[np.float64]:
    """Unclipped rows of every customer of a shop, (customers, dimension)."""
    if phase.kind is PhaseKind.GRADIENT:
        return single_gradients(plan, phase, state, shop)
    chunks = list(customer_rows(plan, phase, state, shop))
    return np.concatenate(chunks) if chunks else np.zeros((0, phase.dimension))


def clipped_sum(rows: NDArray[np.float64], clipping_norm: float) -> NDArray[np.float64]:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows * np.minimum(1.0, clipping_norm / np.maximum(norms, 1e-12))).sum(axis=0)


def run(
    plan: ModelPlan, shops: list[ShopData], *, until: int | None = None, noise: float = 0.0
) -> SharedState:
    """Run the phases before `until` over whole shops, with this much noise in each sum."""
    generator = np.random.default_rng(5)
    state = initial_state(plan)
    for phase in plan.phases[:until]:
        sums = [clipped_sum(contributions(plan, phase, state, shop), phase.clipping_norm) for shop in shops]
        total = np.sum(sums, axis=0) + generator.normal(size=phase.dimension) * noise
        state = apply_sum(plan, phase, state, total, stores=len(shops), noise_stddev=noise)
    return state
