"""`highstreet coop invite`, `members` and `remove`: who is in."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer

from highstreet.server.cli_options import HomeOption, open_home

__all__ = ["invite", "members", "remove"]


def invite(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The shop's name, as members will see it.")],
    expires_hours: Annotated[float, typer.Option(help="How long the code is good for.")] = 72,
    home: HomeOption = None,
) -> None:
    """Make a code with which one shop can join, once."""
    from highstreet.server.invitations import invite_store

    code = invite_store(open_home(ctx, home), name, hours=expires_hours)
    typer.echo(f"The code for {name}, good for one store within {expires_hours:g} hours:", err=True)
    typer.echo(code)
    typer.echo(
        "Give it to the shop's owner by a way you trust; who has it can join in their place.\n"
        "They type: highstreet store join, and the code when it is asked for.",
        err=True,
    )


def members(ctx: typer.Context, home: HomeOption = None) -> None:
    """List who is in, who vouches for each, and for how many of the others it counts.

    Shops vouch for each other themselves (highstreet store vouch); nothing here can do it for them.
    """
    from rich.console import Console

    from highstreet.audit.roster import fewest_pairs
    from highstreet.server.database import connect
    from highstreet.server.membership import current_members
    from highstreet.server.participants import who_counts
    from highstreet.server.status import members_table
    from highstreet.server.vouching import current_edges

    opened = open_home(ctx, home)
    charter = opened.charter()
    with closing(connect(opened.database)) as connection:
        found, edges = current_members(connection), current_edges(connection, charter.coop.id)
        counted = who_counts(connection, charter)
    if not found:
        typer.echo("No shop has joined yet. Invite one: highstreet coop invite NAME")
        return
    colluders = charter.rounds.colluders
    Console().print(members_table(found, edges, counted))
    ids = [member.member_id for member in found]
    if any(len(counted[me]) < len(ids) for me in ids):
        calls = len(fewest_pairs(ids, colluders=colluders))
        typer.echo(
            f"Not every shop counts for every other yet. {calls} calls between owners are enough: all "
            f"compare codes with the same {min(colluders + 1, len(ids) - 1)} (highstreet store members)."
        )


def remove(
    ctx: typer.Context,
    member: Annotated[str, typer.Argument(help="The shop's name or member id.")],
    home: HomeOption = None,
) -> None:
    """End a shop's membership at once; to come back it needs a new invitation."""
    import time

    from highstreet.server.database import connect
    from highstreet.server.membership import current_members, leave

    with closing(connect(open_home(ctx, home).database)) as connection:
        ids = {each.name: each.member_id for each in current_members(connection)}
        ended = leave(connection, ids.get(member, member), now=int(time.time()))
    typer.echo(f"{ended.name} is not a member any more. Its certificate opens nothing from now on.")
