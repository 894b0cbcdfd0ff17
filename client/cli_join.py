"""`highstreet store init`, `join`, `leave` and `restored`."""

from __future__ import annotations

from typing import Annotated

import typer

from highstreet.client.cli_options import HomeOption, store_home
from highstreet.printable import printable

__all__ = ["init", "join", "leave", "restored"]


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
    typer.echo("Next: highstreet store import FOLDER, or highstreet store join.")


def join(
    ctx: typer.Context,
    code: Annotated[
        list[str] | None,
        typer.Argument(
            help="The invitation code. Left out, it is asked for; - reads it from standard input. "
            "Given here, other users of this computer can see it."
        ),
    ] = None,
    home: HomeOption = None,
) -> None:
    """Join a co-op with the code its coordinator gave you."""
    from datetime import UTC, datetime

    from highstreet.audit.bias_words import checked_in_words
    from highstreet.audit.claims import claims_of, period_in_words
    from highstreet.client.config import read_config, write_default_config
    from highstreet.client.join import join_coop

    place = store_home(ctx, home)
    limits = read_config(place).limits.to_limits()
    text = _code(code)
    typer.echo("Checking the code and who answers ...")
    joined = join_coop(place, text, limits, now=datetime.now(UTC))
    write_default_config(place)
    charter = joined.charter
    typer.echo(f"This store is a member of {printable(charter.coop.name)}, as {joined.membership.member_id}.")
    typer.echo(
        f"It agreed to: {', '.join(charter.purposes)}; at least {charter.rounds.cohort_floor} shops a round."
    )
    for line in claims_of(charter).lines():
        typer.echo(f"  one training costs at most {line}")
    typer.echo(f"  {period_in_words(charter)}")
    typer.echo(f"  {printable(checked_in_words(charter))}")
    typer.echo("Only customers who said yes are used; their records stay here. Next: highstreet store run")
    typer.echo("Then, once, the other shops and this one vouch for each other: highstreet store members")


def _code(words: list[str] | None) -> str:
    """Return the code as given, from standard input, or asked for without showing it."""
    import sys

    if words and words != ["-"]:
        return " ".join(words)
    if words or not sys.stdin.isatty():
        return sys.stdin.read(10_000)
    return str(typer.prompt("Invitation code (it is not shown)", hide_input=True))


def leave(
    ctx: typer.Context,
    alone: Annotated[
        bool, typer.Option("--alone", help="Do not ask the coordinator, who may be gone for good.")
    ] = False,
    home: HomeOption = None,
) -> None:
    """Leave the co-op; the shop keeps its data, and goes on with a model of its own."""
    from highstreet.client.departure import leave_coop

    departure = leave_coop(store_home(ctx, home), alone=alone)
    name = printable(departure.membership.coop_name)
    typer.echo(f"This store has left {name}.")
    if alone:
        typer.echo("The coordinator was not told: they count it as a member until they remove it.")
    typer.echo(
        "  Kept here: customers, orders, products and answers; the record of what was sent and spent.\n"
        f"  Put away:  charter, roster and releases, in {departure.papers}.\n"
        "  Deleted:   this store's keys for the co-op; joining again makes new ones.\n"
        f"  At {name}: this shop's name, and that it took part; and the models released so far, which hold "
        "its\n             part of sums with noise and cannot be taken back from those who have them.\n"
        "Suggestions go on, from this shop's own customers alone."
    )


def restored(
    ctx: typer.Context,
    alone: Annotated[
        bool, typer.Option("--alone", help="Do not ask the coordinator, who may be gone for good.")
    ] = False,
    home: HomeOption = None,
) -> None:
    """Say that this folder was put back or its ledger lost: leave, and stay out of rounds for a period."""
    from datetime import UTC, datetime

    from highstreet.client.restoration import restore_store

    done = restore_store(store_home(ctx, home), today=datetime.now(UTC).date(), alone=alone)
    if done.has_left:
        typer.echo("This store has left its co-op; its keys for it are deleted.")
    typer.echo(
        f"It stays out of rounds until {done.out_until}: until then, what was spent and is forgotten could "
        "still count. Where a co-op's charter promises for a longer period, it stays out for that.\n"
        f"The record from before was put aside, in {done.aside}.\n"
        "Suggestions go on, from this shop's own customers."
    )
