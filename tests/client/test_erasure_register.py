"""The register knows who must not come back, tells nobody else, and forgets in time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from highstreet.client.erasure_register import (
    ErasureRegister,
    erasure_register_file,
    note_erasure,
    read_register,
)
from highstreet.client.errors import ErasureRegisterError, VaultBusyError, VaultRewoundError
from highstreet.client.importing.importer import one_at_a_time
from highstreet.client.vault import Vault

DAY = 86_400


def _note(root: Path, *customers: str, number: int = 1, now: int = 1000 * DAY, days: int = 35) -> None:
    note_erasure(root, customers, erasure_id=f"{number:032x}", now=now, keep_seconds=days * DAY)


def test_who_was_erased_is_known_and_is_in_no_byte_of_the_file(tmp_path: Path) -> None:
    _note(tmp_path, "ann@example.org")
    register = read_register(tmp_path)
    assert register.erased_at("ann@example.org") == 1000 * DAY
    assert register.erased_at("ben@example.org") is None
    assert b"ann" not in erasure_register_file(tmp_path).read_bytes()
    assert erasure_register_file(tmp_path).stat().st_mode & 0o777 == 0o600


def test_an_entry_goes_when_its_time_is_over_and_the_key_with_the_last(tmp_path: Path) -> None:
    _note(tmp_path, "ann")
    key = read_register(tmp_path).key
    _note(tmp_path, "ben", number=2, now=1010 * DAY)
    assert read_register(tmp_path).key == key
    _note(tmp_path, number=3, now=1036 * DAY)
    register = read_register(tmp_path)
    assert (register.erased_at("ann"), register.erased_at("ben")) == (None, 1010 * DAY)
    _note(tmp_path, number=4, now=1046 * DAY)
    assert not erasure_register_file(tmp_path).exists()
    _note(tmp_path, "ann", number=5, now=1047 * DAY)
    assert read_register(tmp_path).key != key


def test_a_clock_set_back_keeps_everybody(tmp_path: Path) -> None:
    _note(tmp_path, "ann")
    _note(tmp_path, "ben", number=2, now=10 * DAY)
    assert read_register(tmp_path).erased_at("ann") == 1000 * DAY


def test_the_same_erasure_again_changes_nothing_and_a_later_one_counts(tmp_path: Path) -> None:
    _note(tmp_path, "ann")
    before = erasure_register_file(tmp_path).read_bytes()
    _note(tmp_path, "ann", now=1001 * DAY)
    assert erasure_register_file(tmp_path).read_bytes() == before
    _note(tmp_path, "ann", number=2, now=1002 * DAY)
    assert read_register(tmp_path).erased_at("ann") == 1002 * DAY


def test_a_shop_without_backups_keeps_nothing(tmp_path: Path) -> None:
    _note(tmp_path, "ann", days=0)
    assert not erasure_register_file(tmp_path).exists()
    assert read_register(tmp_path) == ErasureRegister()


@pytest.mark.parametrize(
    "damaged",
    [b"", b"{}", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"version": 2, "key": "", "erasures": []}'],
)
def test_a_damaged_register_is_refused_not_taken_for_an_empty_one(tmp_path: Path, damaged: bytes) -> None:
    erasure_register_file(tmp_path).write_bytes(damaged)
    with pytest.raises(ErasureRegisterError):
        read_register(tmp_path)


@pytest.mark.parametrize("field", ["key", "digests"])
def test_a_key_or_digest_that_was_cut_is_refused(tmp_path: Path, field: str) -> None:
    _note(tmp_path, "ann")
    plain = json.loads(erasure_register_file(tmp_path).read_text())
    if field == "key":
        plain["key"] = plain["key"][:-2]
    else:
        plain["erasures"][0]["digests"] = ["ab"]
    erasure_register_file(tmp_path).write_text(json.dumps(plain))
    with pytest.raises(ErasureRegisterError):
        read_register(tmp_path)


def test_while_somebody_is_being_erased_the_vault_is_not_said_to_be_an_old_copy(tmp_path: Path) -> None:
    """The register comes first; between it and the vault others are told to wait, and not to erase again."""
    path = tmp_path / "vault.db"
    with Vault.open(path) as vault:
        with one_at_a_time(vault):
            note_erasure(tmp_path, ["ann"], erasure_id="ab" * 16, now=100, keep_seconds=1000)
            with pytest.raises(VaultBusyError, match="being erased"):
                Vault.open(path)
        with pytest.raises(VaultRewoundError):  # it was cut off there, or an older copy was put back
            Vault.open(path)
