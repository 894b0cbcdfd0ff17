"""What a shop keeps no longer is ended, emptied and removed; what was cut off is done the next time."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from highstreet.audit.consent import Act, ConsentState, Purpose
from highstreet.cli import main
from highstreet.client import private_database, retention
from highstreet.client.consent import ConsentDesk
from highstreet.client.consent_log import ConsentLog
from highstreet.client.counted_customers import CountedCustomers
from highstreet.client.erasure_register import erasure_register_file, note_erasure, read_register
from highstreet.client.errors import ImportBusyError, VaultBusyError
from highstreet.client.home import StoreHome
from highstreet.client.importing.importer import Importer, one_at_a_time
from highstreet.client.person_counts import PersonCounts
from highstreet.client.retention import Tidied, tidy
from highstreet.client.rights_desk import make_record
from highstreet.client.vault import Vault
from highstreet.files import FileAccessError
from highstreet.privacy.matching import Counts, IdentifierKind, identifier_input
from tests.client.conftest import NOW
from tests.client.turned_clocks import COOP, SAID

DAYS = timedelta(days=1)
LATER = NOW + 40 * DAYS
TABLE = b"t" * 32


@pytest.fixture
def home(tmp_path: Path, full_vault: Vault) -> StoreHome:
    """Ann and Ben said yes in January 2025 and Cat no in December 2024.

    At NOW a copy was made for Ann, and somebody was erased.
    """
    home = StoreHome(tmp_path / "store")
    _import(full_vault, "customer_id,consent_coop_learning,consent_recorded_at\ncat,no,2024-12-25\n")
    home.config.write_text("[consent]\nvalid_days = 690\nkeep_days = 700\n")
    make_record(home, "ann", source="test", now=NOW)
    note_erasure(home.root, ["zoe"], erasure_id="", now=int(NOW.timestamp()), keep_seconds=35 * 86_400)
    with full_vault.write() as connection:
        connection.execute(
            "INSERT INTO rights_requests (kind, made_at, source, folder, erasure_id, unfinished)"
            " VALUES ('erase', 0, '', '', '', '')"
        )
    return home


def _import(vault: Vault, customers: str) -> None:
    file = vault.path.with_name("customers.csv")
    file.write_text(customers)
    list(Importer(vault, now=NOW).run([file]))
    file.unlink()


def _copies(home: StoreHome) -> list[Path]:
    return sorted(home.rights.rglob("record.*"))


def _history(vault: Vault, name: str) -> int:
    return len(ConsentDesk(vault).history(vault.customer_key(name)))


def _as_of(vault: Vault, moment: datetime) -> ConsentDesk:
    return ConsentDesk(vault, clock=lambda: int(moment.timestamp() * 1_000_000))


def test_all_that_is_due_goes_and_nothing_that_is_not(home: StoreHome, full_vault: Vault) -> None:
    ann = full_vault.customer_key("ann")
    assert tidy(home, now=NOW).is_nothing
    assert len(_copies(home)) == 2
    _as_of(full_vault, NOW + DAYS).record("ann", COOP, Act.GIVEN, SAID)
    done = tidy(home, now=LATER)
    # Out ran two of Ann's and one of Ben's; Cat alone said nothing for longer than answers are kept.
    assert done == Tidied(ended=3, emptied=1, copies=1, erasures=1)
    assert _copies(home) == []
    assert not erasure_register_file(home.root).exists()
    assert _history(full_vault, "cat") == 0
    assert _history(full_vault, "ben") == 4
    assert _as_of(full_vault, LATER).state(ann, COOP) is ConsentState.GRANTED
    assert tidy(home, now=LATER).is_nothing


def test_what_is_not_due_yet_stays(home: StoreHome) -> None:
    done = tidy(home, now=NOW + 30 * DAYS)
    assert (done.copies, done.erasures) == (0, 0)
    assert len(_copies(home)) == 2
    assert read_register(home.root).erasures


def test_where_the_shop_keeps_all_answers_copies_go_all_the_same(home: StoreHome, full_vault: Vault) -> None:
    home.config.unlink()
    assert tidy(home, now=LATER) == Tidied(copies=1, erasures=1)
    assert _history(full_vault, "cat") == 1


def test_a_store_without_data_is_left_without(tmp_path: Path) -> None:
    assert tidy(StoreHome(tmp_path / "empty"), now=NOW) == Tidied()
    assert not (tmp_path / "empty").exists()


def test_a_part_that_cannot_be_done_keeps_no_other_from_it(home: StoreHome, full_vault: Vault) -> None:
    with one_at_a_time(full_vault):  # an import is under way
        done = tidy(home, now=LATER)
    assert [type(error) for error in done.troubles] == [ImportBusyError]
    assert (done.copies, done.emptied, done.erasures) == (1, 1, 0)
    assert tidy(home, now=LATER) == Tidied(erasures=1)


def test_a_log_that_cannot_be_relied_on_is_not_emptied_and_copies_still_go(
    home: StoreHome, full_vault: Vault, begin_anew: Callable[[], None]
) -> None:
    home.root.joinpath("consent.head").unlink()
    begin_anew()
    done = tidy(home, now=LATER)
    assert (done.copies, done.erasures, done.emptied, len(done.troubles)) == (1, 1, 0, 1)
    with full_vault.read() as connection:
        assert connection.execute("SELECT count(*) FROM consents WHERE act IS NULL").fetchone() == (0,)


def test_a_vault_that_somebody_writes_is_left_alone_until_the_next_time(
    home: StoreHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(private_database, "_BUSY_TIMEOUT_SECONDS", 0.1)
    with closing(sqlite3.connect(home.vault)) as other:
        other.execute("BEGIN IMMEDIATE")
        done = tidy(home, now=LATER)
        assert {type(error) for error in done.troubles} == {VaultBusyError}
        assert len(_copies(home)) == 2
    assert not tidy(home, now=LATER).troubles
    assert _copies(home) == []


def test_with_no_answer_due_nobody_waits_for_the_vault(
    home: StoreHome, full_vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(private_database, "_BUSY_TIMEOUT_SECONDS", 0.1)
    with Vault.open(home.vault) as vault, closing(sqlite3.connect(home.vault)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert _as_of(vault, NOW).forget_old() == 0
        with pytest.raises(VaultBusyError):  # the twin: it is a lock that would be seen
            _as_of(vault, LATER).forget_old()


class _Killed(BaseException):
    """As a process that is killed: no handler of ours catches it."""


def test_killed_while_a_copy_is_removed_the_next_time_removes_the_rest(
    home: StoreHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(folder: Path) -> None:
        (folder / "record.json").unlink()
        raise _Killed

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", half)
        with pytest.raises(_Killed):
            tidy(home, now=LATER)
    assert [path.name for path in _copies(home)] == ["record.html"]
    done = tidy(home, now=LATER)
    assert (done.copies, done.erasures, done.emptied) == (1, 1, 1)
    assert _copies(home) == []


def test_killed_between_emptying_and_keeping_the_head_nothing_is_lost(
    home: StoreHome, full_vault: Vault, monkeypatch: pytest.MonkeyPatch, begin_anew: Callable[[], None]
) -> None:
    _as_of(full_vault, LATER).record("ann", COOP, Act.GIVEN, SAID)
    settle = ConsentLog.settle
    calls: list[int] = []

    def killed_at_the_second(log: ConsentLog) -> None:
        calls.append(1)
        if len(calls) == 2:  # the first is of what ran out
            raise _Killed
        settle(log)

    with monkeypatch.context() as patch:
        patch.setattr(ConsentLog, "settle", killed_at_the_second)
        with pytest.raises(_Killed):
            tidy(home, now=LATER)
    begin_anew()
    assert _history(full_vault, "cat") == 0
    assert _history(full_vault, "ann") == 6
    assert tidy(home, now=LATER).is_nothing
    begin_anew()
    assert _as_of(full_vault, LATER).cohort(COOP).customers == (full_vault.customer_key("ann"),)


def test_two_processes_that_remove_one_copy_do_not_trouble_each_other(
    home: StoreHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = shutil.rmtree

    def too_late(folder: Path) -> None:
        remove(folder)
        raise FileNotFoundError(folder)

    monkeypatch.setattr(shutil, "rmtree", too_late)
    assert tidy(home, now=LATER).copies == 1


def test_a_copy_that_cannot_be_removed_is_told(home: StoreHome, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(folder: Path) -> None:
        raise PermissionError(13, "not yours")

    monkeypatch.setattr(shutil, "rmtree", refused)
    assert [type(error) for error in tidy(home, now=LATER).troubles] == [FileAccessError]


@pytest.fixture
def counted(home: StoreHome, full_vault: Vault) -> PersonCounts:
    """Ann agreed to be matched too, and shops in two shops."""
    _import(full_vault, "customer_id,email,consent_recorded_at\nann,ann@example.org,\n")
    desk = _as_of(full_vault, NOW)
    for purpose in (COOP, Purpose.MATCHING):
        desk.record("ann", purpose, Act.GIVEN, SAID)
    home.coop.mkdir()
    counts = PersonCounts(home.person_counts, vault_id=full_vault.vault_id)
    ann = str(full_vault.customer_key("ann"))
    counts.save(
        TABLE,
        Counts({ann: 2}),
        {ann: identifier_input(IdentifierKind.EMAIL, "ann@example.org")},
        consent_position=desk.position(),
    )
    return counts


def _weighs_after_a_new_yes(
    home: StoreHome, vault: Vault, counts: PersonCounts, monkeypatch: pytest.MonkeyPatch
) -> bool:
    ran_out, forgotten = NOW + 700 * DAYS, NOW + 1500 * DAYS
    tidy(home, now=ran_out)
    tidy(home, now=forgotten)
    assert _history(vault, "ann") == 0
    for purpose in (COOP, Purpose.MATCHING):
        _as_of(vault, forgotten).record("ann", purpose, Act.GIVEN, SAID)
    monkeypatch.setattr(time, "time_ns", lambda: int(forgotten.timestamp()) * 10**9)
    read = CountedCustomers.read(vault, counts, TABLE, most_shops=3)
    return bool(read is not None and counts.latest().shops)  # type: ignore[union-attr]  # it was saved


def test_who_was_emptied_has_no_count_when_they_agree_again(
    home: StoreHome, full_vault: Vault, counted: PersonCounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not _weighs_after_a_new_yes(home, full_vault, counted, monkeypatch)


def test_without_forgetting_in_between_the_old_count_would_come_back(
    home: StoreHome, full_vault: Vault, counted: PersonCounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: the log alone does not say any more that Ann's yes ended."""
    monkeypatch.setattr(retention, "forget_withdrawn_at", lambda *_: None)
    assert _weighs_after_a_new_yes(home, full_vault, counted, monkeypatch)


def test_the_command_does_the_same_and_says_what_it_did(
    home: StoreHome, full_vault: Vault, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = ["store", "consent", "tidy", "--home", str(home.root)]
    with full_vault.write() as connection:
        connection.execute("UPDATE rights_requests SET made_at = 0")
    home.config.write_text("[consent]\nvalid_days = 20\nkeep_days = 20\n")
    assert main(typed) == 0
    said = capsys.readouterr().out
    assert "4 answers ran out; the answers of 1 customers were emptied." in said
    assert "Removed: 1 copies made for customers" in said
    assert main(typed) == 0
    assert "Removed" not in capsys.readouterr().out
    (home.root / "consent.head").unlink()
    assert main(typed) != 0
