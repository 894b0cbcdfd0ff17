"""The ledger's files name nobody, are on disk before a round begins, and are refused once changed."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from highstreet.client.errors import LedgerError, LedgerFullError, LedgerRewoundError, LedgerUnreadableError
from highstreet.privacy.releases import customer_release
from tests.client.made_up_ledger import BUDGET, TODAY, copies, key, open_round, reopen, spent


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store" / "ledger.db"


@pytest.fixture
def book(path):
    ledger = reopen(path)
    yield ledger
    ledger.close()


@pytest.mark.parametrize("sequence", [0, 2, 7])
def test_an_exposure_outside_the_rounds_is_refused(book, path, sequence):
    """Otherwise a customer could have lost more than all rounds of the period together."""
    open_round(book, key())
    book.store_reply(key(), b"noisy")  # event 2
    other = sqlite3.connect(path)
    other.execute("INSERT INTO exposures VALUES (?, zeroblob(16))", (sequence,))
    other.commit()
    other.close()
    with pytest.raises(LedgerUnreadableError):
        open_round(book, key(1))
    assert book.spending(BUDGET, today=TODAY).rounds == 1


def test_nobody_is_named_in_the_files(book, path):
    open_round(book, key(), cohort=("margarethe.schulze@example.org",))
    book.store_reply(key(), b"noisy")
    for place in path.parent.iterdir():
        assert b"margarethe" not in place.read_bytes()


def test_the_files_are_for_their_owner_only(book, path):
    open_round(book, key())
    book.store_reply(key(), b"noisy")
    names = {place.name: place.stat().st_mode & 0o777 for place in path.parent.iterdir()}
    assert set(names) >= {"ledger.db", "ledger.db-wal", "ledger.db.mark"}
    assert set(names.values()) == {0o600}
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_every_commit_is_forced_to_the_disk(book):
    asked = {
        name: book._connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("synchronous", "fullfsync")
    }
    assert asked == {"synchronous": 2, "fullfsync": 1}
    assert book._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_an_old_copy_put_back_is_refused(path, tmp_path):
    spent(path)
    old = copies(path, tmp_path / "old")
    ledger = reopen(path)
    open_round(ledger, key(2), release=customer_release(noise_multiplier=50.0))
    ledger.close()
    for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm"):
        (path.parent / name).unlink(missing_ok=True)
        if (old / name).exists():
            shutil.copy(old / name, path.parent / name)
    with pytest.raises(LedgerRewoundError):
        reopen(path)


def test_an_old_copy_from_before_a_reply_is_refused_too(path, tmp_path):
    """Otherwise the round would be computed again, and sent a second time with other noise."""
    spent(path, replies=False)
    old = copies(path, tmp_path / "old")
    ledger = reopen(path)
    ledger.store_reply(key(1), b"noisy")
    ledger.close()
    shutil.copy(old / "ledger.db", path)
    with pytest.raises(LedgerRewoundError):
        reopen(path)


def test_a_ledger_put_back_while_in_use_is_refused(path, tmp_path):
    ledger = reopen(path)
    open_round(ledger, key())
    other = sqlite3.connect(path)
    other.executescript("DROP TRIGGER rounds_remain; DROP TRIGGER exposures_remain;")
    other.executescript("DELETE FROM exposures; DELETE FROM rounds;")
    other.close()
    with pytest.raises(LedgerRewoundError):
        open_round(ledger, key(1))
    ledger.close()


def test_a_ledger_that_was_spent_from_and_is_gone_is_refused(path):
    spent(path)
    for place in path.parent.glob("ledger.db*"):
        if not place.name.endswith(".mark"):
            place.unlink()
    with pytest.raises(LedgerRewoundError):
        reopen(path)
    assert not path.exists()


def test_a_ledger_without_its_mark_is_refused(path):
    spent(path)
    path.with_name("ledger.db.mark").unlink()
    with pytest.raises(LedgerRewoundError):
        reopen(path)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"\xff", b'{"version": 2, "sequence": 0, "digest": ""}', b"[1]"]
)
def test_a_damaged_mark_is_refused(path, content):
    spent(path)
    path.with_name("ledger.db.mark").write_bytes(content)
    with pytest.raises(LedgerUnreadableError):
        reopen(path)


def test_another_stores_ledger_is_refused(path, tmp_path):
    spent(path)
    foreign = tmp_path / "foreign" / "ledger.db"
    spent(foreign)
    shutil.copy(foreign, path)
    with pytest.raises(LedgerRewoundError):
        reopen(path)


EDITS = [
    "UPDATE rounds SET noise_multiplier = 500 WHERE sequence = 1",
    "UPDATE rounds SET day = day - 1000",
    "DELETE FROM exposures WHERE rowid_of = 1",
    "UPDATE replies SET reply = x'00'",
    "DELETE FROM replies WHERE round = 1",
    "UPDATE identity SET salt = zeroblob(32)",
    "UPDATE agreements SET set_sha256 = zeroblob(32)",
    "DELETE FROM agreements",
]


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_ledger_is_refused(path, edit):
    spent(path)
    edit = edit.replace("rowid_of = 1", "customer = (SELECT min(customer) FROM exposures)")
    other = sqlite3.connect(path)
    for (name,) in other.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        other.execute(f"DROP TRIGGER {name}")
    assert other.execute(edit).rowcount > 0
    other.commit()
    other.close()
    with pytest.raises(LedgerError) as refused:
        reopen(path)
    assert "Nothing is sent" in refused.value.next_step


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE rounds SET day = 0",
        "DELETE FROM exposures",
        "DELETE FROM replies",
        "UPDATE replies SET reply = x'00'",
        "UPDATE agreements SET set_sha256 = zeroblob(32)",
        "DELETE FROM agreements",
    ],
)
def test_the_database_itself_holds_what_was_written(path, edit):
    spent(path)
    other = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError):
        other.execute(edit)
    other.close()


def test_a_truncated_or_overwritten_ledger_is_refused(path):
    spent(path)
    whole = path.read_bytes()
    for content in (
        whole[: len(whole) // 2],
        b"not a database" * 400,
        b"\0" * len(whole),
        whole[:-4096] + bytes(4096),
    ):
        path.write_bytes(content)
        with pytest.raises(LedgerError):
            reopen(path)


def test_a_full_disk_spends_and_sends_nothing(book):
    open_round(book, key())
    (pages,) = book._connection.execute("PRAGMA page_count").fetchone()
    book._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(LedgerFullError):
        book.store_reply(key(), bytes(1_000_000))
    book._connection.execute("PRAGMA max_page_count = 1000000")
    assert book.store_reply(key(), b"noisy") == b"noisy"


def test_a_spend_whose_mark_cannot_be_written_is_not_computed_and_is_found_again(book, path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full)
        patched.setattr(Path, "replace", full)
        with pytest.raises(Exception, match="no room left"):
            open_round(book, key())
    again = open_round(book, key())
    assert again.is_again
    assert book.spending(BUDGET, today=TODAY).rounds == 1


def test_what_a_killed_process_left_beside_the_ledger_is_swept_up(path):
    spent(path)
    orphan = path.with_name(".ledger.db.mark.4242.tmp")
    orphan.write_bytes(b"half")
    reopen(path).close()
    assert not orphan.exists()
