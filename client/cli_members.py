"""`highstreet store members`: who is in the co-op, who counts for this shop, and whom to call."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import typer

from highstreet.client.cli_options import HomeOption, JsonOption, store_home
from highstreet.printable import printable

if TYPE_CHECKING:
    from highstreet.client.home import StoreHome
    from highstreet.client.member_list import MemberList

__all__ = ["look", "members", "show_odd"]


def members(
    ctx: typer.Context,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Show who is in the co-op, who counts for this shop, and who vouched for whom.

    The coordinator writes the list of members, and could write shops into it that do not exist. So a shop
    counts here only if you compared a code with it yourself, or if enough shops that count did:
    one more than the charter says may work with the coordinator.
    """
    found = look(store_home(ctx, home))
    if as_json:
        typer.echo(json.dumps(found.to_dict()))
    else:
        _show_members(found)


def look(home: StoreHome) -> MemberList:
    """Fetch what is new and return the list; without the coordinator, the list as of last time."""
    from highstreet.client.errors import CoopUnreachableError
    from highstreet.client.exchange_book import read_book
    from highstreet.client.member_list import member_list
    from highstreet.client.membership import load_membership, member_caller
    from highstreet.client.rosters import newest_roster
    from highstreet.client.vouch_desk import Seen, VouchDesk
    from highstreet.client.vouches import edges_on

    membership = load_membership(home)
    try:
        with member_caller(home) as caller:
            VouchDesk(home, caller).tend(Seen())
    except CoopUnreachableError:
        typer.echo("The coordinator does not answer; this is how things stood.", err=True)
    roster = newest_roster(home, membership)
    return member_list(home, roster, edges_on(home, roster), read_book(home, now=int(time.time())))


def _show_members(found: MemberList) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE)
    for heading in ("Shop", "Counts here", "You vouch", "They vouch", "Vouched for by"):
        table.add_column(heading)
    for each in found.members:
        cells: tuple[str, ...] = ("this shop", "", "")
        if not each.is_me:
            counts, *rest = _cells(each.counts, each.i_vouch, each.vouches_for_me)
            cells = ("struck out" if each.is_struck_out else counts, *rest)
        table.add_row(Text(printable(each.member.name)), *cells, Text(printable(", ".join(each.vouched_by))))
    Console().print(table)
    others = sum(not (each.is_me or each.is_struck_out) for each in found.members)
    counted = sum(each.counts for each in found.members) - 1
    typer.echo(
        f"{counted} of {others} other shops count here, and this shop counts for {found.counting_me} of "
        f"them. A shop counts when you compared a code with it, or {found.colluders + 1} that count did."
    )
    _show_struck_out(found)
    show_odd(found)
    if found.to_call:
        typer.echo(
            f"Next: call {', '.join(map(printable, found.to_call))}. For each: highstreet store vouch NAME"
        )
    elif counted < others:
        typer.echo("Next: nothing here; the others have to compare codes with each other.")


def _cells(*claims: bool) -> tuple[str, ...]:
    return tuple("yes" if claim else "no" for claim in claims)


def _show_struck_out(found: MemberList) -> None:
    if any(each.is_struck_out and not each.is_me for each in found.members):
        typer.echo(
            "Struck out: a shop whose vouch you took back, that was gone from the list of members before, or "
            "that another member replaces. It counts here no more under these keys."
        )
    if any(each.is_struck_out and each.is_me for each in found.members):
        typer.echo(
            "Careful: for some members this shop does not count any more: they took their vouch back, or "
            "somebody said that another member has come in its place. Call them; if it was a mistake, leave "
            "and join again with a new code."
        )


def show_odd(found: MemberList) -> None:
    """Warn of members whose stores spoke of other keys than the roster."""
    for each in found.members:
        if each.is_odd:
            typer.echo(
                f"Careful: the store of {printable(each.member.name)} spoke of other keys than the "
                "coordinator names here. Somebody between you may have put another key in place of theirs."
            )
