"""One shop never counts under two ids: taken back, replaced and gone are for good, whatever comes later."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from vouching_coop import Lies, Store, bring_codes, compare, let_lie, stores_of

from highstreet.audit.limits import StoreLimits
from highstreet.audit.signing import SignatureKind, SignedDocument
from highstreet.audit.vouches import sign_vouch
from highstreet.client.departure import leave_coop
from highstreet.client.errors import SameNameError, VouchRefusedError
from highstreet.client.exchange_book import ExchangeBook
from highstreet.client.home import StoreHome
from highstreet.client.identity import load_identity
from highstreet.client.join import join_coop
from highstreet.client.member_list import member_list
from highstreet.client.membership import load_membership
from highstreet.client.rosters import newest_roster
from highstreet.client.round_members import RoundMembers
from highstreet.client.vouches import add_vouches, edges_on
from highstreet.protos import coop_pb2
from highstreet.server.database import connect
from highstreet.server.participants import current_participants

LATER = 1 << 40


@pytest.fixture(autouse=True)
def lying(monkeypatch: pytest.MonkeyPatch) -> Lies:
    """Before the co-op starts, so that its service can be made to lie."""
    return let_lie(monkeypatch)


@pytest.fixture
def shops(coop: Any, tmp_path: Path, limits: StoreLimits) -> Iterator[list[Store]]:
    """Four shops that all count for each other: three honest ones, and Eve."""
    with stores_of(coop, tmp_path, limits, "Ann", "Bob", "Cem", "Eve") as found:
        ann, bob, cem, eve = found
        for one, other in ((ann, bob), (ann, cem), (bob, cem), (ann, eve), (bob, eve), (cem, eve)):
            compare(one, other)
        for each in found:
            each.tend()
            assert each.counted() == ["Ann", "Bob", "Cem", "Eve"]
        yield found


class Lingering:
    """A coordinator that goes on naming whom it likes, with the vouches there were."""

    def __init__(self, coop: Any, asking: Store) -> None:
        self._key = coop.home.coordinator_key()
        reply = self._served(asking)
        self._entries = json.loads(reply.roster.document)["members"]
        self._vouches = list(reply.vouches)
        self.kept: set[str] = set()

    @staticmethod
    def _served(asking: Store) -> coop_pb2.RosterReply:
        reply: coop_pb2.RosterReply = asking.desk._caller.call(
            lambda stub, timeout: stub.GetRoster(coop_pb2.RosterRequest(), timeout=timeout)
        )
        return reply

    def __call__(self, asking: str, reply: coop_pb2.RosterReply) -> coop_pb2.RosterReply:
        content = json.loads(reply.roster.document)
        there = {entry["member_id"] for entry in content["members"]}
        back = [each for each in self._entries if each["member_id"] in self.kept - there]
        content["members"] += back
        content["number"] += len(back)
        signed = SignedDocument.create(SignatureKind.ROSTER, content, self._key)
        reply.roster.document, reply.roster.signature = signed.document, signed.signature
        known = {entry["member_id"] for entry in content["members"]}
        served = {(each.voucher_id, each.subject_id) for each in reply.vouches}
        for each in self._vouches:
            pair = (each.voucher_id, each.subject_id)
            if known.issuperset(pair) and pair not in served:
                reply.vouches.append(each)
        return reply


def _come_back(
    coop: Any, eve: Store, name: str, folder: Path, limits: StoreLimits, stack: ExitStack
) -> Store:
    """The shop leaves, deletes nothing, and joins again with new keys."""
    leave_coop(eve.home)
    home = StoreHome(folder / f"again as {name}")
    join_coop(home, coop.invite(name), limits, now=datetime.now(UTC))
    again = Store(home, stack)
    again.tend()
    return again


def _vouch_for(one: Store, other: Store, *, replaces: tuple[str, ...] | None = None) -> None:
    """One owner's half of a call."""
    one.tend()
    other.tend()
    bring_codes(other, one)
    one.desk.enter_code(one.sees(other), other.shown_code(one), replaces=replaces)


