"""Membership inference on single customers by the exact likelihood ratio, over many runs of the programme.

The attacker is the worst the guarantee speaks of: knows every other customer, every seed and state, and
what the customer would add; only whether the customer is in has to be found out. What is seen in a phase is
then normal around one of two known vectors, so the likelihood ratio of the whole programme is known exactly
and no test is better (Neyman and Pearson). It is the attack of Carlini et al. 2022 (arXiv:2112.03570) with
the distributions known in place of fitted ones.

`worst_case_ratios` attacks canaries that add all that clipping allows, `customer_ratios` a customer with
purchases like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from highstreet.client.contribution import clipped_sum
from highstreet.models.plan import ModelPlan
from highstreet.models.programme import initial_state
from highstreet.models.shop import ShopData
from highstreet.privacy.noise import NoiseSource
from highstreet.simulations.audits.canaries import DirectionCanaries, orthogonal_directions
from highstreet.simulations.audits.exposure import LEAST_NOISE, expose, likelihood_scores
from highstreet.simulations.audits.paths import Path

__all__ = ["Ratios", "customer_ratios", "worst_case_ratios"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ratios:
    """Log-likelihood ratios, in against out, one per trial.

    Attributes:
        inside: of the trials with the customer.
        outside: of those without.
        mu: separation that what the customer adds allows: sqrt of the sum over phases of (length / noise
            stddev)^2, mean over runs; what a perfect estimate from the ratios would give where nobody is
            sampled.
        runs: of the programme.
    """

    inside: NDArray[np.float64]
    outside: NDArray[np.float64]
    mu: float
    runs: int


def worst_case_ratios(
    plan: ModelPlan,
    shops: Sequence[ShopData],
    *,
    targets: int,
    path: Path,
    runs: int,
    seed: int,
    source: NoiseSource,
    shops_each: int = 1,
) -> Ratios:
    """Attack canaries that add a vector of the clipping norm in every phase.

    Each run holds several targets, each in by a coin of its own. Their directions are orthogonal, so neither
    do they disturb each other nor is the noise along one told by that along another: every target of every
    run is a trial of its own.

    Args:
        plan: with the noise that is really added.
        shops: without canaries.
        targets: in one run, at most the dimension of the smallest phase.
        path: how sums travel.
        runs: of the programme.
        seed: of directions and coins; not of the noise.
        source: of the noise, and of the samples.
        shops_each: k, of how many shops each canary is a customer, adding the same vector in all of them.
    """
    coins = np.random.default_rng([seed, 2])
    canaries = DirectionCanaries(targets, directions=orthogonal_directions(targets, seed=seed))
    scores, members, separations = [], [], []
    for _ in range(runs):
        included = coins.random(targets) < 0.5
        run = expose(plan, shops, canaries, included, path=path, source=source, shops_each=shops_each)
        scores.append(likelihood_scores(run))
        members.append(included)
        separations.append(shops_each * np.sqrt(sum(seen.noise_multiplier**-2 for seen in run.phases)))
    every, inside = np.concatenate(scores), np.concatenate(members)
    return Ratios(inside=every[inside], outside=every[~inside], mu=float(np.mean(separations)), runs=runs)


def customer_ratios(
    plan: ModelPlan,
    shops: Sequence[ShopData],
    *,
    path: Path,
    runs: int,
    seed: int,
    source: NoiseSource,
) -> Ratios:
    """Attack the first customer of the last shop; see `worst_case_ratios` for the arguments.

    What the customer adds depends on the state and so on earlier noise: the ratios are normal given the
    states, not altogether.
    """
    coins = np.random.default_rng([seed, 3])
    last = shops[-1]
    others = (*shops[:-1], last.select(np.arange(1, len(last.customer_ids))))
    included = coins.random(runs) < 0.5
    found = np.array([_run(plan, others, last, path, bool(is_in), source=source) for is_in in included])
    return Ratios(
        inside=found[included, 0],
        outside=found[~included, 0],
        mu=float(np.sqrt(found[:, 1]).mean()),
        runs=runs,
    )


def _run(
    plan: ModelPlan,
    others: Sequence[ShopData],
    joined: ShopData,
    path: Path,
    is_in: bool,
    *,
    source: NoiseSource,
) -> tuple[float, float]:
    """Return the log-likelihood ratio of one run and the squared separation it was seen at."""
    state, ratio, length = initial_state(plan), 0.0, 0.0
    view = path.view_of(len(others) - 1)
    for phase in plan.phases:
        without = [clipped_sum(plan, phase, state, shop, source=source) for shop in others]
        with_target = clipped_sum(plan, phase, state, joined, source=source)
        sums = [*without[:-1], with_target if is_in else without[-1]]
        seen = path.close(plan, phase, state, sums, source=source)
        known = sum(each for index, each in enumerate(without) if path.view_of(index) == view)
        stddev = max(seen.noise_multiplier, LEAST_NOISE) * phase.clipping_norm
        change = (with_target - without[-1]) / stddev
        squared = float(change @ change)
        ratio += float(change @ ((seen.views[view] - known) / stddev)) - squared / 2
        length += squared
        state = seen.state
    return ratio, length
