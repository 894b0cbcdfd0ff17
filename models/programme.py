"""A programme: what every store computes in each phase, and what the coordinator does with the noisy sums.

All of it is pure. A customer's row or gradient depends on that customer's own purchases, on public values
(plan, schema, the shop's catalogue) and on already released state, never on another customer. Coordinators
and stores run the same code, whether one process plays all stores or each store is a machine.

The programme of the rung `statistics-ranker`:

1. `popularity` (statistics): recency-weighted counts per public product key and per attribute.
2. `cooccurrence` (statistics): what is bought by the same people, over the keys and categories phase 1 names.
3. `curvature` (statistics): second moments of the ranker's features, so that few gradient rounds are enough.
4. `ranker` (gradient, a few rounds): weights of a ranker over features of a customer's own history.
5. `evaluation` (evaluation): how well the release ranks the days held out, summed over customers.
6. `bias` (evaluation), where the charter asks for it: the same by groups of customers, and which products the
   release shows (`models.bias_rows`).

Phases of one name follow each other, in this order, so that nothing moves a model after it was measured.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from highstreet.models import bias_rows, cooccurrence, popularity
from highstreet.models.cooccurrence import apply_cooccurrence, cooccurrence_rows
from highstreet.models.errors import InvalidPlanError, InvalidStateError, PhaseOrderError
from highstreet.models.evaluation import METRICS, apply_evaluation, evaluation_rows
from highstreet.models.expected_state import expected_arrays, refuse_unexpected
from highstreet.models.features import FEATURES, INITIAL_WEIGHTS
from highstreet.models.group_weights import refuse_odd_weights, weighted_attributes
from highstreet.models.plan import ModelPlan, PhaseKind, PhasePlan
from highstreet.models.popularity import apply_popularity, popularity_rows
from highstreet.models.ranker import (
    GradientTask,
    RankerTask,
    apply_curvature,
    apply_gradient,
    curvature_dimension,
    curvature_rows,
)
from highstreet.models.schema import FeatureSchema
from highstreet.models.settings import Settings
from highstreet.models.shop import ShopData
from highstreet.models.state import SharedState

__all__ = [
    "CLIENTS_PER_STORE",
    "RUNG",
    "GradientTask",
    "ModelPlan",
    "PhaseKind",
    "PhasePlan",
    "apply_sum",
    "check_plan",
    "check_state",
    "customer_rows",
    "default_plan",
    "gradient_task",
    "initial_state",
    "measured_parts",
    "needed_attributes",
]

RUNG = "statistics-ranker"
#: Customers of a store that means are taken over, unless a plan says otherwise.
CLIENTS_PER_STORE = 75
_SHARES = {"popularity": 0.30, "cooccurrence": 0.35, "curvature": 0.05, "ranker": 0.25, "evaluation": 0.05}
#: Of the bias phase, where there is one.
_SHARE_OF_BIAS = 0.10


def default_plan(
    schema: FeatureSchema | None = None,
    *,
    noise_multiplier: float,
    clients_per_store: int = CLIENTS_PER_STORE,
    gradient_rounds: int = 4,
    gradient_sampling_rate: float = 1.0,
    params: Mapping[str, float] | None = None,
    shares: Mapping[str, float] | None = None,
    measured: Collection[str] = (),
) -> ModelPlan:
    """Return the programme with public defaults.

    Args:
        schema: the feature space; the default one when None.
        noise_multiplier: of one full-batch Gaussian release worth the *whole* programme. Each phase gets a
            share s of it and the multiplier noise_multiplier / sqrt(s), shares adding to 1, so that the
            full-batch phases together cost exactly what the one release would (Gaussian mechanisms compose
            in 1 / multiplier^2). 0 for no privacy (lab only).
        clients_per_store: public constant for denominators.
        gradient_rounds: number of ranker rounds, 0 to 32.
        gradient_sampling_rate: Poisson sampling over customers in the ranker rounds; the share of a sampled
            round is then an upper bound on what it costs.
        params: overrides of the model's public numbers by name; see Settings. `holdout_days` above 0 adds the
            evaluation phase.
        shares: relative shares of the budget by phase name, scaled to add to 1 over the phases there are.
        measured: parts of the bias phase (`models.bias_rows.PARTS`); without any there is no such phase.

    Raises:
        InvalidPlanError: a number is out of range, a part or phase unknown, or parts are to be measured on no
            days.
    """
    public = schema or FeatureSchema()
    settings = Settings.from_params({**Settings().to_params(), **(params or {})})
    if not 0 <= gradient_rounds <= _MAX_ROUNDS:
        raise InvalidPlanError(f"A programme has 0 to {_MAX_ROUNDS} ranker rounds, not {gradient_rounds}.")
    names = ["popularity", "cooccurrence", "curvature", *["ranker"] * gradient_rounds]
    names += ["evaluation"] if settings.holdout_days > 0 else []
    names += ["bias"] if measured else []
    parts = bias_rows.parts_as_params(measured)
    if measured and not settings.holdout_days:
        raise _nothing_held_out("bias")
    weights = _phase_shares(names, {**_SHARES, "bias": _SHARE_OF_BIAS, **(shares or {})})
    phases = tuple(
        PhasePlan(
            index=index,
            name=name,
            kind=_KINDS[name],
            dimension=_dimension(name, public, settings, parts),
            clipping_norm=_clipping_norm(name, settings, parts),
            noise_multiplier=noise_multiplier / math.sqrt(weight),
            sampling_rate=gradient_sampling_rate if name == "ranker" else 1.0,
            params=parts if name == "bias" else {},
        )
        for index, (name, weight) in enumerate(zip(names, weights, strict=True))
    )
    return ModelPlan(
        schema=public,
        rung=RUNG,
        phases=phases,
        clients_per_store=clients_per_store,
        params=settings.to_params(),
    )


def check_plan(plan: ModelPlan) -> Settings:
    """Check that this code can run a plan as it stands, and return its settings.

    Raises:
        InvalidPlanError: another rung, an unknown phase, one out of order (a round of training after the
            measurement is), or a dimension or clipping norm that does not follow from the settings. A store
            runs this on every charter before it signs.
    """
    if plan.rung != RUNG:
        raise InvalidPlanError(
            f"The model family {plan.rung!r} is not known here.", next_step="Update Highstreet and try again."
        )
    settings = Settings.from_params(plan.params)
    for phase in plan.phases:
        _check_phase(plan, phase, settings)
    names = [phase.name for phase in plan.phases]
    if [name for name, _ in groupby(names)] != [name for name in _KINDS if name in names]:
        raise InvalidPlanError("The phases of the programme are not in their order.")
    for name in ("evaluation", "bias"):
        if name in names and not settings.holdout_days:
            raise _nothing_held_out(name)
    if names.count("bias") > 1:
        raise InvalidPlanError("The programme measures bias twice; its figures would have two values.")
    return settings


def measured_parts(plan: ModelPlan) -> tuple[str, ...]:
    """Return the parts that a plan's bias phase measures; none where it has no such phase."""
    return tuple(name for phase in plan.phases if phase.name == "bias" for name in phase.params)


