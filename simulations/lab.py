"""The lab bench: reads data, runs what is missing of a replay, keeps results and reports up to date."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from highstreet.audit.charter import RoundTerms
from highstreet.models.schema import FeatureSchema
from highstreet.simulations.conditions import Condition, Placement, choose, conditions_for
from highstreet.simulations.errors import InvalidSplitError
from highstreet.simulations.journey import load_journey
from highstreet.simulations.judging import units_of
from highstreet.simulations.newcomers import NEWCOMER_CUSTOMERS, with_newcomers
from highstreet.simulations.person_weights import persons_in_more_shops
from highstreet.simulations.protocol import (
    Federation,
    Protocol,
    Split,
    build_federation,
    parse_weeks,
    refuse_nobody_judged,
)
from highstreet.simulations.provenance import command
from highstreet.simulations.provenance import commit as commit_of_the_code
from highstreet.simulations.replay import Job, jobs_for, replay
from highstreet.simulations.replay_report import RunFacts, machine, write_reports
from highstreet.simulations.replay_tables import tables_of_summary
from highstreet.simulations.results import ResultsFolder
from highstreet.simulations.secure_sums import round_terms
from highstreet.simulations.summary import summarise
from highstreet.simulations.tables import load_tables

__all__ = ["Request", "run_replay", "thinned"]

_LINKS = {
    "gtin": "bar code (for the Complete Journey a stand-in made of the retailer's product number)",
    "descriptors": "public attributes only",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked for on the command line; see `highstreet lab replay --help`."""

    out: Path
    data: Path | None
    fit_until: int
    predict: str
    catalogue_until: int | None
    epsilons: tuple[float, ...]
    seeds: int
    conditions: tuple[str, ...]
    stores: int | None
    minimum_customers: int
    catalogue_size: int
    link: str
    newcomers: int | None = None
    floor: int | None = None
    colluders: int = 1


def run_replay(request: Request, *, console: Console | None = None) -> list[Path]:
    """Run what is not finished yet, write reports after each result, and return the reports' paths."""
    screen = console or Console(stderr=True)
    commit = commit_of_the_code()  # of the code that is loaded now; the tree may move on during a long run
    protocol = _protocol(request)
    conditions = choose(conditions_for(request.epsilons), request.conditions)
    schema = FeatureSchema()
    # Names of folders are shown as they are: brackets in them are no markup.
    screen.print(f"Reading {request.data or 'the Complete Journey'} ...", markup=False)
    tables = load_tables(request.data) if request.data else load_journey()
    federation = thinned(build_federation(tables, protocol, schema), request.stores)
    if request.newcomers is not None:
        federation = with_newcomers(federation, past_weeks=request.newcomers)
    refuse_nobody_judged(federation)
    screen.print(
        f"{federation.name}, {protocol.split}: {len(federation.stores)} shops, {federation.customers} pairs, "
        f"{federation.units} judged, {len(federation.catalogue)} products.",
        markup=False,
    )
    slug = _slug(federation, request)
    folder = ResultsFolder(request.out / "runs" / slug)
    folder.save_units(units_of(federation))
    jobs = jobs_for(
        federation, conditions, seeds=request.seeds, rounds=_rounds(request, federation, conditions)
    )
    missing = [job for job in jobs if not folder.is_finished(job)]
    screen.print(f"{len(jobs) - len(missing)} of {len(jobs)} results are there; {len(missing)} to run.")
    paths = _report(request, federation, conditions, jobs, folder, slug, commit)
    with _progress(screen) as bars:
        overall = bars.add_task("replay", total=len(missing))
        inner = bars.add_task("starting", total=None)

        def step(words: str, done: int, total: int) -> None:
            bars.update(inner, description=words, completed=done, total=total)

        for job, outcome in replay(federation, missing, schema, step=step):
            folder.save(job, outcome, commit=commit)
            paths = _report(request, federation, conditions, jobs, folder, slug, commit)
            bars.advance(overall)
            bars.console.print(f"{job.condition.title}, seed {job.seed}: {outcome.seconds:.0f} s")
    _show(request, federation, conditions, jobs, folder, screen)
    screen.print("Reports: " + ", ".join(map(str, paths)), markup=False)
    return paths