def _rows(store: Store) -> dict[str, Any]:
    roster = newest_roster(store.home, load_membership(store.home))
    found = member_list(store.home, roster, edges_on(store.home, roster), ExchangeBook())
    return {each.member.member_id: each for each in found.members}


def test_a_vouch_taken_back_counts_nowhere_any_more(coop: Any, shops: list[Store]) -> None:
    ann, bob, cem, eve = shops
    ann.desk.withdraw(ann.sees(eve))
    assert ann.counted() == ["Ann", "Bob", "Cem"]  # on others' word neither
    for store in (bob, cem):
        store.tend()
        assert store.counted() == ["Ann", "Bob", "Cem", "Eve"]  # whom they compared a code with
        assert not any(
            edge == (ann.member_id, eve.member_id)
            for edge in edges_on(store.home, newest_roster(store.home, load_membership(store.home)))
        )
    assert _rows(ann)[eve.member_id].is_struck_out
    eve.tend()
    assert _rows(eve)[eve.member_id].is_struck_out  # and Eve is told that somebody did


def test_a_withdrawal_that_was_seen_holds_when_it_is_withheld_and_the_vouch_played_back(
    coop: Any, tmp_path: Path, limits: StoreLimits, shops: list[Store]
) -> None:
    """A shop that counts by two vouches, one of them taken back, counts for nobody else any more."""
    ann, bob, cem, _ = shops
    with stores_of(coop, tmp_path, limits, "Dee", "Flo") as (dee, flo):
        for one in (ann, bob):
            one.tend()
            compare(one, dee)
            compare(one, flo)
        for store in (cem, flo):
            store.tend()
            assert "Dee" in store.counted()
        ann.desk.withdraw(ann.sees(dee))
        cem.tend()
        assert "Dee" not in cem.counted()
        with closing(connect(coop.home.database)) as connection:
            connection.execute("DELETE FROM withdrawals")
        coop_id, key = load_membership(ann.home).coop_id, load_identity(ann.home).signing
        old = sign_vouch(coop_id, ann.member_id, ann.sees(dee), key)  # byte for byte the one there was
        add_vouches(cem.home, newest_roster(cem.home, load_membership(cem.home)), [old])
        cem.restart()
        cem.tend()
        assert "Dee" not in cem.counted()
        flo.tend()
        assert "Dee" in flo.counted()  # who never saw the withdrawal: what remains, see SECURITY.md
        ann.tend()  # puts it back where it was lost
        flo.tend()
        assert "Dee" not in flo.counted()


def test_a_vouch_taken_back_cannot_be_given_again_under_the_same_keys(shops: list[Store]) -> None:
    ann, _, _, eve = shops
    ann.desk.withdraw(ann.sees(eve))
    with pytest.raises(VouchRefusedError, match="that is for good"):
        ann.desk.begin(ann.sees(eve))
    with pytest.raises(VouchRefusedError, match="that is for good"):
        ann.desk.enter_code(ann.sees(eve), "123456")
    with pytest.raises(VouchRefusedError, match="nothing to take back"):
        ann.desk.withdraw(ann.sees(eve))


def test_a_member_that_comes_back_counts_twice_unless_an_owner_says_so(
    coop: Any, tmp_path: Path, limits: StoreLimits, shops: list[Store], lying: Lies
) -> None:
    """The attack and what stops it: Eve joins again as Ivy, calls Ann and Bob, and Eve stays on the list."""
    ann, bob, cem, eve = shops
    old = eve.member_id
    lingering = Lingering(coop, ann)
    lingering.kept = {old}
    lying("GetRoster", lingering)
    with ExitStack() as stack:
        ivy = _come_back(coop, eve, "Ivy", tmp_path, limits, stack)
        for owner in (ann, bob):
            _vouch_for(owner, ivy)  # nobody asks, nobody says
        cem.tend()
        assert cem.counted() == ["Ann", "Bob", "Cem", "Eve", "Ivy"]
        ann.desk.replace(ann.sees(ivy), [old])  # Ann's owner hears of it
        for store in (ann, bob, cem):
            store.tend()
            assert store.counted() == ["Ann", "Bob", "Cem", "Ivy"]
            assert _rows(store)[old].is_struck_out
        with closing(connect(coop.home.database)) as connection:  # and it is never forgotten
            connection.execute("DELETE FROM vouches WHERE voucher = ?", (ann.member_id,))
        lying("GetRoster", lambda asking, reply: lingering(asking, _without(reply, ann.member_id)))
        for store in (bob, cem):
            store.restart()
            store.tend()
            assert "Eve" not in store.counted()


