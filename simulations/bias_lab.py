"""`highstreet lab bias`: tables of bias for the benchmark's model, run by run, resumed where it stopped."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import highstreet.models
import highstreet.privacy
from highstreet.audit.charter import RoundTerms
from highstreet.files import write_private
from highstreet.models.errors import InvalidPlanError
from highstreet.models.group_weights import refuse_odd_weights
from highstreet.models.local import fit_alone, fit_local
from highstreet.models.plan import ModelPlan, PhaseKind
from highstreet.models.schema import FeatureSchema
from highstreet.models.serving import Recommender
from highstreet.simulations import bias_groups, bias_judging
from highstreet.simulations.bias_groups import ProductClasses, groups_of_units, product_classes, with_groups
from highstreet.simulations.bias_judging import judge_bias
from highstreet.simulations.bias_tables import Measured, bias_tables, in_markdown
from highstreet.simulations.conditions import Condition, Kind, Placement, choose, conditions_for
from highstreet.simulations.journey import JOURNEY_NOTE, load_journey
from highstreet.simulations.judging import units_of
from highstreet.simulations.lab import thinned
from highstreet.simulations.protocol import Federation, LabStore, Protocol, Split, build_federation
from highstreet.simulations.provenance import commit as commit_of_the_code
from highstreet.simulations.secure_sums import round_terms
from highstreet.simulations.training import plan_for, train

__all__ = ["BiasRequest", "run_bias", "weights_of"]

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BiasRequest:
    """What was asked for.

    Attributes:
        out: folder for runs and report.
        epsilons: at delta 1e-5.
        seeds: of each condition that draws at random.
        weights: ATTRIBUTE.CELL -> weight, of one more training at each epsilon with a group-weighted
            objective; empty for none.
        fit_until, predict: weeks.
        stores: only so many shops; None for all.
        catalogue_size: products ranked, at most.
    """

    out: Path
    epsilons: tuple[float, ...] = (1.0, 3.0)
    seeds: int = 5
    weights: tuple[tuple[str, float], ...] = ()
    fit_until: int = 45
    predict: tuple[int, int] = (46, 53)
    stores: int | None = None
    catalogue_size: int = 5000


def weights_of(texts: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """Read weights as typed.

    >>> weights_of(["age_band.45_54=0.5"])
    (('age_band.45_54', 0.5),)

    Raises:
        InvalidPlanError: one is not ATTRIBUTE.CELL=WEIGHT.
    """
    found = []
    for text in texts:
        name, _, value = text.partition("=")
        try:
            found.append((name, float(value)))
        except ValueError as error:
            raise InvalidPlanError(
                f"{text!r} is no weight of a group.", next_step="Write it as age_band.45_54=0.5."
            ) from error
    refuse_odd_weights(dict(found))
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """A condition, with or without a group-weighted objective."""

    condition: Condition
    weights: tuple[tuple[str, float], ...] = ()

    @property
    def name(self) -> str:
        return self.condition.name + ("-weighted" if self.weights else "")

    @property
    def title(self) -> str:
        return self.condition.title + (", groups weighted" if self.weights else "")


def run_bias(request: BiasRequest, *, say: Say) -> list[Path]:
    """Run what is missing, write the report after every run, and return its paths."""
    refuse_odd_weights(dict(request.weights))
    commit, schema = commit_of_the_code(), FeatureSchema()
    federation = _federation(request, schema)
    classes, units = product_classes(federation, schema), units_of(federation)
    rounds = round_terms(len(federation.training))
    say(f"{len(federation.stores)} shops, {federation.customers} pairs, {federation.units} judged")
    ways = list(_ways(request))
    done: dict[str, list[NDArray[np.float64]]] = {way.name: [] for way in ways}
    paths: list[Path] = []
    for seed in range(1, request.seeds + 1):
        for way in ways:
            place = request.out / "runs" / f"bias-{way.name}-seed{seed}-{_digest(request, way)}.npz"
            if not place.exists():
                values = _values(federation, classes, schema, way, seed, rounds, say)
                _save(place, values)
            done[way.name].append(_load(place))
            say(f"{way.title}, seed {seed}: done")
            found = Measured(
                values={each.name: np.stack(done[each.name]) for each in ways if done[each.name]},
                titles={each.name: each.title for each in ways},
                persons=units.person,
                groups=groups_of_units(federation),
            )
            paths = _report(request, found, federation, commit)
    return paths


def _federation(request: BiasRequest, schema: FeatureSchema) -> Federation:
    split = Split.rolling(fit_until=request.fit_until, predict=request.predict)
    protocol = Protocol(split=split, catalogue_size=request.catalogue_size)
    return with_groups(thinned(build_federation(load_journey(), protocol, schema), request.stores))


def _ways(request: BiasRequest) -> Sequence[_Way]:
    private = [f"epsilon-{epsilon:g}-in-sum" for epsilon in request.epsilons]
    chosen = choose(conditions_for(request.epsilons), ["alone", "no-privacy", *private])
    ways = [_Way(condition=each) for each in chosen]
    if request.weights:
        ways += [_Way(condition=each, weights=request.weights) for each in chosen if each.epsilon is not None]
    return ways


def _values(
    federation: Federation,
    classes: ProductClasses,
    schema: FeatureSchema,
    way: _Way,
    seed: int,
    rounds: RoundTerms,
    say: Say,
) -> NDArray[np.float64]:
    """Train as the benchmark does, let every shop go on by itself, and judge what it serves."""
    condition = way.condition
    plan = _weighted(plan_for(schema, condition.epsilon), dict(way.weights))
    release = None
    if condition.kind is Kind.COOP:
        release = train(
            plan,
            [store.shop for store in federation.training],
            placement=condition.placement,
            seed=seed,
            first_sums={},
            step=lambda what, done, total: None,
            rounds=rounds if condition.placement is Placement.ONCE_IN_SUM else None,
        )
        say(f"{way.title}, seed {seed}: trained")

    def scores(index: int, store: LabStore) -> NDArray[np.floating]:
        generator = np.random.default_rng((seed, index))
        model = (
            fit_alone(plan, store.shop, generator=generator)
            if release is None
            else fit_local(plan, release, store.shop, generator=generator)
        )
        return Recommender(model, store.shop).scores(store.judged)

    return judge_bias(federation, classes, scores)


def _weighted(plan: ModelPlan, weights: dict[str, float]) -> ModelPlan:
    phases = [
        replace(phase, params=weights if phase.kind is PhaseKind.GRADIENT else {}) for phase in plan.phases
    ]
    return replace(plan, phases=tuple(phases))


def _digest(request: BiasRequest, way: _Way) -> str:
    """Name everything that a result depends on: another digest, another result."""
    plain = {name: str(value) for name, value in asdict(request).items() if name not in {"out", "seeds"}}
    digest = hashlib.sha256(f"{sorted(plain.items())} {way}".encode())
    folders = [Path(room.__path__[0]) for room in (highstreet.models, highstreet.privacy)]
    files = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    for path in [*files, Path(bias_groups.__file__), Path(bias_judging.__file__)]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _save(place: Path, values: NDArray[np.float64]) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()
    np.savez_compressed(content, values=values.astype(np.float32))
    write_private(place, content.getvalue())


def _load(place: Path) -> NDArray[np.float64]:
    with np.load(place, allow_pickle=False) as kept:
        return np.asarray(kept["values"], dtype=np.float64)


def _report(request: BiasRequest, found: Measured, federation: Federation, commit: str) -> list[Path]:
    tables = bias_tables(found)
    split = federation.protocol.split
    seeds = {name: len(values) for name, values in found.values.items()}
    facts = (
        f"{JOURNEY_NOTE}. {len(federation.stores)} shops, {federation.units:,} judged (shop, household) "
        f"pairs, {split}; seeds run: {', '.join(f'{name} {count}' for name, count in seeds.items())}. "
        f"Served models, intervals of 95 % clustered by household. Commit {commit}."
    )
    words = "# Bias: who is served how well, and which products are shown\n\n" + facts + "\n\n"
    request.out.mkdir(parents=True, exist_ok=True)
    page, data = request.out / "bias.md", request.out / "bias.json"
    page.write_text(words + in_markdown(tables), encoding="utf-8")
    plain = {"facts": facts, "commit": commit, "seeds": seeds, "tables": [asdict(each) for each in tables]}
    data.write_text(json.dumps(plain, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return [page, data]