def _rounds(request: Request, federation: Federation, conditions: Sequence[Condition]) -> RoundTerms | None:
    """Return how secure sums are held, where there are any; refused before hours were spent on others."""
    if not any(condition.placement is Placement.ONCE_IN_SUM for condition in conditions):
        return None
    return round_terms(len(federation.training), floor=request.floor, colluders=request.colluders)


def _protocol(request: Request) -> Protocol:
    if request.link not in _LINKS:
        raise InvalidSplitError(
            f"There is no link {request.link!r} between shops.", next_step="Use --link gtin or descriptors."
        )
    split = Split.rolling(
        fit_until=request.fit_until,
        predict=parse_weeks(request.predict),
        catalogue_until=request.catalogue_until,
    )
    return Protocol(
        split=split,
        minimum_customers=request.minimum_customers,
        catalogue_size=request.catalogue_size,
        link=request.link,
    )


def thinned(federation: Federation, stores: int | None) -> Federation:
    """Keep so many shops, at equal distances in order of size."""
    if stores is None or stores >= len(federation.stores):
        return federation
    places = sorted(range(len(federation.stores)), key=lambda i: (len(federation.stores[i].persons), i))
    last = len(places) - 1
    kept = [places[round(i * last / max(stores - 1, 1))] for i in range(stores)]
    return replace(federation, stores=tuple(federation.stores[place] for place in sorted(kept)))


def _slug(federation: Federation, request: Request) -> str:
    """Name a folder of results by all that makes them others: nothing is written over what took hours."""
    protocol = federation.protocol
    split, usual = protocol.split, Protocol(split=protocol.split)
    from_weeks = Split.rolling(
        fit_until=split.fit_until, predict=(split.predict_from, split.predict_until)
    ).catalogue_until
    name = re.sub(r"[\W_]+", "-", federation.name.lower()).strip("-") or "data"
    parts = [name, f"fit{split.fit_until}-predict{split.predict_from}-{split.predict_until}"]
    parts += [f"catalogue{split.catalogue_until}"] if split.catalogue_until != from_weeks else []
    parts += [f"{protocol.catalogue_size}products"] if protocol.catalogue_size != usual.catalogue_size else []
    parts += (
        [f"from{protocol.minimum_customers}"] if protocol.minimum_customers != usual.minimum_customers else []
    )
    parts += [request.link] if request.link != "gtin" else []
    parts += [f"{request.stores}shops"] if request.stores else []
    parts += [f"newcomers{request.newcomers}"] if request.newcomers is not None else []
    parts += [f"floor{request.floor}"] if request.floor is not None else []
    parts += [f"colluders{request.colluders}"] if request.colluders != 1 else []
    return "-".join(parts)


def _report(
    request: Request,
    federation: Federation,
    conditions: Sequence[Condition],
    jobs: Sequence[Job],
    folder: ResultsFolder,
    slug: str,
    commit: str,
) -> list[Path]:
    facts = RunFacts(
        data=federation.name,
        note=federation.note,
        split=str(federation.protocol.split),
        shops=len(federation.stores),
        customers=federation.customers,
        judged=federation.units,
        products=len(federation.catalogue),
        link=_LINKS[federation.protocol.link],
        scenario=_scenario(federation, request),
        in_more_shops=persons_in_more_shops(federation.training),
        command=command(),
        commit=commit,
        machine=machine(),
        finished_at=datetime.now(tz=UTC).isoformat(timespec="seconds"),
    )
    summary = summarise(conditions, folder.load(jobs), units_of(federation))
    return write_reports(request.out, slug, facts, summary)


def _scenario(federation: Federation, request: Request) -> str:
    if request.newcomers is None:
        return "Every shop judged took part in the training."
    return (
        f"Newcomers: the shops judged took no part in the training ({len(federation.training)} others did); "
        f"each joins with {NEWCOMER_CUSTOMERS} customers and {request.newcomers} weeks of their purchases."
    )


def _show(
    request: Request,
    federation: Federation,
    conditions: Sequence[Condition],
    jobs: Sequence[Job],
    folder: ResultsFolder,
    screen: Console,
) -> None:
    summary = summarise(conditions, folder.load(jobs), units_of(federation))
    screen.print(f"{federation.note}.")
    for table in tables_of_summary(summary)[:1]:
        for row in table.rows:
            screen.print(f"{row[0]:<72} all {row[2]:<22} novel {row[4]}", highlight=False)
    if request.conditions:
        screen.print("Only some conditions were asked for; leave out --condition for the whole table.")


def _progress(screen: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=screen,
    )
