"""`highstreet coop train`, `status` and `releases`: what is trained and what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from highstreet.server.cli_options import HomeOption, open_home
from highstreet.server.cli_watching import watch

if TYPE_CHECKING:
    import sqlite3

    from highstreet.server.home import CoopHome

__all__ = ["releases", "status", "train"]


def train(
    ctx: typer.Context,
    wait: Annotated[bool, typer.Option("--wait", help="Show the rounds until the training is over.")] = False,
    as_of: Annotated[
        str | None,
        typer.Option(
            metavar="DATE",
            help="Use purchases made before this day, YYYY-MM-DD [default: today, UTC]. Stores are told it.",
        ),
    ] = None,
    home: HomeOption = None,
) -> None:
    """Ask for a training of the shared model; the running co-op takes it up."""
    import time

    from highstreet.server.database import connect
    from highstreet.server.errors import ProgrammeRefusedError
    from highstreet.server.matched_table import table_of
    from highstreet.server.participants import current_participants
    from highstreet.server.programmes import as_of_day, latest_programme, request_programme

    opened = open_home(ctx, home)
    before_day = None if as_of is None else as_of_day(as_of)
    with closing(connect(opened.database)) as connection:
        latest = latest_programme(connection)
        if wait and latest is not None and not latest.is_over:
            if before_day not in {None, latest.as_of_day}:
                raise ProgrammeRefusedError(
                    f"Training {latest.number} is under way and uses purchases before {latest.as_of}.",
                    next_step="Watch it with `highstreet coop train --wait`, or wait until it is over.",
                )
            typer.echo(f"Training {latest.number} is under way; watching it.")
        else:
            latest = request_programme(
                connection, opened.charter(), now=int(time.time()), before_day=before_day
            )
            typer.echo(f"Training {latest.number} is asked for, with purchases before {latest.as_of}.")
            if latest.counts_from is not None:
                able = current_participants(connection, opened.charter()).member_ids
                table = table_of(connection, latest.counts_from, before=latest.number)
                typer.echo(table.in_words(able))
            typer.echo("It runs while `highstreet coop run` does.")
    if wait:
        _watch(opened, latest.programme_id)


def status(ctx: typer.Context, home: HomeOption = None) -> None:
    """Show who is in, how the last training went, and what was released."""
    from rich.console import Console

    from highstreet.audit.bias_words import checked_in_words
    from highstreet.server.database import connect
    from highstreet.server.matched_table import table_of
    from highstreet.server.matchings import latest_matching, matching_progress
    from highstreet.server.membership import current_members
    from highstreet.server.participants import current_participants, who_counts
    from highstreet.server.programmes import complaints, latest_programme, round_summaries
    from highstreet.server.releases import all_manifests
    from highstreet.server.status import complaints_table, members_table, releases_table, rounds_table
    from highstreet.server.vouching import current_edges

    opened = open_home(ctx, home)
    charter, console = opened.charter(), Console()
    typer.echo(f"{charter.coop.name}, in {opened.root}; stores join at {opened.config().join_address}.")
    said = checked_in_words(charter)
    typer.echo(f"{said[:1].upper()}{said[1:]}.")
    with closing(connect(opened.database)) as connection:
        edges = current_edges(connection, charter.coop.id)
        counted = who_counts(connection, charter)
        console.print(members_table(current_members(connection), edges, counted))
        matching = latest_matching(connection)
        if matching is not None:
            typer.echo(f"Matching {matching.number} is {matching.state}. {matching.failure}".rstrip())
            for line in matching_progress(connection, matching.programme_id).lines():
                typer.echo(f"  {line}")
        latest = latest_programme(connection)
        if latest is None:
            typer.echo("No training yet. Ask for one: highstreet coop train --wait")
            return
        typer.echo(f"Training {latest.number} is {latest.state}. {latest.failure}".rstrip())
        typer.echo(f"It uses purchases made before {latest.as_of}.")
        if latest.counts_from is not None:
            able = current_participants(connection, charter).member_ids
            table = table_of(connection, latest.counts_from, before=latest.number)
            typer.echo(table.in_words(able))
        console.print(rounds_table(round_summaries(connection, latest.programme_id)))
        if (spoilt := complaints_table(complaints(connection, latest.programme_id))) is not None:
            console.print(spoilt)
        console.print(releases_table(all_manifests(connection)))


def releases(ctx: typer.Context, home: HomeOption = None) -> None:
    """List what was released, and what it cost."""
    from rich.console import Console

    from highstreet.audit.bias_words import bias_in_words
    from highstreet.server.database import connect
    from highstreet.server.releases import all_manifests
    from highstreet.server.status import evaluation_table, releases_table

    with closing(connect(open_home(ctx, home).database)) as connection:
        found = all_manifests(connection)
    if not found:
        typer.echo("Nothing was released yet. Ask for a training: highstreet coop train --wait")
        return
    console = Console()
    console.print(releases_table(found))
    if (evaluated := evaluation_table(found)) is not None:
        console.print(evaluated)
        typer.echo("It is the shared model as released; each shop trains it further on its own customers.")
    for manifest in reversed(found):
        for line in bias_in_words(manifest.bias):
            typer.echo(f"Release {manifest.number}: {line}.")


def _watch(home: CoopHome, programme_id: str) -> None:
    if watch(
        home,
        programme_id,
        what="training",
        lines=lambda connection: _closed_rounds(
            connection, programme_id, phases=len(home.charter().plan.phases)
        ),
        if_failed="Nothing was released. See `highstreet coop status`.",
    ):
        typer.echo("The training is finished. See what came of it: highstreet coop releases")


def _closed_rounds(connection: sqlite3.Connection, programme_id: str, *, phases: int) -> Iterator[str]:
    from highstreet.server.programmes import round_summaries

    for each in round_summaries(connection, programme_id):
        if each.closed_at is not None:
            answers = f"; answers of the committee: {each.committee}" if each.committee else ""
            yield f"{each.round + 1} of {phases}: {each.phase}, {each.contributors} stores{answers}"
