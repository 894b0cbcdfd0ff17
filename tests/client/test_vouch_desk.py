"""Two stores of a real co-op service vouch for each other, whatever breaks in between."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from vouching_coop import Lies, Store, bring_codes, compare, kept_vouches, let_lie, signed_nothing, stores_of

from highstreet.audit.limits import StoreLimits
from highstreet.audit.roster import fewest_pairs
from highstreet.audit.signing import SignedDocument
from highstreet.audit.vouching import Role, offer
from highstreet.client import vouch_desk as desk_module
from highstreet.client.errors import (
    CoopUnreachableError,
    RosterRefusedError,
    VouchRefusedError,
    WrongCodeError,
)
from highstreet.client.exchange_book import read_book
from highstreet.client.identity import load_identity
from highstreet.client.pinned_members import pinned_members
from highstreet.client.vouch_watch import watching_vouches
from highstreet.client.vouches import counted_members, known_vouches
from highstreet.files import write_private
from highstreet.protos import coop_pb2
from highstreet.server.database import connect
from highstreet.server.membership import leave


@pytest.fixture(autouse=True)
def lying(monkeypatch: pytest.MonkeyPatch) -> Lies:
    """Before the co-op starts, so that its service can be made to lie."""
    return let_lie(monkeypatch)


@pytest.fixture
def pair(coop: Any, tmp_path: Path, limits: StoreLimits) -> Iterator[tuple[Store, Store]]:
    with stores_of(coop, tmp_path, limits, "Ann", "Bob") as (one, other):
        yield one, other


def test_one_call_makes_both_vouch(coop: Any, pair: tuple[Store, Store]) -> None:
    ann, bob = pair
    assert ann.counted() == ["Ann"]
    compare(ann, bob)
    both = {(ann.member_id, bob.member_id), (bob.member_id, ann.member_id)}
    assert kept_vouches(coop) == both
    for store in pair:
        store.tend()
        assert store.counted() == ["Ann", "Bob"]
        assert len(known_vouches(store.home)) == 2
    identity = load_identity(bob.home)
    found = next(member for member in counted_members(ann.home) if member.member_id == bob.member_id)
    assert found.signing_public_key == identity.signing_public_key
    assert found.encryption_public_key == identity.encryption_public_key


def test_six_stores_count_for_each_other_with_the_fewest_calls(
    coop: Any, tmp_path: Path, limits: StoreLimits
) -> None:
    with stores_of(coop, tmp_path, limits, *"ABCDEF") as stores:
        pairs = fewest_pairs(range(6), colluders=1)  # type: ignore[arg-type]  # any ids
        assert len(pairs) == 8
        for one, other in pairs:
            assert any(store.counted() != list("ABCDEF") for store in stores)
            compare(stores[int(one)], stores[int(other)])
        for store in stores:
            store.tend()
            assert store.counted() == list("ABCDEF")
            assert len(pinned_members(store.home)) == 6


def test_a_list_of_those_who_count_is_given_for_each_roster_that_was_accepted(
    coop: Any, tmp_path: Path, limits: StoreLimits, pair: tuple[Store, Store]
) -> None:
    ann, bob = pair
    compare(ann, bob)
    ann.tend()
    before = hashlib.sha256(
        SignedDocument.from_file_bytes((ann.home.coop / "roster.json").read_bytes()).document
    ).digest()
    with stores_of(coop, tmp_path, limits, "Cem") as (cem,):
        compare(cem, ann)
        ann.tend()
        assert {member.name for member in counted_members(ann.home)} == {"Ann", "Bob", "Cem"}
        assert {member.name for member in counted_members(ann.home, before)} == {"Ann", "Bob"}
    with pytest.raises(RosterRefusedError, match="no such roster"):
        counted_members(ann.home, bytes(32))


@pytest.mark.parametrize("restarted", ["ann", "bob", "both"])
def test_a_restart_after_any_step_changes_nothing(pair: tuple[Store, Store], restarted: str) -> None:
    ann, bob = pair

    def restart() -> None:
        for name, store in (("ann", ann), ("bob", bob)):
            if restarted in {name, "both"}:
                store.restart()

    ann.desk.begin(ann.sees(bob))
    for store in (bob, ann, bob):
        restart()
        store.tend()
    restart()
    code = ann.shown_code(bob)
    restart()
    answered = bob.desk.enter_code(bob.sees(ann), code)
    restart()
    again = bob.desk.exchange_with(bob.sees(ann))
    assert again is not None
    assert again.is_confirmed
    assert again.exchange.shown_code == answered.shown_code
    ann.desk.enter_code(ann.sees(bob), answered.shown_code)
    for store in pair:
        store.tend()
        assert store.counted() == ["Ann", "Bob"]


class _Killed(BaseException):
    """As a process that ends: nothing may catch it."""


@pytest.mark.parametrize("failing_write", range(4))
def test_ending_at_any_write_leaves_a_whole_vouch_or_none(
    pair: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch, failing_write: int
) -> None:
    from highstreet.client import exchange_book, pinned_members, vouches

    ann, bob = pair
    bring_codes(ann, bob)
    code, written = ann.shown_code(bob), 0

    def dies_once(path: Path, data: bytes) -> None:
        nonlocal written
        written += 1
        if written == failing_write + 1:
            raise _Killed
        write_private(path, data)

    with monkeypatch.context() as patched:
        for module in (exchange_book, pinned_members, vouches):
            patched.setattr(module, "write_private", dies_once)
        if failing_write < 3:
            with pytest.raises(_Killed):
                bob.desk.enter_code(bob.sees(ann), code)
        else:  # there are three writes: all went well
            bob.desk.enter_code(bob.sees(ann), code)
            assert written == 3
    assert len(known_vouches(bob.home)) == (0 if failing_write == 0 else 1)
    bob.restart()
    bob.desk.enter_code(bob.sees(ann), code)
    bob.tend()
    assert bob.counted() == ["Ann", "Bob"]


def test_ctrl_c_while_waiting_leaves_an_exchange_to_go_on_with(pair: tuple[Store, Store]) -> None:
    ann, bob = pair
    first = ann.desk.begin(ann.sees(bob))
    ann.restart()
    assert ann.desk.begin(ann.sees(bob)) == first
    assert signed_nothing(ann, bob)


def test_a_coordinator_that_is_away_is_told_later(
    coop: Any, pair: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, bob = pair
    bring_codes(ann, bob)

    def nobody(self: Any, ask: Any) -> Any:
        raise CoopUnreachableError("Nobody answers.")

    with monkeypatch.context() as patched:
        patched.setattr(desk_module.CoopCaller, "call", nobody)
        bob.desk.enter_code(bob.sees(ann), ann.shown_code(bob))
    assert kept_vouches(coop) == set()
    bob.tend()
    assert kept_vouches(coop) == {(bob.member_id, ann.member_id)}


def test_two_owners_who_begin_at_once_end_up_with_one_exchange(pair: tuple[Store, Store]) -> None:
    ann, bob = pair
    ann.desk.begin(ann.sees(bob))
    bob.desk.begin(bob.sees(ann))
    for _ in range(3):
        ann.tend()
        bob.tend()
    one, other = ann.desk.exchange_with(ann.sees(bob)), bob.desk.exchange_with(bob.sees(ann))
    assert one is not None
    assert other is not None
    assert one.exchange.commitment == other.exchange.commitment
    assert {one.exchange.role, other.exchange.role} == {Role.INITIATOR, Role.RESPONDER}
    first, second = (ann, bob) if one.exchange.role is Role.INITIATOR else (bob, ann)
    answered = second.desk.enter_code(second.sees(first), first.shown_code(second))
    first.desk.enter_code(first.sees(second), answered.shown_code)


def test_three_wrong_codes_end_it_for_a_day_and_sign_nothing(coop: Any, pair: tuple[Store, Store]) -> None:
    ann, bob = pair
    bring_codes(ann, bob)
    right = ann.shown_code(bob)
    wrong = f"{(int(right) + 1) % 10**6:06d}"
    for left in (2, 1):
        with pytest.raises(WrongCodeError, match="put another key in place") as caught:
            bob.desk.enter_code(bob.sees(ann), wrong)
        assert ("one try" if left == 1 else f"{left} tries") in caught.value.next_step
        assert bob.desk.tries_left(bob.sees(ann)) == left
    with pytest.raises(WrongCodeError):
        bob.desk.enter_code(bob.sees(ann), wrong)
    with pytest.raises(VouchRefusedError):
        bob.desk.enter_code(bob.sees(ann), right)
    with pytest.raises(VouchRefusedError, match="3 codes with Ann did not fit within a day"):
        bob.desk.begin(bob.sees(ann))
    assert signed_nothing(ann, bob)
    assert kept_vouches(coop) == set()
    # A day later both begin anew.
    for store in pair:
        store.skew_seconds = coop.skew_seconds = 86_401
    compare(bob, ann)
    bob.tend()
    assert bob.counted() == ["Ann", "Bob"]


def test_the_second_code_is_compared_as_strictly_as_the_first(pair: tuple[Store, Store]) -> None:
    ann, bob = pair
    bring_codes(ann, bob)
    answered = bob.desk.enter_code(bob.sees(ann), ann.shown_code(bob))
    for wrong in (ann.shown_code(bob), f"{(int(answered.shown_code) + 1) % 10**6:06d}"):
        with pytest.raises(WrongCodeError):
            ann.desk.enter_code(ann.sees(bob), wrong)
    ann.tend()
    assert (ann.member_id, bob.member_id) not in {
        (each.voucher_id, each.subject_id) for each in known_vouches(ann.home)
    }


def test_whoever_makes_a_store_answer_over_and_over_gets_three_codes_a_day(
    coop: Any, pair: tuple[Store, Store], lying: Lies, caplog: pytest.LogCaptureFixture
) -> None:
    """Without the limit a coordinator could try exchanges until the one it shows fits."""
    ann, bob = pair
    sent: list[bytes] = []

    def one_more(asking: str, reply: coop_pb2.FetchVouchingReply) -> coop_pb2.FetchVouchingReply:
        if asking == bob.member_id:
            sent.append(os.urandom(32))
            reply.messages.add(
                member_id=ann.member_id, step=coop_pb2.VOUCHING_STEP_OFFER, commitment=sent[-1]
            )
        return reply

    lying("FetchVouching", one_more)
    with caplog.at_level(logging.WARNING):
        for _ in range(12):
            bob.tend()
    book = read_book(bob.home, now=int(time.time()))
    assert [bytes.fromhex(each[3]) for each in book.codes] == sent[:3]
    assert "trying until two of them agree" in caplog.text


def test_new_ids_for_one_name_are_not_new_chances_and_new_names_are_few(
    coop: Any, pair: tuple[Store, Store]
) -> None:
    ann, bob = pair
    book = read_book(bob.home, now=0)
    seen = bob.sees(ann)
    for number in range(3):
        fresh = replace(seen, member_id=f"{number:016x}")
        book.refuse_more(fresh)
        book.code_fixed(offer("ab" * 16, bob.sees(bob), fresh, entropy=os.urandom, now=0), 0)
    with pytest.raises(VouchRefusedError):
        book.refuse_more(replace(seen, member_id="f" * 16))
    others = [replace(seen, member_id=f"{number:016x}", name=f"Shop {number}") for number in range(100, 200)]
    taken = 0
    with pytest.raises(VouchRefusedError):  # noqa: PT012  # counts how far it comes
        for other in others:
            book.refuse_more(other)
            book.code_fixed(offer("ab" * 16, bob.sees(bob), other, entropy=os.urandom, now=0), 0)
            taken += 1
    assert taken == 37


def test_who_leaves_vouches_no_more(coop: Any, tmp_path: Path, limits: StoreLimits) -> None:
    with stores_of(coop, tmp_path, limits, "Ann", "Bob", "Cem", "Dan") as (ann, bob, cem, dan):
        for one, other in ((ann, bob), (ann, dan), (cem, bob), (cem, dan)):
            compare(one, other)
        ann.tend()
        assert ann.counted() == ["Ann", "Bob", "Cem", "Dan"]
        with closing(connect(coop.home.database)) as connection:
            leave(connection, dan.member_id, now=coop.now())
        ann.tend()
        assert ann.counted() == ["Ann", "Bob"]


def test_the_services_bring_an_exchange_to_its_codes_without_a_person(pair: tuple[Store, Store]) -> None:
    ann, bob = pair
    ending = threading.Event()
    with (
        watching_vouches(bob.home, ending, every_seconds=0.05),
        watching_vouches(ann.home, ending, every_seconds=0.05),
    ):
        ann.desk.begin(ann.sees(bob))
        end = time.monotonic() + 20
        while not bob.has_code(ann) and time.monotonic() < end:
            threading.Event().wait(0.02)
        answered = bob.desk.enter_code(bob.sees(ann), ann.shown_code(bob))
        ann.desk.enter_code(ann.sees(bob), answered.shown_code)
        while ann.counted() != ["Ann", "Bob"] and time.monotonic() < end:
            threading.Event().wait(0.02)
    assert ann.counted() == ["Ann", "Bob"]


def test_a_watch_goes_on_when_the_coordinator_is_back(
    pair: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ann, _ = pair
    true, calls = VouchDeskTend.true, []

    def fails_twice(self: Any, seen: Any) -> Any:
        calls.append(seen)
        if len(calls) <= 2:
            raise CoopUnreachableError("Nobody answers.")
        return true(self, seen)

    monkeypatch.setattr(desk_module.VouchDesk, "tend", fails_twice)
    with caplog.at_level(logging.WARNING), watching_vouches(ann.home, threading.Event(), every_seconds=0.02):
        end = time.monotonic() + 20
        while len(calls) < 5 and time.monotonic() < end:
            threading.Event().wait(0.02)
    assert len(calls) >= 5
    assert caplog.text.count("vouching waits: Nobody answers.") == 1


class VouchDeskTend:
    true = desk_module.VouchDesk.tend
