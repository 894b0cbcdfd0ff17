"""Who counts in a round: those vouched for, under the keys they were vouched for with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.audit.roster import Member
from highstreet.audit.signing import SignatureKind, SignedDocument
from highstreet.audit.vouches import Vouch, sign_vouch
from highstreet.client.errors import CoopUnreachableError
from highstreet.client.home import StoreHome
from highstreet.client.identity import load_or_make_identity
from highstreet.client.membership import JoinPapers, Membership, save_membership
from highstreet.client.pinned_members import pin
from highstreet.client.rosters import Rosters, newest_roster
from highstreet.client.round_members import RoundMembers
from highstreet.client.vouches import add_vouches
from tests.client.made_up_coop import CHARTER, COORDINATOR, IDS, ME, NOW, fresh_keys, member

MEMBERSHIP = Membership(
    member_id=ME,
    coop_id=CHARTER.coop.id,
    coop_name="Tiny",
    coordinator_public_key=COORDINATOR.public_key().public_bytes_raw().hex(),
    charter_sha256=CHARTER.sha256().hex(),
    member_address="127.0.0.1:1",
    superlink_address="127.0.0.1:2",
    joined_at=1,
)


def _document(members: tuple[Member, ...], *, number: int = 1) -> SignedDocument:
    value: dict[str, object] = {
        "format_version": 2,
        "coop_id": CHARTER.coop.id,
        "number": number,
        "members": [{**each.to_dict(), "joined_at": 1} for each in members],
    }
    return SignedDocument.create(SignatureKind.ROSTER, value, COORDINATOR)


class Shop:
    """A store in the co-op that vouches for others by its own hand."""

    def __init__(self, home: StoreHome) -> None:
        self.home = home
        self.identity = load_or_make_identity(home)
        own = replace(
            member(ME),
            signing_public_key=self.identity.signing_public_key,
            encryption_public_key=self.identity.encryption_public_key,
        )
        self.members = (own, *(member(one) for one in IDS[1:]))
        self.document = _document(self.members)
        charter = SignedDocument.create(SignatureKind.CHARTER, CHARTER.to_dict(), COORDINATOR)
        papers = JoinPapers(ca_pem=b"", client_certificate_pem=b"", charter=charter, roster=self.document)
        save_membership(home, MEMBERSHIP, papers)

    def vouch_for(self, *ids: str) -> None:
        roster = newest_roster(self.home, MEMBERSHIP)
        own = [self._vouch(self.identity.signing, roster.member(one)) for one in ids]
        add_vouches(self.home, roster, own)

    def _vouch(self, key: Ed25519PrivateKey, subject: Member | None) -> Vouch:
        assert subject is not None
        return sign_vouch(CHARTER.coop.id, ME, subject, key)

    def round_members(
        self, fetch: Callable[[], SignedDocument], refresh: Callable[[], object]
    ) -> RoundMembers:
        rosters = Rosters(self.home, MEMBERSHIP, fetch)
        return RoundMembers(self.home, MEMBERSHIP, rosters=rosters, refresh=refresh)


def _unreachable() -> SignedDocument:
    raise CoopUnreachableError("Nobody answers.")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(StoreHome(tmp_path / "store").ensure())


def test_those_vouched_for_count_and_nothing_is_asked_of_anybody(shop: Shop) -> None:
    shop.vouch_for(*IDS[1:])
    found = shop.round_members(_unreachable, _unreachable).find(shop.document.sha256(), IDS, NOW)
    assert found is not None
    assert found.roster.members == shop.members
    assert found.counted == frozenset(IDS)


def test_vouches_are_fetched_when_a_participant_does_not_count_yet(shop: Shop) -> None:
    shop.vouch_for(*IDS[1:4])
    members = shop.round_members(_unreachable, lambda: shop.vouch_for(IDS[4]))
    found = members.find(shop.document.sha256(), IDS, NOW)
    assert found is not None
    assert found.counted == frozenset(IDS)


def test_who_is_not_vouched_for_does_not_count_when_nobody_answers(shop: Shop) -> None:
    shop.vouch_for(*IDS[1:4])
    found = shop.round_members(_unreachable, _unreachable).find(shop.document.sha256(), IDS, NOW)
    assert found is not None
    assert found.counted == frozenset(IDS[:4])


def test_a_roster_that_was_never_accepted_is_none(shop: Shop) -> None:
    assert shop.round_members(_unreachable, _unreachable).find(bytes(32), IDS, NOW) is None


def test_a_member_under_another_key_does_not_count_in_a_newer_roster(shop: Shop) -> None:
    """Vouched for, not pinned yet: the vouch is for the key it had."""
    shop.vouch_for(*IDS[1:])
    (shop.home.coop / "pinned_members.json").unlink()
    swapped = (*shop.members[:4], replace(member(IDS[4], fresh_keys()), name=shop.members[4].name))
    newer = _document(swapped, number=2)
    found = shop.round_members(lambda: newer, _unreachable).find(newer.sha256(), IDS, NOW)
    assert found is not None
    assert found.counted == frozenset(IDS[:4])


def test_a_roster_that_changes_a_pinned_key_is_not_known(shop: Shop) -> None:
    shop.vouch_for(*IDS[1:])
    swapped = (*shop.members[:4], replace(member(IDS[4], fresh_keys()), name=shop.members[4].name))
    newer = _document(swapped, number=2)
    assert shop.round_members(lambda: newer, _unreachable).find(newer.sha256(), IDS, NOW) is None


def test_a_member_pinned_under_another_key_does_not_count(shop: Shop) -> None:
    pin(shop.home, [member(IDS[4], fresh_keys())])
    shop.vouch_for(*IDS[1:])
    found = shop.round_members(_unreachable, _unreachable).find(shop.document.sha256(), IDS, NOW)
    assert found is not None
    assert found.counted == frozenset(IDS[:4])