def needed_attributes(phase: PhasePlan) -> tuple[str, ...]:
    """Return what a phase needs to know of customers beside their purchases; public, as the plan is."""
    if phase.kind is PhaseKind.GRADIENT:
        return weighted_attributes(phase.params)
    return bias_rows.declared_parts(phase.params)


def check_state(plan: ModelPlan, state: SharedState, *, phases_done: int) -> None:
    """Check that a state is one that the first `phases_done` phases of a plan can give.

    For a state or a release from outside, before anything is spent on it or fitted to it; a release has all
    phases done. See `highstreet.models.expected_state` for the bounds.

    Raises:
        InvalidPlanError: this code cannot run the plan, or it has fewer phases.
        InvalidStateError: an array is missing, foreign, of another shape or dtype, or out of bounds.
    """
    settings = check_plan(plan)
    if not 0 <= phases_done <= len(plan.phases):
        raise InvalidPlanError(f"The plan has no {phases_done} phases.")
    refuse_unexpected(state, expected_arrays(plan, settings, phases_done=phases_done))


def initial_state(plan: ModelPlan) -> SharedState:
    """Return the state before phase 0: public values only."""
    check_plan(plan)
    return SharedState(
        {
            "ranker/weights": INITIAL_WEIGHTS,
            # Error variance of the initial weights in whitened coordinates: a guess, about one unit off.
            "ranker/variance": np.array([1.0]),
        }
    )


def customer_rows(
    plan: ModelPlan, phase: PhasePlan, state: SharedState, shop: ShopData
) -> Iterator[NDArray[np.float64]]:
    """Yield chunks (b, dimension) with one row per customer, in order, for a STATISTICS or EVALUATION phase.

    Rows are not clipped here. They are built so that their norm is at most the default clipping norm already.
    """
    settings = check_plan(plan)
    _require(phase, state)
    if phase.name == "popularity":
        return popularity_rows(plan.schema, settings, shop)
    if phase.name == "cooccurrence":
        return cooccurrence_rows(plan.schema, settings, state, shop)
    if phase.name == "curvature":
        return curvature_rows(plan.schema, settings, state, shop, seed=_seed(settings, phase))
    if phase.name == "evaluation":
        return evaluation_rows(plan.schema, settings, state, shop)
    if phase.name == "bias":
        return bias_rows.bias_rows(plan.schema, settings, state, shop, parts=tuple(phase.params))
    raise PhaseOrderError(f"Phase {phase.index} ({phase.name}) has gradients, not rows.")


