"""The `highstreet coop` commands: what a coordinator types. Each imports what it needs when it runs."""

from __future__ import annotations

import typer

from highstreet.command_groups import command_group
from highstreet.server import (
    cli_charter,
    cli_founding,
    cli_matching,
    cli_members,
    cli_override,
    cli_reports,
    cli_training,
)
from highstreet.server.cli_options import HomeOption, open_home

__all__ = ["coop_app"]

coop_app = command_group("coop", "The coordinator of a co-op: who is in, what is trained, what was released.")


@coop_app.callback()
def coop(ctx: typer.Context, home: HomeOption = None) -> None:
    """Remember the co-op's folder for the command that follows."""
    ctx.obj = home


@coop_app.command("run")
def run(ctx: typer.Context, home: HomeOption = None) -> None:
    """Run the co-op: let stores join, hold rounds, hand out releases. Ctrl-C stops it."""
    from highstreet.server.tls import require_tls_1_3

    require_tls_1_3()  # before anything below imports gRPC
    from highstreet.logs import configure_logs
    from highstreet.server.supervisor import run_coordinator

    opened = open_home(ctx, home)
    configure_logs(opened.logs / "coop.log")
    config = opened.config()

    def say_ready() -> None:
        typer.echo(
            f"The co-op {opened.charter().coop.name} is running: stores join at {config.join_address}."
        )
        typer.echo("Invite a shop with `highstreet coop invite NAME`. Ctrl-C stops the co-op.")

    typer.echo("Starting the co-op's services ...")
    run_coordinator(opened, on_ready=say_ready)
    typer.echo("The co-op has stopped. Members notice nothing; nothing is lost.")


coop_app.command("init")(cli_founding.init)
coop_app.add_typer(cli_charter.charter_app)
coop_app.add_typer(cli_override.override_app)
coop_app.command("invite")(cli_members.invite)
coop_app.command("members")(cli_members.members)
coop_app.command("remove")(cli_members.remove)
coop_app.command("train")(cli_training.train)
coop_app.command("match")(cli_matching.match)
coop_app.command("status")(cli_training.status)
coop_app.command("releases")(cli_training.releases)
coop_app.command("statement")(cli_reports.statement)
coop_app.command("records-of-processing")(cli_reports.records_of_processing)
