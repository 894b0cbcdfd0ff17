"""`highstreet store members` and `vouch`: who counts, and how an owner makes another shop count."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from highstreet.client.cli_options import HomeOption, store_home
from highstreet.printable import printable

if TYPE_CHECKING:
    from highstreet.audit.roster import Member
    from highstreet.audit.vouching import Exchange
    from highstreet.client.exchange_book import Kept
    from highstreet.client.home import StoreHome
    from highstreet.client.member_list import MemberList
    from highstreet.client.vouch_desk import VouchDesk

__all__ = ["members", "vouch"]

_POLL_SECONDS = 0.25


def members(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    home: HomeOption = None,
) -> None:
    """Show who is in the co-op, who counts for this shop, and who vouched for whom.

    The coordinator writes the list of members, and could write shops into it that do not exist. So a shop
    counts here only if you compared a code with it yourself, or if enough shops that count did:
    one more than the charter says may work with the coordinator.
    """
    found = _look(store_home(ctx, home))
    if as_json:
        typer.echo(json.dumps(found.to_dict()))
    else:
        _show_members(found)


def vouch(
    ctx: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="The other shop, as `store members` names it. Left out: who waits.")
    ] = None,
    code: Annotated[
        str | None,
        typer.Argument(help="The code its owner read out; - reads it from standard input. Left out: asked."),
    ] = None,
    show_code: Annotated[
        bool,
        typer.Option(
            "--show-code", help="Print this shop's code, nothing else, and ask nothing: for scripts."
        ),
    ] = False,
    wait_seconds: Annotated[
        float, typer.Option(min=0, max=3600, help="How long to wait for the other shop's store.")
    ] = 60.0,
    home: HomeOption = None,
) -> None:
    """Vouch for another shop: compare two short codes with its owner over the phone.

    1. Call the owner of the other shop, on a number you know, and type: highstreet store vouch "THEIR SHOP"
    2. Read out the code you see. They type: highstreet store vouch "YOUR SHOP", and your code.
    3. They read out the code they see then. You type it. Both shops now vouch for each other.

    The codes agree only if no key was exchanged for another on the way. Read them by voice, never through
    the co-op's own server. A code is good for this one comparison and is no secret.
    """
    place = store_home(ctx, home)
    if name is None:
        _show_waiting(_look(place))
        return
    from highstreet.client.membership import load_membership, member_caller
    from highstreet.client.vouch_desk import VouchDesk

    with member_caller(place) as caller:
        desk = VouchDesk(place, caller)
        _Comparison(place, desk, load_membership(place).member_id, name, wait_seconds).run(code, show_code)


class _Comparison:
    """One run of `vouch NAME`, from wherever the exchange with that shop stands."""

    def __init__(self, home: StoreHome, desk: VouchDesk, me: str, name: str, wait_seconds: float) -> None:
        from highstreet.client.member_list import find_member

        self._home, self._desk = home, desk
        self._deadline = time.monotonic() + wait_seconds
        roster, self._edges = desk.refresh()
        self._other: Member = find_member(roster, name, me=me)
        self._pair = (me, self._other.member_id)
        self._name = printable(self._other.name)

    def run(self, given: str | None, show_code: bool) -> None:
        """Go as far as this side can; see `vouch` for the arguments."""
        from highstreet.audit.vouching import Role, read_code
        from highstreet.client.errors import VouchRefusedError

        code = None if given is None else read_code(sys.stdin.read(100) if given == "-" else given)
        kept = self._ready(may_begin=code is None)
        if kept is None:
            return
        exchange = kept.exchange
        if exchange.role is Role.INITIATOR and code is None:
            self._tell_first(exchange, alone=show_code)
            if show_code:
                return
        if show_code and code is None and not kept.is_confirmed:
            raise VouchRefusedError(
                f"{self._other.name} has begun: this shop's code is shown after theirs was typed.",
                next_step="Give their code too, or - to read it from standard input.",
            )
        if not kept.is_confirmed:
            code = code or self._ask()
            exchange = self._compare(code, asks_again=given is None)
        if exchange.role is Role.RESPONDER:
            self._tell_second(exchange, alone=show_code)
        self._say(f"This shop vouches for {self._name} now.")

    def _ready(self, *, may_begin: bool) -> Kept | None:
        """Bring the exchange to where it has codes; None: both shops vouch for each other already."""
        from highstreet.client.vouch_desk import Seen

        seen = self._desk.tend(Seen())
        if self._desk.exchange_with(self._other) is None and may_begin:
            if {self._pair, self._pair[::-1]} <= self._edges:
                self._say(f"This shop and {self._name} vouch for each other. Nothing is left to do.")
                return None
            self._desk.begin(self._other)
        kept = self._found()
        if kept is None:
            self._say(f"Waiting for the store of {self._name} ...")
        while kept is None:
            if time.monotonic() > self._deadline:
                raise self._silence()
            time.sleep(_POLL_SECONDS)
            seen = self._desk.tend(seen)
            kept = self._found()
        return kept

    def _found(self) -> Kept | None:
        kept = self._desk.exchange_with(self._other)
        return kept if kept is not None and kept.exchange.is_complete else None

    def _silence(self) -> Exception:
        from highstreet.client.errors import VouchRefusedError
        from highstreet.client.exchange_book import read_book

        if any(who == self._other.member_id for _, who, _ in read_book(self._home, now=int(time.time())).odd):
            return VouchRefusedError(
                f"The store of {self._other.name} spoke of other keys than the coordinator names here. The "
                "coordinator, or somebody between you, may have put another key in place of theirs.",
                next_step="Nothing was signed. Compare the output of `highstreet store members` with them.",
            )
        return VouchRefusedError(
            f"The store of {self._other.name} has not answered, or nobody there has begun.",
            next_step="Is `highstreet store run` running there? Type the same again; it goes on from here.",
        )

    def _compare(self, code: str, *, asks_again: bool) -> Exchange:
        """Try a code; with a person at the keyboard, ask again while tries are left."""
        from highstreet.client.errors import WrongCodeError

        while True:
            try:
                return self._desk.enter_code(self._other, code)
            except WrongCodeError as error:
                if not asks_again or not self._desk.tries_left(self._other):
                    raise
                self._say(printable(error.for_user()))
                code = self._ask()

    def _ask(self) -> str:
        from highstreet.audit.errors import CodeFormError
        from highstreet.audit.vouching import read_code

        while True:
            text = str(typer.prompt(f"The code that {self._name} reads to you", err=True))
            try:
                return read_code(text)
            except CodeFormError as error:
                self._say(error.for_user())

    def _tell_first(self, exchange: Exchange, *, alone: bool) -> None:
        from highstreet.audit.vouching import spoken

        if alone:
            typer.echo(exchange.shown_code)
            return
        self._say(f"On the phone, read this to {self._name}:")
        typer.echo(f"\n    {spoken(exchange.shown_code)}\n")
        self._say(
            f'They type: highstreet store vouch "{printable(exchange.initiator.name)}", and this code. '
            "Then they read you theirs."
        )

    def _tell_second(self, exchange: Exchange, *, alone: bool) -> None:
        from highstreet.audit.vouching import spoken

        if alone:
            typer.echo(exchange.shown_code)
            return
        self._say(f"It fits. Now read this to {self._name}, who types it:")
        typer.echo(f"\n    {spoken(exchange.shown_code)}\n")

    def _say(self, text: str) -> None:
        typer.echo(text, err=True)


def _look(home: StoreHome) -> MemberList:
    """Fetch what is new and return the list; without the coordinator, the list as of last time."""
    from highstreet.audit.vouches import verified_edges
    from highstreet.client.errors import CoopUnreachableError
    from highstreet.client.exchange_book import read_book
    from highstreet.client.member_list import member_list
    from highstreet.client.membership import load_membership, member_caller
    from highstreet.client.rosters import newest_roster
    from highstreet.client.vouch_desk import Seen, VouchDesk
    from highstreet.client.vouches import known_vouches

    membership = load_membership(home)
    try:
        with member_caller(home) as caller:
            VouchDesk(home, caller).tend(Seen())
    except CoopUnreachableError:
        typer.echo("The coordinator does not answer; this is how things stood.", err=True)
    roster = newest_roster(home, membership)
    edges = verified_edges(roster, known_vouches(home))
    return member_list(home, roster, edges, read_book(home, now=int(time.time())))


def _show_members(found: MemberList) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE)
    for heading in ("Shop", "Counts here", "You vouch", "They vouch", "Vouched for by"):
        table.add_column(heading)
    for each in found.members:
        cells = (
            ("this shop", "", "") if each.is_me else _cells(each.counts, each.i_vouch, each.vouches_for_me)
        )
        table.add_row(Text(printable(each.member.name)), *cells, Text(printable(", ".join(each.vouched_by))))
    Console().print(table)
    others = len(found.members) - 1
    counted = sum(each.counts for each in found.members) - 1
    typer.echo(
        f"{counted} of {others} other shops count here, and this shop counts for {found.counting_me} of "
        f"them. A shop counts when you compared a code with it, or {found.colluders + 1} that count did."
    )
    _show_odd(found)
    if found.to_call:
        typer.echo(
            f"Next: call {', '.join(map(printable, found.to_call))}. For each: highstreet store vouch NAME"
        )
    elif counted < others:
        typer.echo("Next: nothing here; the others have to compare codes with each other.")


def _cells(*claims: bool) -> tuple[str, ...]:
    return tuple("yes" if claim else "no" for claim in claims)


def _show_waiting(found: MemberList) -> None:
    waiting = [each for each in found.members if each.waiting]
    for each in waiting:
        typer.echo(f"{printable(each.member.name)}: waits for {each.waiting.value}.")
    _show_odd(found)
    if waiting:
        typer.echo("Go on with one, its owner on the phone: highstreet store vouch NAME")
    else:
        typer.echo("Nobody waits. See whom to call: highstreet store members")


def _show_odd(found: MemberList) -> None:
    for each in found.members:
        if each.is_odd:
            typer.echo(
                f"Careful: the store of {printable(each.member.name)} spoke of other keys than the "
                "coordinator names here. Somebody between you may have put another key in place of theirs."
            )
