"""One run of a whole programme with canaries in it, and what an attacker makes of all that was seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import binom

from highstreet.client.contribution import clipped_sum, sum_over
from highstreet.models.plan import ModelPlan, PhasePlan
from highstreet.models.programme import initial_state
from highstreet.models.shop import ShopData
from highstreet.models.state import SharedState
from highstreet.privacy.noise import NoiseSource
from highstreet.simulations.audits.canaries import Canaries
from highstreet.simulations.audits.paths import Path
from highstreet.simulations.errors import InvalidAuditError

__all__ = [
    "LEAST_NOISE",
    "Exposure",
    "PhaseExposure",
    "expose",
    "joint_scores",
    "likelihood_scores",
    "matched_scores",
    "store_of",
]

#: Stands in for no noise, in clipping norms: about what rounding to the grid leaves.
LEAST_NOISE = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PhaseExposure:
    """What was seen of the canaries in one phase.

    Attributes:
        phase: as run.
        state: before the phase.
        residuals: (views, dimension), float32, what was seen less what everybody but the canaries added, in
            clipping norms: the attacker knows everybody else.
        noise_multiplier: of the noise in a view, in clipping norms, at least LEAST_NOISE.
    """

    phase: PhasePlan
    state: SharedState
    residuals: NDArray[np.float32]
    noise_multiplier: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Exposure:
    """A run seen by an attacker who knows all but which canaries took part.

    `shops_each` is k: of how many shops every canary is a customer.
    """

    plan: ModelPlan
    shop: ShopData
    stores: int
    canaries: Canaries
    path: Path
    phases: tuple[PhaseExposure, ...]
    included: NDArray[np.bool_]
    shops_each: int = 1


def store_of(number: int, *, stores: int) -> int:
    """Return the store a canary is a customer of: the last one, the last but one, and so on.

    Stores that collude are the first ones; they have canaries too, which get what every customer gets.
    """
    return stores - 1 - number % stores


def expose(
    plan: ModelPlan,
    shops: Sequence[ShopData],
    canaries: Canaries,
    included: NDArray[np.bool_],
    *,
    path: Path,
    source: NoiseSource,
    shops_each: int = 1,
) -> Exposure:
    """Run every phase of the programme with the canaries that are in, by the stores' own code.

    Args:
        plan: with the noise that is really added; a multiplier of 0 adds none.
        shops: without canaries.
        canaries: spread over the shops evenly.
        included: (canaries,) who takes part, for the whole programme.
        path: how sums travel.
        source: of the noise, and of the samples. Where a phase samples, the shops must have no customers of
            their own: what others added would not be known.
        shops_each: k, of how many shops each canary is a customer; above 1 all shops must be seen in one
            view.

    Raises:
        InvalidAuditError: fewer shops than k, or several views or samples that this does not reckon with.
    """
    stores = len(shops)
    _refuse_unknown(plan, shops, path, shops_each)
    members = [
        [
            n
            for n in np.flatnonzero(included).tolist()
            if (store_of(n, stores=stores) - store) % stores < shops_each
        ]
        for store in range(stores)
    ]
    joined = [canaries.join(shop, numbers) for shop, numbers in zip(shops, members, strict=True)]
    state, phases = initial_state(plan), []
    for phase in plan.phases:
        with canaries.streams():
            sums = [clipped_sum(plan, phase, state, shop, source=source) for shop in joined]
        others = [sum_over(plan, phase, state, shop) for shop in shops]
        seen = path.close(plan, phase, state, sums, source=source)
        known = np.zeros((len(seen.views), phase.dimension))
        for store, each in enumerate(others):
            known[path.view_of(store)] += each
        residuals = (np.stack(seen.views) - known) / phase.clipping_norm
        phases.append(
            PhaseExposure(
                phase=phase,
                state=state,
                residuals=residuals.astype(np.float32),
                noise_multiplier=max(seen.noise_multiplier, LEAST_NOISE),
            )
        )
        state = seen.state
    return Exposure(
        plan=plan,
        shop=shops[0],
        stores=stores,
        canaries=canaries,
        path=path,
        phases=tuple(phases),
        included=included,
        shops_each=shops_each,
    )


def matched_scores(run: Exposure) -> NDArray[np.float64]:
    """Return for every canary the inner product of its vectors with what was seen, phases weighted.

    A phase weighs by signal over variance: 1 / (z^2 + k / d), where z is its noise multiplier and k the
    canaries in a view, each of which adds 1 / d of variance in d dimensions. For two sets of canaries in one
    view the scores differ by inclusion alone, so they can be compared with each other.
    """
    scores = np.zeros(run.canaries.count)
    for view, numbers in _by_view(run).items():
        crowd = float(run.included[numbers].sum())
        for seen in run.phases:
            vectors = _vectors(run, seen, numbers)
            if vectors is not None:
                weight = 1 / (seen.noise_multiplier**2 + crowd / seen.phase.dimension)
                scores[numbers] += weight * (vectors @ seen.residuals[view]).astype(np.float64)
    return scores


def likelihood_scores(run: Exposure) -> NDArray[np.float64]:
    """Return the log-likelihood ratio of each canary, in against out, for canaries that are orthogonal.

    With u the canary's vector of length 1, r what was seen and z the noise multiplier, a canary that took
    part j times in a phase moves r by j u: the ratio is exp((j u'r - j^2 / 2) / z^2), averaged over
    j ~ Binomial(k, q) for a customer of k shops sampled at rate q; j = k without sampling. Phases add up.
    Orthogonal canaries do not enter each other's.
    """
    scores = np.zeros(run.canaries.count)
    times = np.arange(run.shops_each + 1)
    for view, numbers in _by_view(run).items():
        for seen in run.phases:
            vectors = _vectors(run, seen, numbers)
            if vectors is not None:
                along = (vectors @ seen.residuals[view]).astype(np.float64)[:, None]
                chances = binom.logpmf(times, run.shops_each, seen.phase.sampling_rate)
                ratios = (times * along - times**2 / 2) / seen.noise_multiplier**2
                scores[numbers] += logsumexp(ratios + chances, axis=1)
    return scores


def joint_scores(run: Exposure) -> NDArray[np.float64]:
    """Return for every canary the expected coin given everything seen, less one half.

    All canaries are guessed together, over all phases: with A the canaries' vectors in a phase (columns), z
    its noise multiplier and coins of mean 1/2 and variance 1/4 taken for normal, the posterior mean x
    solves (4 I + sum of A'A / z^2) (x - 1/2) = sum of A'(seen - A 1/2) / z^2. Canaries in different views
    do not meet.
    """
    scores = np.zeros(run.canaries.count)
    for view, numbers in _by_view(run).items():
        precision = 4.0 * np.eye(len(numbers))
        evidence = np.zeros(len(numbers))
        for seen in run.phases:
            vectors = _vectors(run, seen, numbers)
            if vectors is None:
                continue
            centred = seen.residuals[view] - vectors.sum(axis=0) / 2
            precision += (vectors @ vectors.T) / seen.noise_multiplier**2
            evidence += (vectors @ centred) / seen.noise_multiplier**2
        scores[numbers] = np.linalg.solve(precision, evidence)
    return scores


def _refuse_unknown(plan: ModelPlan, shops: Sequence[ShopData], path: Path, shops_each: int) -> None:
    """Refuse what the attacker's knowledge would be wrong about."""
    if not 1 <= shops_each <= len(shops):
        raise InvalidAuditError(f"Nobody is a customer of {shops_each} of {len(shops)} shops.")
    if shops_each > 1 and len({path.view_of(store) for store in range(len(shops))}) > 1:
        raise InvalidAuditError("A person in several shops is attacked where all of them are in one view.")
    if any(phase.sampling_rate < 1 for phase in plan.phases) and any(shop.customer_ids for shop in shops):
        raise InvalidAuditError(
            "Where customers are sampled, what those who are no canaries add is not known."
        )


def _vectors(run: Exposure, seen: PhaseExposure, numbers: NDArray[np.int64]) -> NDArray[np.float32] | None:
    return run.canaries.vectors(run.plan, seen.phase, seen.state, run.shop, numbers.tolist())


def _by_view(run: Exposure) -> dict[int, NDArray[np.int64]]:
    """Return the canaries by the view they can be seen in."""
    numbers = np.arange(run.canaries.count)
    views = np.array(
        [run.path.view_of(store_of(n, stores=run.stores)) for n in numbers.tolist()], dtype=np.int64
    )
    return {int(view): numbers[views == view] for view in np.unique(views)}
