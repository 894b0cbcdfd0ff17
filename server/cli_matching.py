"""`highstreet coop match`: ask the stores to count at how many of them each of their customers shops."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from highstreet.server.cli_options import HomeOption, open_home
from highstreet.server.cli_watching import watch

if TYPE_CHECKING:
    from highstreet.server.home import CoopHome

__all__ = ["match"]


def match(
    ctx: typer.Context,
    wait: Annotated[
        bool, typer.Option("--wait", help="Show how far it has come until the matching is over.")
    ] = False,
    home: HomeOption = None,
) -> None:
    """Let shops count at how many of them each of their customers shops, without telling which.

    It needs a section [matching] in the charter, and as a rule four stores that all count for each other. A
    few of them are drawn as key holders; these have to stay online until it is over, and of the others most.
    When it fails, ask again: others hold the keys then. It does not run beside a training.

    Each store reads its own customers' counts, of those who said yes. You see none of it, only how far it has
    come: highstreet coop status. A store takes part once in period_days. One that is away when it is over can
    read its counts a while longer, and nobody waits for it.
    """
    import time

    from highstreet.server.database import connect
    from highstreet.server.matchings import latest_matching, request_matching

    opened = open_home(ctx, home)
    with closing(connect(opened.database)) as connection:
        latest = latest_matching(connection)
        if wait and latest is not None and not latest.is_over:
            typer.echo(f"Matching {latest.number} is under way; watching it.")
        else:
            latest = request_matching(
                connection, opened.charter(), opened.coordinator_key(), now=int(time.time())
            )
            typer.echo(f"Matching {latest.number} is asked for.")
            typer.echo("It runs while `highstreet coop run` does.")
    if wait:
        _watch(opened, latest.programme_id)


def _watch(home: CoopHome, programme_id: str) -> None:
    from highstreet.server.matchings import matching_progress

    if watch(
        home,
        programme_id,
        what="matching",
        lines=lambda connection: matching_progress(connection, programme_id).lines(),
        if_failed="No store has new counts of it unless it says so. See `highstreet coop status`.",
    ):
        typer.echo("The matching is finished: stores know their own customers' counts, and nobody else does.")
