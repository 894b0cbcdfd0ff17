"""`highstreet coop match`: ask the stores to count at how many of them each of their customers shops."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from highstreet.server.cli_options import HomeOption, open_home

if TYPE_CHECKING:
    from highstreet.server.home import CoopHome

__all__ = ["match"]

_POLL_SECONDS = 0.5


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
    """Say what is new until the matching is over; Ctrl-C ends the watching only.

    Raises:
        ProgrammeRefusedError: it failed; why, and what to do.
    """
    import time

    from highstreet.server.database import connect
    from highstreet.server.errors import ProgrammeRefusedError
    from highstreet.server.matchings import matching_progress
    from highstreet.server.programmes import programme

    said: list[str] = []
    try:
        with closing(connect(home.database)) as connection:
            while True:
                current = programme(connection, programme_id)
                for line in matching_progress(connection, programme_id).lines():
                    if line not in said:
                        said.append(line)
                        typer.echo(f"  {line}")
                if current is None or current.is_over:
                    break
                time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        typer.echo("\nNo longer watching; the matching goes on. See it: highstreet coop status")
        return
    if current is None or current.state == "failed":
        raise ProgrammeRefusedError(
            f"The matching failed: {current.failure if current else 'it is gone'}",
            next_step="No store has new counts of it unless it says so. See `highstreet coop status`.",
        )
    typer.echo("The matching is finished: stores know their own customers' counts, and nobody else does.")
