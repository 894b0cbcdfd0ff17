"""Two stores of a real co-op service vouch for each other, whatever breaks and whoever lies in between."""

from __future__ import annotations

import hashlib
import json
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
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from vouching_coop import Lies, Store, bring_codes, compare, let_lie, stores_of

from highstreet.audit.limits import StoreLimits
from highstreet.audit.roster import Member, Roster, fewest_pairs, read_roster
from highstreet.audit.signing import SignatureKind, SignedDocument
from highstreet.audit.vouches import sign_vouch
from highstreet.audit.vouching import Exchange, Role, answer, offer
from highstreet.client import vouch_desk as desk_module
from highstreet.client.errors import (
    CoopUnreachableError,
    PinnedKeyChangedError,
    RosterRefusedError,
    VouchRefusedError,
    WrongCodeError,
)
from highstreet.client.exchange_book import read_book
from highstreet.client.identity import load_identity
from highstreet.client.membership import load_membership
from highstreet.client.pinned_members import pinned_members
from highstreet.client.vouch_watch import watching_vouches
from highstreet.client.vouches import counted_members, known_vouches
from highstreet.files import write_private
from highstreet.protos import coop_pb2
from highstreet.server.database import connect
from highstreet.server.membership import leave
from highstreet.server.vouching import current_vouches


@pytest.fixture(autouse=True)
def lying(monkeypatch: pytest.MonkeyPatch) -> Lies:
    """Before the co-op starts, so that its service can be made to lie."""
    return let_lie(monkeypatch)


@pytest.fixture
def pair(coop: Any, tmp_path: Path, limits: StoreLimits) -> Iterator[tuple[Store, Store]]:
    with stores_of(coop, tmp_path, limits, "Ann", "Bob") as (one, other):
        yield one, other


def _kept_vouches(coop: Any) -> set[tuple[str, str]]:
    with closing(connect(coop.home.database)) as connection:
        return {(each.voucher_id, each.subject_id) for each in current_vouches(connection)}


def _signed_nothing(*stores: Store) -> bool:
    return all(known_vouches(store.home) == [] for store in stores)


def test_one_call_makes_both_vouch(coop: Any, pair: tuple[Store, Store]) -> None:
    ann, bob = pair
    assert ann.counted() == ["Ann"]
    compare(ann, bob)
    both = {(ann.member_id, bob.member_id), (bob.member_id, ann.member_id)}
    assert _kept_vouches(coop) == both
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
    assert _signed_nothing(ann, bob)


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
    assert _kept_vouches(coop) == set()
    bob.tend()
    assert _kept_vouches(coop) == {(bob.member_id, ann.member_id)}


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
    assert _signed_nothing(ann, bob)
    assert _kept_vouches(coop) == set()
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


class Between:
    """A coordinator that stands between two stores: each is shown a key of its own for the other."""

    def __init__(self, coop: Any, ann: Store, bob: Store) -> None:
        self.signing = Ed25519PrivateKey.generate()
        self.coop, self.ann, self.bob = coop, ann, bob
        self.roster_key = coop.home.coordinator_key()
        self.with_ann: Exchange | None = None
        self.with_bob: Exchange | None = None

    def false(self, entry: Member) -> Member:
        return replace(
            entry,
            signing_public_key=self.signing.public_key().public_bytes_raw(),
            encryption_public_key=hashlib.sha256(entry.member_id.encode()).digest(),
        )

    def swap_keys(self, asking: str, reply: coop_pb2.RosterReply) -> coop_pb2.RosterReply:
        """Give each the other's entry with false keys, under a number that is newer."""
        content = json.loads(reply.roster.document)
        content["number"] += 1
        for entry in content["members"]:
            if entry["member_id"] != asking:
                entry["signing_public_key"] = self.signing.public_key().public_bytes_raw().hex()
                entry["encryption_public_key"] = hashlib.sha256(entry["member_id"].encode()).hexdigest()
        signed = SignedDocument.create(SignatureKind.ROSTER, content, self.roster_key)
        reply.roster.document, reply.roster.signature = signed.document, signed.signature
        return reply

    def stand_between(self, asking: str, reply: coop_pb2.FetchVouchingReply) -> coop_pb2.FetchVouchingReply:
        """Answer Ann as Bob, and begin with Bob as Ann."""
        reply.roster_number += 1
        ann_true, bob_true = self.ann.sees(self.ann), self.bob.sees(self.bob)
        if asking == self.ann.member_id:
            offers = self._posted(self.ann, coop_pb2.VOUCHING_STEP_OFFER)
            del reply.messages[:]
            if offers:
                if self.with_ann is None:
                    self.with_ann = answer(
                        _coop_of(self.ann), self.false(bob_true), ann_true, offers[0],
                        entropy=os.urandom, now=0,
                    )  # fmt: skip
                reply.messages.add(
                    member_id=self.bob.member_id,
                    step=coop_pb2.VOUCHING_STEP_ANSWER,
                    commitment=offers[0],
                    nonce=self.with_ann.own_nonce,
                )
        elif asking == self.bob.member_id:
            if self.with_bob is None:
                self.with_bob = offer(
                    _coop_of(self.ann), self.false(ann_true), bob_true, entropy=os.urandom, now=0
                )
            del reply.messages[:]
            made = self.with_bob
            reply.messages.add(
                member_id=self.ann.member_id, step=coop_pb2.VOUCHING_STEP_OFFER, commitment=made.commitment
            )
            if self._posted(self.bob, coop_pb2.VOUCHING_STEP_ANSWER):
                reply.messages.add(
                    member_id=self.ann.member_id,
                    step=coop_pb2.VOUCHING_STEP_OPENING,
                    commitment=made.commitment,
                    nonce=made.own_nonce,
                )
        return reply

    def _posted(self, store: Store, step: int) -> list[bytes]:
        with closing(connect(self.coop.home.database)) as connection:
            rows = connection.execute(
                "SELECT commitment FROM vouching_messages WHERE sender = ? AND step = ?",
                (store.member_id, step),
            )
            return [row["commitment"] for row in rows]


