"""An erasure that was cut off can be finished whichever version began it, and leaves no key behind."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from highstreet.audit.erasure_certificate import person_commitment, read_certificate
from highstreet.audit.limits import StoreLimits
from highstreet.client import erasure as erasure_module
from highstreet.client.erasure import erase_again, erase_customers, finish_erasures
from highstreet.client.errors import ErasureIncompleteError
from highstreet.client.home import StoreHome
from highstreet.client.vault import Vault
from tests.client.conftest import NOW
from tests.client.lived_in_store import PERSON, live

LATER = NOW + timedelta(days=1)


@pytest.fixture
def home(coop: Any, tmp_path: Path, limits: StoreLimits) -> StoreHome:
    return live(StoreHome(tmp_path / "store"), coop, limits, tmp_path / "exports")


def _erase(home: StoreHome, customer: str = PERSON) -> None:
    erase_customers(home, [customer], source="test", now=LATER)


def _as_earlier_versions_left_it(home: StoreHome) -> str:
    """Cut an erasure off, with the journal as it was before what to look for was kept in it."""
    note = home.root / "note.txt"
    note.write_text("call " + PERSON)
    with pytest.raises(ErasureIncompleteError):
        _erase(home)
    note.unlink()
    with Vault.open(home.vault) as vault, vault.write() as connection:
        ((request, pending, text),) = connection.execute(
            "SELECT request, erasure_id, unfinished FROM rights_requests WHERE unfinished <> ''"
        ).fetchall()
        plain = json.loads(text)
        del plain["values"], plain["epsilon_is_least"]
        connection.execute(
            "UPDATE rights_requests SET unfinished = ? WHERE request = ?", (json.dumps(plain), request)
        )
    (home.rights / f"{pending}.key").unlink()
    return str(pending)


def test_an_erasure_that_an_earlier_version_left_unfinished_is_finished_by_the_persons_number(
    home: StoreHome,
) -> None:
    erasure_id = _as_earlier_versions_left_it(home)
    for others in ([], ["c1"]):
        with pytest.raises(ErasureIncompleteError, match="did not keep") as refused:
            finish_erasures(home, now=LATER, customer_ids=others)
        assert "finish CUSTOMER" in refused.value.for_user()
    note = home.root / "note.txt"
    note.write_text("call " + PERSON)
    with pytest.raises(ErasureIncompleteError, match=r"note\.txt"):
        finish_erasures(home, now=LATER, customer_ids=[PERSON])
    note.unlink()
    (done,) = finish_erasures(home, now=LATER, customer_ids=[PERSON])
    certificate = read_certificate(done.certificate)
    assert certificate.certificate_id == erasure_id
    assert certificate.person == person_commitment(done.salt, PERSON)
    assert certificate.values_searched > 0
    assert certificate.epsilon_is_least


def test_one_that_the_register_has_forgotten_too_is_finished_and_says_that_nothing_was_looked_for(
    home: StoreHome,
) -> None:
    _as_earlier_versions_left_it(home)
    home.erasures.unlink()
    (done,) = finish_erasures(home, now=LATER, customer_ids=[PERSON])
    certificate = read_certificate(done.certificate)
    assert (certificate.values_searched, certificate.person, done.salt) == (0, "", b"")


def test_a_key_that_an_erasure_left_when_it_was_killed_before_it_began_is_removed(
    home: StoreHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(Exception):
        pass

    def killed(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(erasure_module, "erase_rows", killed)
        with pytest.raises(KilledError):
            _erase(home)
    (home.rights / f".{'a' * 32}.key.4711.tmp").write_bytes(b"half")
    assert len(list(home.rights.glob("*.key"))) == 1
    assert erase_again(home, now=LATER) == 1
    assert [each.name for each in home.rights.iterdir() if ".key" in each.name] == []
    (home.rights / f"{'b' * 32}.key").write_bytes(bytes(32))
    assert finish_erasures(home, now=LATER) == []
    assert list(home.rights.glob("*.key")) == []
    note = home.root / "note.txt"
    note.write_text("call c1@example.org")
    with pytest.raises(ErasureIncompleteError):
        _erase(home, "c1")
    _erase(home, "c3")  # another's; the key of the one that is unfinished stays
    assert len(list(home.rights.glob("*.key"))) == 1
    note.unlink()
    assert len(finish_erasures(home, now=LATER)) == 1
    assert list(home.rights.glob("*.key")) == []
