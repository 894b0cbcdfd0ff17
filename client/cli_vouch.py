"""`highstreet store vouch`: how an owner makes another shop count, and takes that back."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from highstreet.client.cli_members import look, show_odd
from highstreet.client.cli_options import HomeOption, store_home
from highstreet.printable import printable

if TYPE_CHECKING:
    from highstreet.audit.roster import Member
    from highstreet.audit.vouching import Exchange
    from highstreet.client.exchange_book import Kept
    from highstreet.client.home import StoreHome
    from highstreet.client.member_list import MemberList
    from highstreet.client.vouch_desk import VouchDesk

__all__ = ["vouch"]

_POLL_SECONDS = 0.25


def vouch(  # noqa: PLR0913  # each is an option of the command
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
    replaces: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OLD",
            help="This shop was a member before: its name or member id then. The old one counts no more.",
        ),
    ] = None,
    another_shop: Annotated[
        bool, typer.Option("--another-shop", help="It is not the shop of that name that counted before.")
    ] = False,
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="Take back this shop's vouch for the other, for good.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="With --withdraw: do not ask whether it is meant.")
    ] = False,
    home: HomeOption = None,
) -> None:
    """Vouch for another shop: compare two short codes with its owner over the phone.

    1. Call the owner of the other shop, on a number you know, and type: highstreet store vouch "THEIR SHOP"
    2. Read out the code you see. They type: highstreet store vouch "YOUR SHOP", and your code.
    3. They read out the code they see then. You type it. Both shops now vouch for each other.

    The codes agree only if no key was exchanged for another on the way. Read them by voice, never through
    the co-op's own server. A code is good for this one comparison and is no secret.

    A shop that left and comes back has new keys and is a new member. Ask whether they were in before, under
    whatever name, and say --replaces OLD NAME: nobody may count twice.
    """
    from highstreet.client.errors import VouchRefusedError

    place = store_home(ctx, home)
    if withdraw and (name is None or code is not None or show_code or replaces or another_shop):
        raise VouchRefusedError(
            "--withdraw takes a shop's name and nothing else.",
            next_step='Type: highstreet store vouch "THEIR SHOP" --withdraw',
        )
    if replaces and another_shop:
        raise VouchRefusedError(
            "--replaces says that it is a former member, --another-shop that it is not.",
            next_step="Ask its owner, and give one of the two.",
        )
    if name is None:
        _show_waiting(look(place))
        return
    from highstreet.client.membership import load_membership, member_caller
    from highstreet.client.vouch_desk import VouchDesk

    with member_caller(place) as caller:
        desk, me = VouchDesk(place, caller), load_membership(place).member_id
        if withdraw:
            _withdraw(desk, me, name, is_sure=yes)
            return
        found = _Comparison(place, desk, me, name, wait_seconds)
        found.say_former(replaces or [], is_another=another_shop)
        found.run(code, show_code)


def _withdraw(desk: VouchDesk, me: str, name: str, *, is_sure: bool) -> None:
    """Take a vouch back, its owner being told first what that does."""
    from highstreet.client.member_list import find_member

    roster, _ = desk.refresh()
    other = find_member(roster, name, me=me)
    shown = printable(other.name)
    typer.echo(
        f"Taking back the vouch for {shown} ({other.member_id}):\n"
        "  - it does not count for this shop any more, whoever else vouches for it, and the two take\n"
        "    part in no round together;\n"
        "  - for the others it counts without this shop's word, if enough others vouch for it;\n"
        "  - it cannot be undone: a shop that is sound after all leaves and joins again with a new code.\n"
        "What has been released stays as it is.",
        err=True,
    )
    if not is_sure:
        typer.confirm(f"Take back the vouch for {shown}?", abort=True, err=True)
    desk.withdraw(other)
    typer.echo(f"This shop does not vouch for {shown} any more.", err=True)


class _Comparison:
    """One run of `vouch NAME`, from wherever the exchange with that shop stands."""

    def __init__(self, home: StoreHome, desk: VouchDesk, me: str, name: str, wait_seconds: float) -> None:
        from highstreet.client.member_list import find_member

        self._home, self._desk = home, desk
        self._deadline = time.monotonic() + wait_seconds
        roster, self._edges = desk.refresh()
        self._other: Member = find_member(roster, name, me=me)
        self._roster = roster
        self._pair = (me, self._other.member_id)
        self._name = printable(self._other.name)
        self._replaces: tuple[str, ...] | None = None

    def say_former(self, typed: list[str], *, is_another: bool) -> None:
        """Take down whether the shop was a member before; ask when it has such a one's name.

        Args:
            typed: names or ids of what it was.
            is_another: whether its owner says it was none of that name.
        """
        from highstreet.client.former_members import find_former, of_same_name, refuse_unsaid

        if is_another:
            self._replaces = ()
        if typed:
            former = {
                member.member_id: member
                for text in typed
                for member in find_former(self._home, self._roster, text, other=self._other, me=self._pair[0])
            }
            self._replaces = tuple(former)
            self._say(
                f"{self._name} is said to be the shop that was a member as "
                + ", ".join(f"{printable(each.name)} ({each.member_id})" for each in former.values())
                + ". With your vouch the old one counts no more, for any shop, for good."
            )
        elif self._replaces is None and self._pair not in self._edges:
            same = of_same_name(self._home, self._other)
            if same and sys.stdin.isatty():
                self._say(
                    f"A shop called {self._name} counted here before, under other keys. If it is the same "
                    "shop, your vouch strikes out the old one: nobody may count twice."
                )
                is_same = typer.confirm("Is it the same shop? Ask its owner", err=True)
                self._replaces = tuple(member.member_id for member in same) if is_same else ()
        if self._pair not in self._edges or self._replaces:
            refuse_unsaid(self._home, self._roster, self._other, self._replaces)

    def run(self, given: str | None, show_code: bool) -> None:
        """Go as far as this side can; see `vouch` for the arguments."""
        from highstreet.audit.vouching import Role, read_code
        from highstreet.client.errors import VouchRefusedError

        if self._replaces and self._pair in self._edges:
            self._desk.replace(self._other, self._replaces)
            self._say(f"This shop vouches for {self._name} now, and for no former member in its place.")
            return
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
                return self._desk.enter_code(self._other, code, replaces=self._replaces)
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


def _show_waiting(found: MemberList) -> None:
    waiting = [each for each in found.members if each.waiting]
    for each in waiting:
        typer.echo(f"{printable(each.member.name)}: waits for {each.waiting.value}.")
    show_odd(found)
    if waiting:
        typer.echo("Go on with one, its owner on the phone: highstreet store vouch NAME")
    else:
        typer.echo("Nobody waits. See whom to call: highstreet store members")
