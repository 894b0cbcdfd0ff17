"""Whoever lies in between two stores that compare codes gets no vouch, and is seen."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from vouching_coop import Lies, Store, bring_codes, compare, kept_vouches, let_lie, signed_nothing, stores_of

from highstreet.audit.limits import StoreLimits
from highstreet.audit.roster import Member, Roster, read_roster
from highstreet.audit.signing import SignatureKind, SignedDocument
from highstreet.audit.vouches import sign_vouch
from highstreet.audit.vouching import Exchange, answer, offer
from highstreet.client.errors import PinnedKeyChangedError, WrongCodeError
from highstreet.client.exchange_book import read_book
from highstreet.client.identity import load_identity
from highstreet.client.membership import load_membership
from highstreet.protos import coop_pb2
from highstreet.server.database import connect


@pytest.fixture(autouse=True)
def lying(monkeypatch: pytest.MonkeyPatch) -> Lies:
    """Before the co-op starts, so that its service can be made to lie."""
    return let_lie(monkeypatch)


@pytest.fixture
def pair(coop: Any, tmp_path: Path, limits: StoreLimits) -> Iterator[tuple[Store, Store]]:
    with stores_of(coop, tmp_path, limits, "Ann", "Bob") as (one, other):
        yield one, other


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
    assert signed_nothing(ann, bob)
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
    assert signed_nothing(ann, bob)


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
        assert kept_vouches(coop) == {(ann.member_id, bob.member_id)}
        bob.tend()
        assert len(kept_vouches(coop)) == 2


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