def _without(reply: coop_pb2.RosterReply, voucher: str) -> coop_pb2.RosterReply:
    kept = [each for each in reply.vouches if each.voucher_id != voucher]
    del reply.vouches[:]
    reply.vouches.extend(kept)
    return reply


def test_a_member_said_to_replace_another_strikes_it_out_at_once(
    coop: Any, tmp_path: Path, limits: StoreLimits, shops: list[Store], lying: Lies
) -> None:
    ann, bob, cem, eve = shops
    old = eve.member_id
    lingering = Lingering(coop, ann)
    lingering.kept = {old}
    lying("GetRoster", lingering)
    with ExitStack() as stack:
        ivy = _come_back(coop, eve, "Ivy", tmp_path, limits, stack)
        _vouch_for(ann, ivy, replaces=(old,))
        _vouch_for(bob, ivy)
        for store in (ann, bob, cem):
            store.tend()
            assert store.counted() == ["Ann", "Bob", "Cem", "Ivy"]
        # Whoever would add a third is told that the place is taken.
        mia_home = StoreHome(tmp_path / "third")
        join_coop(mia_home, coop.invite("Mia"), limits, now=datetime.now(UTC))
        mia = Store(mia_home, stack)
        with pytest.raises(VouchRefusedError, match=r"Ivy .* has come in that shop's place"):
            _vouch_for(cem, mia, replaces=(old,))
        _vouch_for(cem, mia, replaces=(old, ivy.member_id))
        assert cem.counted() == ["Ann", "Bob", "Cem", "Mia"]


def test_who_was_gone_from_a_roster_never_counts_again(coop: Any, shops: list[Store], lying: Lies) -> None:
    ann, bob, _, eve = shops
    lingering = Lingering(coop, ann)
    old = eve.member_id
    leave_coop(eve.home)
    ann.tend()  # Ann sees the roster without Eve, Bob does not
    lingering.kept = {old}
    lying("GetRoster", lingering)
    for store in (ann, bob):
        store.tend()
        assert old in _rows(store)
    assert ann.counted() == ["Ann", "Bob", "Cem"]
    assert _rows(ann)[old].is_struck_out
    assert bob.counted() == ["Ann", "Bob", "Cem", "Eve"]  # who never saw it without
    lingering.kept = set()
    coop_number = newest_roster(bob.home, load_membership(bob.home)).number
    lying("GetRoster", lambda asking, reply: _numbered(coop, reply, coop_number + 1))
    bob.tend()
    assert bob.counted() == ["Ann", "Bob", "Cem"]


def _numbered(coop: Any, reply: coop_pb2.RosterReply, number: int) -> coop_pb2.RosterReply:
    content = json.loads(reply.roster.document)
    content["number"] = number
    signed = SignedDocument.create(SignatureKind.ROSTER, content, coop.home.coordinator_key())
    reply.roster.document, reply.roster.signature = signed.document, signed.signature
    return reply


def test_a_round_that_was_opened_before_a_member_left_goes_on_and_no_later_one_does(
    coop: Any, shops: list[Store]
) -> None:
    ann, *_, eve = shops
    everybody = [each.member_id for each in shops]
    membership = load_membership(ann.home)
    signed = SignedDocument.from_file_bytes((ann.home.coop / "roster.json").read_bytes())
    opened = int(time.time())
    leave_coop(eve.home)
    ann.tend()
    members = RoundMembers(ann.home, membership, refresh=lambda: None)
    under_way = members.find(signed.sha256(), everybody, opened)
    assert under_way is not None
    assert under_way.counted == frozenset(everybody)
    later = members.find(signed.sha256(), everybody, int(time.time()) + 60)
    assert later is not None
    assert later.counted == frozenset(everybody) - {everybody[3]}


