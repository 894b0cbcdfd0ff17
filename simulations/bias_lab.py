"""`highstreet lab bias`: tables of bias for the benchmark's model, run by run, resumed where it stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from highstreet.models.errors import InvalidPlanError
from highstreet.models.group_weights import refuse_odd_weights
from highstreet.models.schema import FeatureSchema
from highstreet.simulations.bias_findings import Measured, findings_of
from highstreet.simulations.bias_groups import groups_of_units, product_classes, with_groups
from highstreet.simulations.bias_judging import judge_purchases
from highstreet.simulations.bias_report import BiasFacts, write_bias_report
from highstreet.simulations.bias_runs import BiasBench, Run, Way
from highstreet.simulations.bias_tables import called
from highstreet.simulations.conditions import choose, conditions_for
from highstreet.simulations.journey import load_journey
from highstreet.simulations.judging import units_of
from highstreet.simulations.lab import thinned
from highstreet.simulations.protocol import (
    Federation,
    Protocol,
    Split,
    build_federation,
    refuse_nobody_judged,
)
from highstreet.simulations.provenance import command
from highstreet.simulations.provenance import commit as commit_of_the_code
from highstreet.simulations.replay_report import machine
from highstreet.simulations.report_files import ready_folder
from highstreet.simulations.secure_sums import round_terms

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
        InvalidPlanError: one is not ATTRIBUTE.CELL=WEIGHT, or a group is named twice.
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
    if len(dict(found)) < len(found):  # the last one would count, and nothing say so
        raise InvalidPlanError("A group was given two weights.", next_step="Give each group once.")
    return tuple(found)


def run_bias(request: BiasRequest, *, say: Say) -> list[Path]:
    """Run what is missing, write the report after every run, and return its paths."""
    refuse_odd_weights(dict(request.weights))
    ready_folder(request.out / "runs")
    commit, schema = commit_of_the_code(), FeatureSchema()
    federation = _federation(request, schema)
    classes = product_classes(federation, schema)
    bench = BiasBench(
        federation=federation,
        classes=classes,
        schema=schema,
        rounds=round_terms(len(federation.training)),
        folder=request.out / "runs",
    )
    say(f"{len(federation.stores)} shops, {federation.customers} pairs, {federation.units} judged")
    ways, units, groups = _ways(request), units_of(federation), groups_of_units(federation)
    bought = judge_purchases(federation, classes)
    done: dict[str, list[Run]] = {}
    paths: list[Path] = []
    for way, seed in _in_order(ways, request.seeds):
        if not bench.place(way, seed).exists():
            bench.run(way, seed, commit=commit, step=_told(say, f"{way.title}, seed {seed}"))
        done.setdefault(way.name, []).append(bench.load(way, seed))
        say(f"{way.title}, seed {seed}: done")
        measured = Measured(
            values={
                each.name: np.stack([run.values for run in done[each.name]])
                for each in ways
                if each.name in done
            },
            purchases=bought,
            persons=units.person,
            stores=units.store,
            groups=groups,
        )
        paths = write_bias_report(request.out, _facts(federation, ways, done), findings_of(measured))
    return paths


def _federation(request: BiasRequest, schema: FeatureSchema) -> Federation:
    split = Split.rolling(fit_until=request.fit_until, predict=request.predict)
    protocol = Protocol(split=split, catalogue_size=request.catalogue_size)
    federation = thinned(build_federation(load_journey(), protocol, schema), request.stores)
    refuse_nobody_judged(federation)
    return with_groups(federation)


def _ways(request: BiasRequest) -> Sequence[Way]:
    private = [f"epsilon-{epsilon:g}-in-sum" for epsilon in request.epsilons]
    chosen = choose(conditions_for(request.epsilons), ["popularity", "alone", "no-privacy", *private])
    ways = [Way(condition=each) for each in chosen]
    if request.weights:
        ways += [Way(condition=each, weights=request.weights) for each in chosen if each.epsilon is not None]
    return ways


def _in_order(ways: Sequence[Way], seeds: int) -> list[tuple[Way, int]]:
    """What draws nothing at random once, then seed after seed."""
    steady = [(way, 1) for way in ways if not way.condition.is_random]
    return steady + [(way, seed) for seed in range(1, seeds + 1) for way in ways if way.condition.is_random]


def _told(say: Say, what: str) -> Callable[[str, int, int], None]:
    """Say when a part of a run is through."""

    def step(part: str, finished: int, total: int) -> None:
        if finished == total:
            say(f"{what}: {part}")

    return step


def _facts(federation: Federation, ways: Sequence[Way], done: Mapping[str, Sequence[Run]]) -> BiasFacts:
    ran = [way for way in ways if way.name in done]
    return BiasFacts(
        note=federation.note,
        split=str(federation.protocol.split),
        shops=len(federation.stores),
        judged=federation.units,
        persons=len(np.unique(units_of(federation).person)),
        products=len(federation.catalogue),
        conditions={called(way.name): f"{way.title}, {_seeds(len(done[way.name]))}" for way in ran},
        command=command(),
        commits=tuple(sorted({run.commit for runs in done.values() for run in runs})),
        machine=machine(),
        finished_at=datetime.now(tz=UTC).isoformat(timespec="seconds"),
    )


def _seeds(count: int) -> str:
    return "one seed" if count == 1 else f"{count} seeds"
