"""`highstreet store init` and `highstreet store join`."""

from __future__ import annotations

from typing import Annotated

import typer

from highstreet.client.cli_options import HomeOption, store_home

__all__ = ["init", "join"]


def init(ctx: typer.Context, home: HomeOption = None) -> None:
    """Make the shop's folder with its settings; nothing leaves this computer."""
    from highstreet.client.config import write_default_config
    from highstreet.client.errors import StoreExistsError

    place = store_home(ctx, home)
    if place.config.exists():
        raise StoreExistsError(
            f"There is a store in {place.root} already; it was left as it is.",
            next_step="See it with `highstreet store status`, or choose another place with --home.",
        )
    write_default_config(place.ensure())
    typer.echo(f"The store is made, in {place.root}. Nothing leaves this computer.")
    typer.echo(f"Its limits for taking part in a co-op: {place.config}")
    typer.echo("Next: highstreet store import FOLDER, or highstreet store join CODE.")


def join(
    ctx: typer.Context,
    code: Annotated[list[str], typer.Argument(help="The invitation code; - reads it from standard input.")],
    home: HomeOption = None,
) -> None:
    """Join a co-op with the code its coordinator gave you."""
    import sys
    from datetime import UTC, datetime

    from highstreet.audit.claims import claims_of
    from highstreet.client.config import read_config, write_default_config
    from highstreet.client.join import join_coop

    place = store_home(ctx, home)
    limits = read_config(place).limits.to_limits()
    text = sys.stdin.read(10_000) if code == ["-"] else " ".join(code)
    typer.echo("Checking the code and who answers ...")
    joined = join_coop(place, text, limits, now=datetime.now(UTC))
    write_default_config(place)
    charter = joined.charter
    typer.echo(f"This store is a member of {charter.coop.name}, as {joined.membership.member_id}.")
    typer.echo(
        f"It agreed to: {', '.join(charter.purposes)}; at least {charter.rounds.cohort_floor} shops a round."
    )
    for line in claims_of(charter).lines():
        typer.echo(f"  one training costs at most {line}")
    typer.echo("Only customers who said yes are used; their records stay here. Next: highstreet store run")
