"""Stores of a real co-op service that compare codes, and a coordinator that can lie to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest

from highstreet.audit.limits import StoreLimits
from highstreet.audit.roster import Member
from highstreet.client.home import StoreHome
from highstreet.client.join import join_coop
from highstreet.client.membership import load_membership, member_caller
from highstreet.client.rosters import newest_roster
from highstreet.client.vouch_desk import Seen, VouchDesk
from highstreet.client.vouches import counted_members, known_vouches
from highstreet.server.database import connect
from highstreet.server.member_service import MemberService
from highstreet.server.vouching import current_vouches


@dataclass
class Store:
    """One store: its folder and a desk on an open channel, with a clock that can be moved."""

    home: StoreHome
    stack: ExitStack
    skew_seconds: int = 0
    desk: VouchDesk = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Begin anew from what is on the disk, as another process would."""
        import time

        caller = self.stack.enter_context(member_caller(self.home))
        self.desk = VouchDesk(self.home, caller, now=lambda: int(time.time()) + self.skew_seconds)

    @property
    def member_id(self) -> str:
        return load_membership(self.home).member_id

    def sees(self, other: Store) -> Member:
        """The other as this store's newest roster names it."""
        found = newest_roster(self.home, load_membership(self.home)).member(other.member_id)
        assert found is not None
        return found

    def tend(self) -> None:
        self.desk.tend(Seen())

    def counted(self) -> list[str]:
        return sorted(member.name for member in counted_members(self.home))

    def has_code(self, other: Store) -> bool:
        kept = self.desk.exchange_with(self.sees(other))
        return kept is not None and kept.exchange.is_complete

    def shown_code(self, other: Store) -> str:
        kept = self.desk.exchange_with(self.sees(other))
        assert kept is not None
        return kept.exchange.shown_code


@contextmanager
def stores_of(coop: Any, folder: Path, limits: StoreLimits, *names: str) -> Iterator[list[Store]]:
    """Stores that have joined and fetched the roster with all of them."""
    homes = []
    for name in names:
        homes.append(StoreHome(folder / name))
        join_coop(homes[-1], coop.invite(name), limits, now=datetime.now(UTC))
    with ExitStack() as stack:
        stores = [Store(home, stack) for home in homes]
        for store in stores:
            store.tend()
        yield stores


def bring_codes(one: Store, other: Store) -> None:
    """Let both stores do all that needs no person."""
    one.desk.begin(one.sees(other))
    for _ in range(2):
        other.tend()
        one.tend()
    other.tend()


def compare(one: Store, other: Store) -> None:
    """One phone call: the first reads, the second types, reads back, the first types."""
    bring_codes(one, other)
    answered = other.desk.enter_code(other.sees(one), one.shown_code(other))
    one.desk.enter_code(one.sees(other), answered.shown_code)


class Lies:
    """What the coordinator answers instead of the truth, by call."""

    def __init__(self) -> None:
        self._changes: dict[str, Callable[[str, Any], Any]] = {}

    def __call__(self, call: str, change: Callable[[str, Any], Any]) -> None:
        """From now on: `change` is given the asking member's id and the true reply, and returns a reply."""
        self._changes[call] = change

    def told(self, call: str, asking: str, reply: Any) -> Any:
        change = self._changes.get(call)
        return reply if change is None else change(asking, reply)


def let_lie(monkeypatch: pytest.MonkeyPatch) -> Lies:
    """Let coordinators that start after this change their answers."""
    lies = Lies()
    for call in ("GetRoster", "FetchVouching"):
        monkeypatch.setattr(MemberService, call, _answering(lies, call, getattr(MemberService, call)))
    return lies


def _answering(lies: Lies, call: str, true: Callable[..., Any]) -> Callable[..., Any]:
    def answer(self: MemberService, request: Any, context: grpc.ServicerContext) -> Any:
        return lies.told(call, self._member(context).member_id, true(self, request, context))

    return answer


def kept_vouches(coop: Any) -> set[tuple[str, str]]:
    with closing(connect(coop.home.database)) as connection:
        return {(each.voucher_id, each.subject_id) for each in current_vouches(connection)}


def signed_nothing(*stores: Store) -> bool:
    return all(known_vouches(store.home) == [] for store in stores)
