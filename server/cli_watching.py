"""Watching a programme from the command line: what is new is said as it happens, until it is over."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    import sqlite3

    from highstreet.server.home import CoopHome

__all__ = ["watch"]

_POLL_SECONDS = 0.5


def watch(
    home: CoopHome,
    programme_id: str,
    *,
    what: str,
    lines: Callable[[sqlite3.Connection], Iterable[str]],
    if_failed: str,
) -> bool:
    """Say each line once as it comes, until the programme is over; Ctrl-C ends the watching only.

    Args:
        home: the co-op's folder.
        programme_id: of the programme.
        what: what people call it.
        lines: all that can be said of it so far.
        if_failed: what to do next if it failed.

    Returns:
        Whether it is finished, and not just the watching.

    Raises:
        ProgrammeRefusedError: it failed; why, and what to do.
    """
    import time

    from highstreet.server.database import connect
    from highstreet.server.errors import ProgrammeRefusedError
    from highstreet.server.programmes import programme

    said: set[str] = set()
    try:
        with closing(connect(home.database)) as connection:
            while True:
                current = programme(connection, programme_id)
                for line in lines(connection):
                    if line not in said:
                        said.add(line)
                        typer.echo(f"  {line}")
                if current is None or current.is_over:
                    break
                time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        typer.echo(f"\nNo longer watching; the {what} goes on. See it: highstreet coop status")
        return False
    if current is None or current.state == "failed":
        raise ProgrammeRefusedError(
            f"The {what} failed: {current.failure if current else 'it is gone'}", next_step=if_failed
        )
    return True
