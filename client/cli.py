"""The `highstreet store` commands: what a shop's owner types. Each imports what it needs when it runs."""

from __future__ import annotations

import typer

from highstreet.client import (
    cli_attestation,
    cli_consent,
    cli_contradiction,
    cli_import,
    cli_join,
    cli_logged_erasure,
    cli_members,
    cli_reports,
    cli_rights,
    cli_suggest,
    cli_trust,
    cli_vouch,
)
from highstreet.client.cli_options import HomeOption, store_home
from highstreet.command_groups import command_group

__all__ = ["store_app"]

store_app = command_group(
    "store", "One shop: its customers' data, which stays on this computer, and what is made of it."
)


@store_app.callback()
def store(ctx: typer.Context, home: HomeOption = None) -> None:
    """Remember the shop's folder for the command that follows."""
    ctx.obj = home


@store_app.command("run")
def run(ctx: typer.Context, home: HomeOption = None) -> None:
    """Take part: keep this shop's service and its connection to the co-op running."""
    from highstreet.client.process import run_store
    from highstreet.files import make_private_folder
    from highstreet.logs import configure_logs

    found = store_home(ctx, home)
    make_private_folder(found.logs)
    configure_logs(found.logs / "store.log")
    typer.echo("Starting this shop's service and its connection to the co-op ...")
    run_store(found, on_ready=lambda: typer.echo("Running. Ctrl-C stops it."))
    typer.echo("Stopped. Nothing is lost.")


store_app.command("init")(cli_join.init)
store_app.command("join")(cli_join.join)
store_app.command("leave")(cli_join.leave)
store_app.command("restored")(cli_join.restored)
store_app.command("members")(cli_members.members)
store_app.command("vouch")(cli_vouch.vouch)
store_app.command("import")(cli_import.import_files)
store_app.add_typer(cli_consent.consent_app)
store_app.command("suggest")(cli_suggest.suggest)
store_app.command("evaluate")(cli_suggest.evaluate)
store_app.command("status")(cli_trust.status)
store_app.command("promise")(cli_trust.promise)
store_app.command("budget")(cli_trust.budget)
store_app.command("rounds")(cli_trust.rounds)
store_app.command("contradiction")(cli_contradiction.contradiction)
store_app.add_typer(cli_attestation.attestation_app)
cli_rights.rights_app.command("logged")(cli_logged_erasure.logged)
store_app.add_typer(cli_rights.rights_app, name="rights")
store_app.command("statement")(cli_reports.statement)
store_app.command("records-of-processing")(cli_reports.records_of_processing)