def _coop_of(store: Store) -> str:
    return load_membership(store.home).coop_id


def test_a_coordinator_that_puts_its_own_key_in_the_middle_gets_codes_that_do_not_fit(
    coop: Any, pair: tuple[Store, Store], lying: Lies
) -> None:
    ann, bob = pair
    between = Between(coop, ann, bob)
    lying("GetRoster", between.swap_keys)
    lying("FetchVouching", between.stand_between)
    ann.tend()
    bob.tend()
    assert ann.sees(bob).signing_public_key == between.signing.public_key().public_bytes_raw()
    bring_codes(ann, bob)
    assert ann.has_code(bob)  # the attack as such goes through ...
    assert bob.has_code(ann)
    with pytest.raises(WrongCodeError, match="put another key in place"):
        bob.desk.enter_code(bob.sees(ann), ann.shown_code(bob))  # ... but not past the phone
    kept = bob.desk.exchange_with(bob.sees(ann))
    assert kept is not None
    with pytest.raises(WrongCodeError):
        ann.desk.enter_code(ann.sees(bob), kept.exchange.shown_code)
    assert _signed_nothing(ann, bob)
    assert ann.counted() == ["Ann"]
    assert bob.counted() == ["Bob"]


def test_keys_swapped_for_one_side_only_are_noticed_without_a_person(
    coop: Any, pair: tuple[Store, Store], lying: Lies
) -> None:
    ann, bob = pair
    between = Between(coop, ann, bob)

    def for_bob(asking: str, reply: coop_pb2.RosterReply) -> coop_pb2.RosterReply:
        return between.swap_keys(asking, reply) if asking == bob.member_id else reply

    lying("GetRoster", for_bob)
    bob.tend()
    bring_codes(ann, bob)
    assert not bob.has_code(ann)
    assert [each[1] for each in read_book(bob.home, now=int(time.time())).odd] == [ann.member_id]
    assert _signed_nothing(ann, bob)


def test_an_old_exchange_played_back_is_not_answered_again(
    coop: Any, pair: tuple[Store, Store], lying: Lies
) -> None:
    ann, bob = pair
    heard: list[coop_pb2.VouchingMessage] = []

    def listen(asking: str, reply: coop_pb2.FetchVouchingReply) -> coop_pb2.FetchVouchingReply:
        if asking == bob.member_id:
            heard.extend(reply.messages)
        return reply

    lying("FetchVouching", listen)
    compare(ann, bob)
    bob.tend()
    before = read_book(bob.home, now=int(time.time()))

    def replay(asking: str, reply: coop_pb2.FetchVouchingReply) -> coop_pb2.FetchVouchingReply:
        if asking == bob.member_id:
            del reply.messages[:]
            reply.messages.extend(heard)
        return reply

    lying("FetchVouching", replay)
    bob.tend()
    bob.restart()
    bob.tend()
    assert read_book(bob.home, now=int(time.time())) == before
    assert [each[3] for each in before.codes] == [heard[0].commitment.hex()]


