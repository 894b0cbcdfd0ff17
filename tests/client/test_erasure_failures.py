"""An erasure that cannot end has no certificate and says why; one that was cut off is finished."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from highstreet.audit.erasure_certificate import person_commitment, read_certificate
from highstreet.audit.limits import StoreLimits
from highstreet.client import erasure as erasure_module
from highstreet.client.erasure import erase_again, finish_erasures
from highstreet.client.errors import ErasureIncompleteError, ImportBusyError, VaultBusyError
from highstreet.client.home import StoreHome
from highstreet.client.importing.importer import one_at_a_time
from highstreet.client.rights_requests import unfinished_erasures
from highstreet.client.vault import Vault
from tests.client.erased_store import LATER, erase_now, files_holding
from tests.client.lived_in_store import EMAIL, PERSON, live


@pytest.fixture
def home(coop: Any, tmp_path: Path, limits: StoreLimits) -> StoreHome:
    return live(StoreHome(tmp_path / "store"), coop, limits, tmp_path / "exports")


def test_an_erasure_waits_for_no_import_and_no_reader(home: StoreHome) -> None:
    with Vault.open(home.vault) as vault, one_at_a_time(vault), pytest.raises(ImportBusyError):
        erase_now(home)
    assert EMAIL.encode() in home.vault.read_bytes()


def test_what_an_open_reader_still_sees_is_not_called_erased(
    home: StoreHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    from highstreet.client import private_database

    monkeypatch.setattr(private_database, "_BUSY_TIMEOUT_SECONDS", 0.2)
    with Vault.open(home.vault) as reader, reader.read() as connection:
        connection.execute("SELECT count(*) FROM customers").fetchone()
        with pytest.raises(VaultBusyError):
            erase_now(home)
        assert not list(home.rights.glob("certificates/*"))
    done = finish_erasures(home, now=LATER, customer_ids=[PERSON])
    assert files_holding(home.root) == {}
    assert read_certificate(done[0].certificate).person == person_commitment(done[0].salt, PERSON)
    assert finish_erasures(home, now=LATER) == []


def test_a_file_of_the_owners_that_names_the_person_is_named_and_there_is_no_certificate(
    home: StoreHome,
) -> None:
    forgotten = home.root / "old export.csv"
    forgotten.write_text(f"name\n{EMAIL}\n")
    with pytest.raises(ErasureIncompleteError, match=r"old export\.csv") as refused:
        erase_now(home)
    assert EMAIL not in refused.value.for_user()
    assert not list(home.rights.glob("certificates/*"))
    forgotten.unlink()
    assert len(finish_erasures(home, now=LATER)) == 1


def test_an_erasure_that_failed_is_not_certified_by_the_next_one_while_the_file_is_there(
    home: StoreHome,
) -> None:
    note = home.root / "note.txt"
    note.write_text("call " + PERSON.upper())
    with pytest.raises(ErasureIncompleteError):
        erase_now(home)
    other = erase_now(home, "c3")
    with pytest.raises(ErasureIncompleteError, match=r"note\.txt"):
        finish_erasures(home, now=LATER)
    assert list(home.rights.glob("certificates/*")) == [other.file]
    assert set(files_holding(home.root)) == set()  # the journal's own note is not readable
    note.unlink()
    (done,) = finish_erasures(home, now=LATER)
    assert read_certificate(done.certificate).values_searched >= 5
    assert not list(home.rights.glob("*.key"))


def test_an_erasure_whose_key_is_lost_is_not_certified(home: StoreHome) -> None:
    note = home.root / "note.txt"
    note.write_text(PERSON)
    with pytest.raises(ErasureIncompleteError):
        erase_now(home)
    note.unlink()
    (key,) = home.rights.glob("*.key")
    key.unlink()
    with pytest.raises(ErasureIncompleteError, match="cannot be read"):
        finish_erasures(home, now=LATER)
    assert not list(home.rights.glob("certificates/*"))


def test_a_link_out_of_the_folder_is_named_and_there_is_no_certificate(home: StoreHome) -> None:
    elsewhere = home.root.parent / "big disk"
    elsewhere.mkdir()
    (elsewhere / "backup.csv").write_text(PERSON)
    (home.root / "backups").symlink_to(elsewhere)
    with pytest.raises(ErasureIncompleteError, match="backups"):
        erase_now(home)
    assert not list(home.rights.glob("certificates/*"))
    (home.root / "backups").unlink()
    assert len(finish_erasures(home, now=LATER)) == 1


@pytest.mark.parametrize(
    "step",
    [
        "note_erasure",
        "remove_folders",
        "erase_rows",
        "_erase_from_matchings",
        "forget_model",
        "search_folder",
        "_certify",
    ],
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_erasure_that_is_cut_off_anywhere_is_finished(
    home: StoreHome, monkeypatch: pytest.MonkeyPatch, step: str, when: str
) -> None:
    true: Callable[..., Any] = getattr(erasure_module, step)

    def cut_off(*arguments: Any, **named: Any) -> Any:
        if when == "after":
            true(*arguments, **named)
        raise KeyboardInterrupt

    monkeypatch.setattr(erasure_module, step, cut_off)
    with pytest.raises(KeyboardInterrupt):
        erase_now(home)
    monkeypatch.setattr(erasure_module, step, true)
    with closing(sqlite3.connect(home.vault)) as connection:
        is_there = connection.execute("SELECT 1 FROM customers WHERE customer_id = ?", (PERSON,)).fetchone()
    if is_there:
        erase_again(home, now=LATER) or erase_now(home)
    else:
        assert finish_erasures(home, now=LATER)
    assert files_holding(home.root) == {}
    with Vault.open(home.vault) as vault, vault.read() as connection:
        assert unfinished_erasures(connection) == []
