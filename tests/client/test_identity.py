"""A store's keys are made once, kept private, and of the kinds their users read."""

from __future__ import annotations

import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from highstreet.client import identity
from highstreet.client.errors import StoreConfigError
from highstreet.client.home import StoreHome
from highstreet.client.identity import load_identity, load_or_make_identity, node_key_file
from highstreet.files import FileAccessError


@pytest.fixture
def home(tmp_path: Path) -> StoreHome:
    return StoreHome(tmp_path / "store").ensure()


def test_keys_are_made_once(home: StoreHome) -> None:
    first = load_or_make_identity(home)
    before = {path: path.read_bytes() for path in home.keys.iterdir()}
    again = load_or_make_identity(home)
    assert {path: path.read_bytes() for path in home.keys.iterdir()} == before
    assert again.signing_public_key == first.signing_public_key
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in before)


def test_a_key_that_is_missing_is_made_and_the_others_stay(home: StoreHome) -> None:
    first = load_or_make_identity(home)
    (home.keys / "tls.key").unlink()
    again = load_or_make_identity(home)
    assert again.signing_public_key == first.signing_public_key
    assert again.tls_key_pem != first.tls_key_pem


def test_a_folder_from_before_encryption_keys_gets_one_when_it_is_next_read(home: StoreHome) -> None:
    first = load_or_make_identity(home)
    (home.keys / "encryption.key").unlink()
    later = load_identity(home)
    assert later.signing_public_key == first.signing_public_key
    assert later.encryption_public_key != first.encryption_public_key
    assert load_identity(home).encryption_public_key == later.encryption_public_key
    assert stat.S_IMODE((home.keys / "encryption.key").stat().st_mode) == 0o600


def test_the_node_key_is_what_flower_reads(home: StoreHome) -> None:
    identity = load_or_make_identity(home)
    private = serialization.load_ssh_private_key(node_key_file(home).read_bytes(), password=None)
    public = serialization.load_ssh_public_key(identity.node_public_key)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    assert isinstance(private.curve, ec.SECP256R1)
    assert private.public_key() == public


def test_four_jobs_have_four_keys(home: StoreHome) -> None:
    identity = load_or_make_identity(home)
    assert identity.tls.private_numbers() != identity.node.private_numbers()
    assert identity.signing.private_bytes_raw() != identity.encryption.private_bytes_raw()
    assert "PrivateKey" not in repr(identity)


def test_the_certificate_request_names_nobody(home: StoreHome) -> None:
    request = x509.load_der_x509_csr(load_or_make_identity(home).certificate_request())
    assert request.is_signature_valid
    assert request.subject.rfc4514_string() == "CN=store"


@pytest.mark.parametrize("name", ["tls.key", "signing.key", "encryption.key", "node.key"])
def test_a_damaged_key_is_said_and_not_replaced(home: StoreHome, name: str) -> None:
    load_or_make_identity(home)
    (home.keys / name).write_text("not a key")
    with pytest.raises(StoreConfigError, match="damaged"):
        load_or_make_identity(home)
    assert (home.keys / name).read_text() == "not a key"


def test_a_key_of_another_kind_is_refused(home: StoreHome) -> None:
    load_or_make_identity(home)
    (home.keys / "signing.key").write_bytes((home.keys / "tls.key").read_bytes())
    with pytest.raises(StoreConfigError, match="wrong kind"):
        load_identity(home)


def test_a_store_without_keys_says_so(home: StoreHome) -> None:
    with pytest.raises(FileAccessError, match="does not exist"):
        load_identity(home)


def test_two_commands_at_one_moment_have_the_same_keys(
    home: StoreHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else one of them signs, or joins, with a key that the other replaced."""
    together = threading.Barrier(2)
    write = identity.write_private

    def slow(path: Path, data: bytes) -> None:
        with suppress(threading.BrokenBarrierError):
            together.wait(timeout=0.3)  # until the other has looked too, should it be let
        write(path, data)

    monkeypatch.setattr(identity, "write_private", slow)
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(load_or_make_identity, [home, home])
    assert one.signing_public_key == other.signing_public_key == load_identity(home).signing_public_key