def test_who_was_replaced_counts_in_no_round_under_way_either(
    coop: Any, tmp_path: Path, limits: StoreLimits, shops: list[Store]
) -> None:
    ann, *_, eve = shops
    everybody, old = [each.member_id for each in shops], eve.member_id
    signed = SignedDocument.from_file_bytes((ann.home.coop / "roster.json").read_bytes())
    opened = int(time.time())
    with ExitStack() as stack:
        ivy = _come_back(coop, eve, "Ivy", tmp_path, limits, stack)
        _vouch_for(ann, ivy, replaces=(old,))
    members = RoundMembers(ann.home, load_membership(ann.home), refresh=lambda: None)
    found = members.find(signed.sha256(), everybody, opened)
    assert found is not None
    assert found.counted == frozenset(everybody) - {old}


def test_a_shop_of_a_name_that_counted_before_is_vouched_for_only_with_an_answer(
    coop: Any, tmp_path: Path, limits: StoreLimits, shops: list[Store]
) -> None:
    ann, bob, cem, eve = shops
    old = eve.member_id
    with ExitStack() as stack:
        again = _come_back(coop, eve, "ＥVE", tmp_path, limits, stack)
        for said in (None, ("f" * 16,)):
            with pytest.raises(SameNameError, match=f"{old}.*the same shop") as caught:
                _vouch_for(ann, again, replaces=said)
            assert "--replaces" in caught.value.next_step
        assert again.member_id not in _rows_that_count(ann)
        assert ann.desk.tries_left(ann.sees(again)) == 3  # no code was tried
        _vouch_for(ann, again, replaces=(old,))
        assert again.member_id in _rows_that_count(ann)
        _vouch_for(bob, again, replaces=())  # its owner says: another shop
        assert again.member_id in _rows_that_count(bob)
        cem.tend()
        assert again.member_id in _rows_that_count(cem)


def _rows_that_count(store: Store) -> set[str]:
    return {member_id for member_id, each in _rows(store).items() if each.counts}


def test_stores_and_coordinator_agree_on_who_may_take_part(
    coop: Any, tmp_path: Path, limits: StoreLimits, shops: list[Store]
) -> None:
    """Whom the coordinator would ask, every one of them counts: else each round would be refused."""
    ann, bob, cem, eve = shops

    def agreed() -> set[str]:
        with closing(connect(coop.home.database)) as connection:
            asked = current_participants(connection, coop.home.charter()).member_ids
        for store in everybody:
            store.tend()
            signed = SignedDocument.from_file_bytes((store.home.coop / "roster.json").read_bytes())
            if store.member_id in asked:
                members = RoundMembers(store.home, load_membership(store.home), refresh=lambda: None)
                found = members.find(signed.sha256(), asked, LATER)
                assert found is not None
                assert found.counted.issuperset(asked)
        return set(asked)

    everybody = [ann, bob, cem, eve]
    ids = {each.member_id for each in everybody}
    assert agreed() == ids
    ann.desk.withdraw(ann.sees(eve))
    assert agreed() == ids - {eve.member_id} or agreed() == ids - {ann.member_id}
    old = eve.member_id
    with ExitStack() as stack:
        again = _come_back(coop, eve, "Eve", tmp_path, limits, stack)
        everybody = [ann, bob, cem, again]
        assert agreed() == {ann.member_id, bob.member_id, cem.member_id}
        for owner in (ann, bob, cem):
            _vouch_for(owner, again, replaces=(old,))
        for owner in (ann, bob):
            _vouch_for(again, owner)
        assert agreed() == {each.member_id for each in everybody}
        # A false word strikes out an honest member, at every store and at the coordinator.
        bob.desk.replace(bob.sees(again), [cem.member_id])
        assert agreed() == {ann.member_id, bob.member_id, again.member_id}
        bob.desk.replace(bob.sees(again), [ann.member_id])
        assert agreed() == {bob.member_id, again.member_id}