def test_invented_stores_that_vouch_for_each_other_do_not_count(
    coop: Any, tmp_path: Path, limits: StoreLimits, lying: Lies
) -> None:
    """Fifty of them, and one real store in league: its vouch is one too few."""
    with stores_of(coop, tmp_path, limits, "Ann", "Bob", "Eve") as (ann, bob, eve):
        for one, other in ((ann, bob), (ann, eve), (bob, eve)):
            compare(one, other)
        keys = [Ed25519PrivateKey.generate() for _ in range(50)]
        invented = [
            Member(
                member_id=f"{number:016x}",
                name=f"Shop {number}",
                signing_public_key=key.public_key().public_bytes_raw(),
                encryption_public_key=os.urandom(32),
            )
            for number, key in enumerate(keys)
        ]
        eve_key, coop_id = load_identity(eve.home).signing, load_membership(ann.home).coop_id

        def invent(asking: str, reply: coop_pb2.RosterReply) -> coop_pb2.RosterReply:
            content = json.loads(reply.roster.document)
            content["number"] += 50
            content["members"] += [{**member.to_dict(), "joined_at": 1} for member in invented]
            signed = SignedDocument.create(SignatureKind.ROSTER, content, coop.home.coordinator_key())
            reply.roster.document, reply.roster.signature = signed.document, signed.signature
            roster: Roster = read_roster(signed.document)
            said = [sign_vouch(coop_id, eve.member_id, member, eve_key) for member in invented]
            for key, voucher in zip(keys, invented, strict=True):
                said += [
                    sign_vouch(coop_id, voucher.member_id, subject, key)
                    for subject in (*invented[:3], *roster.members[:3])
                    if subject != voucher
                ]
            # And one that Ann is said to have given, under another's key.
            said.append(replace(sign_vouch(coop_id, ann.member_id, invented[0], keys[0])))
            reply.vouches.extend(
                coop_pb2.Vouch(
                    voucher_id=each.voucher_id, subject_id=each.subject_id, signature=each.signature
                )
                for each in said
            )
            return reply

        lying("GetRoster", invent)
        for store in (ann, bob):
            store.tend()
            assert store.counted() == ["Ann", "Bob", "Eve"]


def test_a_vouch_that_the_coordinator_drops_is_put_back_and_one_that_was_seen_stays(
    coop: Any, tmp_path: Path, limits: StoreLimits
) -> None:
    with stores_of(coop, tmp_path, limits, "Ann", "Bob") as (ann, bob):
        compare(ann, bob)
        ann.tend()
        with closing(connect(coop.home.database)) as connection:
            connection.execute("DELETE FROM vouches")
        ann.restart()
        ann.tend()
        assert ann.counted() == ["Ann", "Bob"]
        assert _kept_vouches(coop) == {(ann.member_id, bob.member_id)}
        bob.tend()
        assert len(_kept_vouches(coop)) == 2


def test_a_changed_key_of_a_member_that_counted_is_refused_and_shown(
    coop: Any, pair: tuple[Store, Store], lying: Lies
) -> None:
    ann, bob = pair
    compare(ann, bob)
    ann.tend()
    between = Between(coop, ann, bob)
    lying("GetRoster", between.swap_keys)
    ann.restart()
    with pytest.raises(PinnedKeyChangedError, match="Bob"):
        ann.tend()
    assert ann.counted() == ["Ann", "Bob"]
    assert ann.sees(bob).signing_public_key == load_identity(bob.home).signing_public_key


def test_another_roster_for_another_store_is_of_no_use(
    coop: Any, tmp_path: Path, limits: StoreLimits, lying: Lies
) -> None:
    """Bob is shown Cem under a false key. Ann's vouch for Cem does not hold for it, whoever carries it."""
    with stores_of(coop, tmp_path, limits, "Ann", "Bob", "Cem", "Dan") as (ann, bob, cem, dan):
        for one, other in ((ann, bob), (bob, dan), (ann, cem), (cem, dan)):
            compare(one, other)

        def swap_cem(asking: str, reply: coop_pb2.RosterReply) -> coop_pb2.RosterReply:
            if asking != bob.member_id:
                return reply
            content = json.loads(reply.roster.document)
            content["number"] += 1
            (entry,) = (each for each in content["members"] if each["name"] == "Cem")
            entry["encryption_public_key"] = "77" * 32
            signed = SignedDocument.create(SignatureKind.ROSTER, content, coop.home.coordinator_key())
            reply.roster.document, reply.roster.signature = signed.document, signed.signature
            return reply

        true_cem = bob.sees(cem)
        lying("GetRoster", swap_cem)
        bob.restart()
        bob.tend()
        assert bob.sees(cem) != true_cem
        assert bob.counted() == ["Ann", "Bob", "Dan"]
        ann.tend()
        assert ann.counted() == ["Ann", "Bob", "Cem", "Dan"]


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