def gradient_task(plan: ModelPlan, phase: PhasePlan, state: SharedState) -> GradientTask:
    """Return what a store trains in a GRADIENT phase."""
    settings = check_plan(plan)
    if phase.kind is not PhaseKind.GRADIENT:
        raise PhaseOrderError(f"Phase {phase.index} ({phase.name}) has rows, not gradients.")
    _require(phase, state)
    return RankerTask(plan.schema, settings, state, seed=_seed(settings, phase))


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
    settings = check_plan(plan)
    _require(phase, state)
    if noisy_sum.shape != (phase.dimension,) or not np.isfinite(noisy_sum).all():
        raise InvalidStateError(
            f"The sum of phase {phase.index} ({phase.name}) has a wrong length or is not finite."
        )
    if stores < 1 or not math.isfinite(noise_stddev) or noise_stddev < 0:
        raise InvalidStateError("A sum needs at least one store and a finite noise stddev.")
    total = noisy_sum.astype(np.float64)
    denominator = plan.clients_per_store * stores * phase.sampling_rate
    if phase.name == "popularity":
        return apply_popularity(plan.schema, settings, state, total, noise_stddev=noise_stddev)
    if phase.name == "cooccurrence":
        return apply_cooccurrence(settings, state, total, noise_stddev=noise_stddev)
    if phase.name == "curvature":
        return apply_curvature(settings, state, total, denominator=denominator, noise_stddev=noise_stddev)
    if phase.name == "ranker":
        return apply_gradient(settings, state, total, denominator=denominator, noise_stddev=noise_stddev)
    if phase.name == "bias":
        return bias_rows.apply_bias(state, total, noise_stddev=noise_stddev)
    return apply_evaluation(state, total, noise_stddev=noise_stddev)


_MAX_ROUNDS = 32
_KINDS = {
    "popularity": PhaseKind.STATISTICS,
    "cooccurrence": PhaseKind.STATISTICS,
    "curvature": PhaseKind.STATISTICS,
    "ranker": PhaseKind.GRADIENT,
    "evaluation": PhaseKind.EVALUATION,
    "bias": PhaseKind.EVALUATION,
}
_NEEDS = {
    "popularity": (),
    "cooccurrence": ("popularity/key",),
    "curvature": ("popularity/key",),
    "ranker": ("popularity/key", "ranker/whitening"),
    "evaluation": ("popularity/key",),
    "bias": ("popularity/key",),
}


def _check_phase(plan: ModelPlan, phase: PhasePlan, settings: Settings) -> None:
    if phase.name not in _KINDS or phase.kind is not _KINDS[phase.name]:
        raise InvalidPlanError(f"Phase {phase.index} ({phase.name}, {phase.kind}) is not known here.")
    if phase.params and phase.name not in {"bias", "ranker"}:
        raise InvalidPlanError(f"Phase {phase.index} ({phase.name}) has params; it takes none.")
    if phase.name == "ranker":
        refuse_odd_weights(phase.params)
    if phase.dimension != _dimension(phase.name, plan.schema, settings, phase.params):
        raise InvalidPlanError(f"Phase {phase.index} ({phase.name}) does not fit the model's settings.")
    if phase.name == "bias" and phase.clipping_norm != _clipping_norm("bias", settings, phase.params):
        raise InvalidPlanError(f"Phase {phase.index} (bias) clips rows, which would bend its figures.")
    if phase.kind is not PhaseKind.GRADIENT and phase.sampling_rate != 1.0:
        raise InvalidPlanError(f"Phase {phase.index} ({phase.name}) takes every customer or it is biased.")


def _require(phase: PhasePlan, state: SharedState) -> None:
    missing = [name for name in (*_NEEDS.get(phase.name, ()), "ranker/weights") if name not in state]
    if missing:
        raise PhaseOrderError(
            f"Phase {phase.index} ({phase.name}) needs {', '.join(missing)}, which the state does not hold."
        )


def _seed(settings: Settings, phase: PhasePlan) -> int:
    return settings.sampling_seed + 1000 * phase.index


def _phase_shares(names: list[str], shares: Mapping[str, float]) -> list[float]:
    if set(shares) - set(_KINDS) or any(not 0 < share < math.inf for share in shares.values()):
        raise InvalidPlanError("Budget shares must be positive numbers for known phases.")
    total = sum(shares[name] for name in set(names))
    return [shares[name] / total / names.count(name) for name in names]


def _nothing_held_out(name: str) -> InvalidPlanError:
    article = "an" if name == "evaluation" else "a"
    return InvalidPlanError(
        f"The programme has {article} {name} phase, but no days are kept out of training for it.",
        next_step=f"Set holdout_days to 1 or more, 14 for example, or leave the {name} phase out.",
    )


def _dimension(name: str, schema: FeatureSchema, settings: Settings, parts: Mapping[str, float]) -> int:
    if name == "popularity":
        return popularity.dimension(schema)
    if name == "cooccurrence":
        return cooccurrence.dimension(settings)
    if name == "bias":
        return len(bias_rows.bias_coordinates(bias_rows.parts_of_params(parts)))
    return {"curvature": curvature_dimension(), "ranker": len(FEATURES), "evaluation": len(METRICS)}[name]


def _clipping_norm(name: str, settings: Settings, parts: Mapping[str, float]) -> float:
    if name == "curvature":
        return settings.curvature_clipping_norm
    if name == "ranker":
        return settings.gradient_clipping_norm
    if name == "bias":
        return bias_rows.bias_norm(bias_rows.parts_of_params(parts))
    return math.sqrt(len(METRICS)) if name == "evaluation" else 1.0
