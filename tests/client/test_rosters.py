"""Which rosters a store believes."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.audit.errors import SignatureMismatchError
from highstreet.audit.signing import SignatureKind, SignedDocument
from highstreet.client.errors import CoopUnreachableError
from highstreet.client.home import StoreHome
from highstreet.client.membership import Membership
from highstreet.client.rosters import Rosters

COORDINATOR = Ed25519PrivateKey.generate()
MEMBERSHIP = Membership(
    member_id="m1",
    coop_id="c1",
    coop_name="Tiny",
    coordinator_public_key=COORDINATOR.public_key().public_bytes_raw().hex(),
    charter_sha256="0" * 64,
    member_address="127.0.0.1:1",
    superlink_address="127.0.0.1:2",
    joined_at=1,
)


def _roster(
    number: int, *members: str, coop_id: str = "c1", key: Ed25519PrivateKey = COORDINATOR
) -> SignedDocument:
    listed = [{"member_id": member} for member in members]
    value: dict[str, object] = {"coop_id": coop_id, "number": number, "members": listed}
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
    home = StoreHome(tmp_path)
    home.coop.mkdir()
    (home.coop / "roster.json").write_bytes(_roster(1, "m1").to_file_bytes())
    return home


def test_the_roster_on_disk_is_known_without_asking(home: StoreHome) -> None:
    coordinator = Coordinator(None)
    assert Rosters(home, MEMBERSHIP, coordinator).knows(_roster(1, "m1").sha256())
    assert coordinator.asked == 0


def test_a_newer_roster_is_asked_for_kept_and_the_one_before_is_still_known(home: StoreHome) -> None:
    newer = _roster(2, "m1", "m2")
    rosters = Rosters(home, MEMBERSHIP, Coordinator(newer))
    assert rosters.knows(newer.sha256())
    assert rosters.knows(_roster(1, "m1").sha256())
    assert Rosters(home, MEMBERSHIP, Coordinator(None)).knows(newer.sha256())


@pytest.mark.parametrize(
    "odd",
    [
        _roster(2, "m2"),
        _roster(2, "m1", coop_id="c2"),
        _roster(2, "m1", key=Ed25519PrivateKey.generate()),
        _roster(0, "m1"),
        None,
    ],
    ids=["without this store", "another co-op", "another signer", "older", "no answer"],
)
def test_any_other_roster_is_not_believed(home: StoreHome, odd: SignedDocument | None) -> None:
    rosters = Rosters(home, MEMBERSHIP, Coordinator(odd))
    assert not rosters.knows(odd.sha256() if odd else b"x" * 32)
    assert rosters.knows(_roster(1, "m1").sha256())


def test_a_roster_on_disk_that_somebody_changed_is_not_used(home: StoreHome) -> None:
    forged = _roster(1, "m1", key=Ed25519PrivateKey.generate())
    (home.coop / "roster.json").write_bytes(forged.to_file_bytes())
    with pytest.raises(SignatureMismatchError):
        Rosters(home, MEMBERSHIP, Coordinator(None))
