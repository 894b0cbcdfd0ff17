"""`highstreet demo`: what a person types; nothing heavy is imported before it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["demo"]


def demo(
    out: Annotated[
        Path, typer.Option(help="Folder for the report, the figures as JSON, the commands and the logs.")
    ] = Path("demo-run"),
    keep: Annotated[bool, typer.Option("--keep", help="Leave the co-op running afterwards.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="Stop a co-op left running by --keep.")] = False,
    stores: Annotated[int, typer.Option(min=3, max=12, help="How many shops, of different sizes.")] = 6,
) -> None:
    """A coordinator and six shops, as real processes on this machine: join, train, release, suggest, report.

    The data are the Complete Journey, which its publisher calls simulated from real shopping, for education.
    """
    from highstreet.simulations.demo.guard import run_guarded
    from highstreet.simulations.demo.kept import refuse_if_kept, stop_kept

    if stop:
        found = stop_kept(out)
        typer.echo("The co-op has stopped." if found else f"No co-op of a demo runs from {out}.")
        return
    refuse_if_kept(out)

    def work() -> int:
        from highstreet.simulations.demo.run import DemoOptions, run_demo

        return run_demo(DemoOptions(out=out, stores=stores, keep=keep))

    raise typer.Exit(run_guarded(work))
