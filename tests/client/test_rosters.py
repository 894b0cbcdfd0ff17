"""Which rosters a store believes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.audit.errors import SignatureMismatchError
from highstreet.audit.roster import Member
from highstreet.audit.signing import SignatureKind, SignedDocument
from highstreet.client.errors import CoopUnreachableError, PinnedKeyChangedError, RosterRefusedError
from highstreet.client.home import StoreHome
from highstreet.client.identity import load_or_make_identity
from highstreet.client.membership import Membership
from highstreet.client.pinned_members import pin, pinned_members
from highstreet.client.rosters import Rosters, accept_roster, known_roster, newest_roster

COORDINATOR = Ed25519PrivateKey.generate()
COOP, ME, OTHER = "c1" * 16, "a1" * 8, "b2" * 8
MEMBERSHIP = Membership(
    member_id=ME,
    coop_id=COOP,
    coop_name="Tiny",
    coordinator_public_key=COORDINATOR.public_key().public_bytes_raw().hex(),
    charter_sha256="0" * 64,
    member_address="127.0.0.1:1",
    superlink_address="127.0.0.1:2",
    joined_at=1,
)
MILL = Member(
    member_id=OTHER,
    name="Mill Lane",
    signing_public_key=bytes([2] * 32),
    encryption_public_key=bytes([3] * 32),
)


def _signed(
    number: int, *members: Member, coop_id: str = COOP, key: Ed25519PrivateKey = COORDINATOR
) -> SignedDocument:
    value: dict[str, object] = {
        "format_version": 2,
        "coop_id": coop_id,
        "number": number,
        "members": [{**member.to_dict(), "joined_at": 1} for member in members],
    }
    return SignedDocument.create(SignatureKind.ROSTER, value, key)


class Coordinator:
    """Hands out one roster, and counts how often it was asked."""

    def __init__(self, roster: SignedDocument | None) -> None:
        self.roster = roster
        self.asked = 0

    def __call__(self) -> SignedDocument:
        self.asked += 1
        if self.roster is None:
            raise CoopUnreachableError("Nobody answers.")
        return self.roster


@pytest.fixture
def home(tmp_path: Path) -> StoreHome:
    return StoreHome(tmp_path)


@pytest.fixture
def me(home: StoreHome) -> Member:
    identity = load_or_make_identity(home)
    own = Member(
        member_id=ME,
        name="Corner Shop",
        signing_public_key=identity.signing_public_key,
        encryption_public_key=identity.encryption_public_key,
    )
    home.coop.mkdir()
    (home.coop / "roster.json").write_bytes(_signed(1, own).to_file_bytes())
    return own


def test_the_roster_on_disk_is_known_without_asking(home: StoreHome, me: Member) -> None:
    coordinator = Coordinator(None)
    assert Rosters(home, MEMBERSHIP, coordinator).knows(_signed(1, me).sha256())
    assert coordinator.asked == 0


def test_a_newer_roster_is_asked_for_kept_and_the_one_before_is_still_known(
    home: StoreHome, me: Member
) -> None:
    newer = _signed(2, me, MILL)
    rosters = Rosters(home, MEMBERSHIP, Coordinator(newer))
    assert rosters.knows(newer.sha256())
    again = Rosters(home, MEMBERSHIP, Coordinator(None))
    assert again.knows(newer.sha256())
    assert again.knows(_signed(1, me).sha256())
    found = known_roster(home, MEMBERSHIP, _signed(1, me).sha256())
    assert found is not None
    assert [member.name for member in found.members] == ["Corner Shop"]
    assert known_roster(home, MEMBERSHIP, bytes(32)) is None


@pytest.mark.parametrize(
    "odd",
    [
        lambda me: _signed(2, MILL),
        lambda me: _signed(2, me, coop_id="c2" * 16),
        lambda me: _signed(2, me, key=Ed25519PrivateKey.generate()),
        lambda me: _signed(0, me),
        lambda me: _signed(1, me, MILL),
        lambda me: _signed(2, replace(me, encryption_public_key=bytes(32)), MILL),
        lambda me: _signed(2, me, MILL, replace(MILL, member_id="d4" * 8, name="Other")),
        lambda me: _signed(2, me, replace(MILL, name="CORNER SHOP")),
        lambda me: None,
    ],
    ids=[
        "without this store",
        "another co-op",
        "another signer",
        "older",
        "another of the same number",
        "another key for this store",
        "one key twice",
        "one name twice",
        "no answer",
    ],
)
def test_any_other_roster_is_not_believed(home: StoreHome, me: Member, odd: Any) -> None:
    served = odd(me)
    rosters = Rosters(home, MEMBERSHIP, Coordinator(served))
    assert not rosters.knows(served.sha256() if served else b"x" * 32)
    assert rosters.knows(_signed(1, me).sha256())


def test_two_rosters_of_one_number_are_shown_for_what_they_are(home: StoreHome, me: Member) -> None:
    with pytest.raises(RosterRefusedError, match="two different rosters of one number"):
        accept_roster(home, MEMBERSHIP, _signed(1, me, MILL))


def test_a_roster_on_disk_that_somebody_changed_is_not_used(home: StoreHome, me: Member) -> None:
    forged = _signed(1, me, key=Ed25519PrivateKey.generate())
    (home.coop / "roster.json").write_bytes(forged.to_file_bytes())
    with pytest.raises(SignatureMismatchError):
        Rosters(home, MEMBERSHIP, Coordinator(None))


@pytest.mark.parametrize(
    "change",
    [
        {"signing_public_key": bytes([9] * 32)},
        {"encryption_public_key": bytes([9] * 32)},
        {"name": "Mill Street"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_roster_that_changes_a_pinned_member_is_refused_and_says_whom(
    home: StoreHome, me: Member, change: dict[str, Any]
) -> None:
    accept_roster(home, MEMBERSHIP, _signed(2, me, MILL))
    pin(home, [me, MILL])
    with pytest.raises(PinnedKeyChangedError, match="Mill Lane"):
        accept_roster(home, MEMBERSHIP, _signed(3, me, replace(MILL, **change)))
    assert newest_roster(home, MEMBERSHIP).number == 2
    # Without the pin it is an ordinary roster: the refusal is the pin's.
    (home.coop / "pinned_members.json").unlink()
    assert accept_roster(home, MEMBERSHIP, _signed(3, me, replace(MILL, **change))).number == 3


def test_who_is_pinned_stays_as_first_counted(home: StoreHome, me: Member) -> None:
    pin(home, [MILL])
    pin(home, [replace(MILL, signing_public_key=bytes(32)), me])
    assert pinned_members(home) == {OTHER: MILL, ME: me}


def test_a_pinned_member_may_leave(home: StoreHome, me: Member) -> None:
    accept_roster(home, MEMBERSHIP, _signed(2, me, MILL))
    pin(home, [me, MILL])
    assert accept_roster(home, MEMBERSHIP, _signed(3, me)).number == 3
