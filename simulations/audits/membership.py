"""Membership inference on single customers by the exact likelihood ratio, over many runs of the programme.

The attacker is the worst the guarantee speaks of: knows every other customer, every seed and state, and
what the customer would add; only whether the customer is in has to be found out. What is seen in a phase is
then normal around one of two known vectors, so the likelihood ratio of the whole programme is known exactly
and no test is better (Neyman and Pearson). It is the attack of Carlini et al. 2022 (arXiv:2112.03570) with
the distributions known in place of fitted ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from highstreet.client.contribution import clipped_sum
from highstreet.models.plan import ModelPlan, PhasePlan
from highstreet.models.programme import initial_state
from highstreet.models.shop import ShopData
from highstreet.models.state import SharedState
from highstreet.privacy.noise import NoiseSource
from highstreet.simulations.audits.canaries import Canaries
from highstreet.simulations.audits.exposure import LEAST_NOISE
from highstreet.simulations.audits.paths import Path

__all__ = ["Ratios", "Target", "likelihood_ratios"]

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Target:
    """One customer of the last shop, in and out.

    Attributes:
        shops: without the customer.
        joined: the last shop with the customer.
        canaries: whose streams the customer needs; see `canaries`.
    """

    shops: tuple[ShopData, ...]
    joined: ShopData
    canaries: Canaries

    @classmethod
    def canary(cls, shops: Sequence[ShopData], canaries: Canaries, number: int = 0) -> Target:
        """Return a canary as the target."""
        return cls(shops=tuple(shops), joined=canaries.join(shops[-1], [number]), canaries=canaries)

    @classmethod
    def customer(cls, shops: Sequence[ShopData], row: int, canaries: Canaries) -> Target:
        """Return a customer the last shop has already; the shop without them is made."""
        last = shops[-1]
        others = np.delete(np.arange(len(last.customer_ids)), row)
        return cls(shops=(*shops[:-1], last.select(others)), joined=last, canaries=canaries)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ratios:
    """Log-likelihood ratios, in against out, one per run.

    Attributes:
        inside: of the runs with the customer.
        outside: of those without.
        mu: mean over runs of the separation the customer's own contributions allow, sqrt of the sum over
            phases of (length / noise stddev)^2; what a perfect estimate of the attack would give.
    """

    inside: NDArray[np.float64]
    outside: NDArray[np.float64]
    mu: float


def likelihood_ratios(
    plan: ModelPlan,
    target: Target,
    *,
    path: Path,
    trials: int,
    coins: np.random.Generator,
    source: NoiseSource,
    step: Callable[[int], None] | None = None,
) -> Ratios:
    """Run the programme `trials` times, the target in or out by a fair coin, and score each run.

    Args:
        plan: with the noise that is really added.
        target: the customer.
        path: how sums travel.
        trials: number of runs.
        coins: of the coins; not of the noise.
        source: of the noise.
        step: told the runs done as work goes on.
    """
    first: dict[str, Vector] = {}
    included = coins.random(trials) < 0.5
    scores, lengths = np.zeros(trials), np.zeros(trials)
    for trial in range(trials):
        scores[trial], lengths[trial] = _run(
            plan, target, path, bool(included[trial]), source=source, first=first
        )
        if step is not None:
            step(trial + 1)
    return Ratios(inside=scores[included], outside=scores[~included], mu=float(np.sqrt(lengths).mean()))


def _run(
    plan: ModelPlan,
    target: Target,
    path: Path,
    is_in: bool,
    *,
    source: NoiseSource,
    first: dict[str, Vector],
) -> tuple[float, float]:
    """Return the log-likelihood ratio of one run and the squared separation it was seen at."""
    state, ratio, length = initial_state(plan), 0.0, 0.0
    view = path.view_of(len(target.shops) - 1)
    for phase in plan.phases:
        without = [
            _sum(plan, phase, state, shop, target.canaries, key=f"shop {index}", source=source, first=first)
            for index, shop in enumerate(target.shops)
        ]
        joined = _sum(
            plan, phase, state, target.joined, target.canaries, key="joined", source=source, first=first
        )
        sums = [*without[:-1], joined if is_in else without[-1]]
        seen = path.close(plan, phase, state, sums, source=source)
        known = sum(each for index, each in enumerate(without) if path.view_of(index) == view)
        stddev = max(seen.noise_multiplier, LEAST_NOISE) * phase.clipping_norm
        change = (joined - without[-1]) / stddev
        squared = float(change @ change)
        ratio += float(change @ ((seen.views[view] - known) / stddev)) - squared / 2
        length += squared
        state = seen.state
    return ratio, length


def _sum(
    plan: ModelPlan,
    phase: PhasePlan,
    state: SharedState,
    shop: ShopData,
    canaries: Canaries,
    *,
    key: str,
    source: NoiseSource,
    first: dict[str, Vector],
) -> Vector:
    """Return a store's sum; those of the first phase depend on no noise and are computed once."""
    if phase.index == 0 and key in first:
        return first[key]
    with canaries.streams():
        found = clipped_sum(plan, phase, state, shop, source=source)
    if phase.index == 0:
        first[key] = found
    return found
