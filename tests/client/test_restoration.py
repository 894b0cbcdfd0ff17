"""A shop that was put back from a backup stays out of rounds until nothing it forgot could still count."""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import pytest

from highstreet.client import restoration
from highstreet.client.config import write_default_config
from highstreet.client.errors import LedgerError, RestoredError
from highstreet.client.home import StoreHome
from highstreet.client.ledger import Ledger, RoundKey
from highstreet.client.restoration import restore_store
from highstreet.errors import HighstreetError
from highstreet.privacy.budget import Budget, SpendingLimits
from highstreet.privacy.releases import customer_release

TODAY = date(2026, 5, 1)
PERIOD = 365  # the default of store.toml
RELEASE = customer_release(noise_multiplier=8.0, sampling_rate=1.0)
LIMITS = SpendingLimits(budget=Budget(epsilon=3.0, delta=1e-6, period_days=PERIOD))


def spend(ledger: Ledger, *, phase: int, today: date = TODAY) -> None:
    key = RoundKey(programme_id="p", phase=phase, request_sha256=bytes([phase]) * 32)
    ledger.open_round(key, release=RELEASE, cohort=["ann"], limits=LIMITS, today=today)
    ledger.store_reply(key, b"reply")


@pytest.fixture
def home(tmp_path: Path) -> StoreHome:
    """A store that spent in three rounds, and then had its folder put back from before the third."""
    found = StoreHome(tmp_path / "store").ensure()
    write_default_config(found)
    with closing(Ledger.open(found.ledger)) as ledger:
        spend(ledger, phase=0)
        spend(ledger, phase=1)
    shutil.copytree(found.root, tmp_path / "backup")
    with closing(Ledger.open(found.ledger)) as ledger:
        spend(ledger, phase=2)
    shutil.rmtree(found.root)
    shutil.copytree(tmp_path / "backup", found.root)
    return found


def test_a_folder_put_back_whole_is_taken_for_whole_until_the_owner_says_so(home: StoreHome) -> None:
    """The gap that the command is for: nothing on this machine knows of the third round."""
    with closing(Ledger.open(home.ledger)) as ledger:
        assert ledger.spending(LIMITS.budget, today=TODAY).rounds == 2
        spend(ledger, phase=2)
    restore_store(home, today=TODAY)
    with closing(Ledger.open(home.ledger)) as ledger, pytest.raises(RestoredError):
        spend(ledger, phase=3)


def test_rounds_are_opened_again_on_the_day_on_which_nothing_forgotten_counts(home: StoreHome) -> None:
    done = restore_store(home, today=TODAY)
    assert done.out_until == TODAY + timedelta(days=PERIOD)
    with closing(Ledger.open(home.ledger)) as ledger:
        assert ledger.restored_on() == (TODAY - date(1970, 1, 1)).days
        for day in (TODAY, done.out_until - timedelta(days=1)):
            with pytest.raises(RestoredError, match=str(done.out_until)):
                spend(ledger, phase=3, today=day)
        with pytest.raises(RestoredError):  # a clock set back frees nothing
            spend(ledger, phase=3, today=date(1990, 1, 1))
        assert ledger.spending(LIMITS.budget, today=TODAY).rounds == 0
        spend(ledger, phase=3, today=done.out_until)
    with closing(Ledger.open(home.ledger)) as ledger:
        assert ledger.out_until(LIMITS.budget) == done.out_until


def test_a_longer_period_set_later_keeps_it_out_longer(home: StoreHome) -> None:
    done = restore_store(home, today=TODAY)
    longer = SpendingLimits(budget=Budget(epsilon=3.0, delta=1e-6, period_days=2 * PERIOD))
    key = RoundKey(programme_id="p", phase=3, request_sha256=b"3" * 32)
    with closing(Ledger.open(home.ledger)) as ledger, pytest.raises(RestoredError):
        ledger.open_round(key, release=RELEASE, cohort=["ann"], limits=longer, today=done.out_until)


def test_a_charter_that_promises_for_longer_keeps_it_out_for_longer(home: StoreHome) -> None:
    """What was forgotten is over for the shop's own limit before it is for the promise to customers."""
    done = restore_store(home, today=TODAY)
    promised = Budget(epsilon=3.0, delta=1e-6, period_days=2 * PERIOD)
    limits = SpendingLimits(budget=LIMITS.budget, promised=promised)
    key = RoundKey(programme_id="p", phase=3, request_sha256=b"3" * 32)
    with closing(Ledger.open(home.ledger)) as ledger:
        for day in (done.out_until, TODAY + timedelta(days=2 * PERIOD - 1)):
            with pytest.raises(RestoredError, match=str(TODAY + timedelta(days=2 * PERIOD))):
                ledger.open_round(key, release=RELEASE, cohort=["ann"], limits=limits, today=day)
        again = TODAY + timedelta(days=2 * PERIOD)
        ledger.open_round(key, release=RELEASE, cohort=["ann"], limits=limits, today=again)


@pytest.mark.parametrize("lost", ["ledger.db", "ledger.db.mark", "both", "damaged", "rewound"])
def test_a_ledger_that_is_refused_says_how_to_go_on_and_that_works(
    home: StoreHome, tmp_path: Path, lost: str
) -> None:
    mark = home.ledger.with_name("ledger.db.mark")
    if lost == "damaged":
        home.ledger.write_bytes(b"\x00" * 4096)
    elif lost == "rewound":
        with closing(Ledger.open(home.ledger)) as ledger:
            spend(ledger, phase=2)
        shutil.copy2(tmp_path / "backup" / "ledger.db", home.ledger)
        for ending in ("-wal", "-shm"):
            home.ledger.with_name("ledger.db" + ending).unlink(missing_ok=True)
    else:
        for place in (home.ledger, mark):
            if lost in {place.name, "both"}:
                place.unlink()
    if lost != "both":  # then nothing says that there ever was one
        with pytest.raises(LedgerError) as refused:
            Ledger.open(home.ledger)
        assert "highstreet store restored" in refused.value.next_step
        assert "put back" not in refused.value.next_step
    done = restore_store(home, today=TODAY)
    assert (done.aside / "ledger.db").is_file() == (lost not in {"ledger.db", "both"})
    with closing(Ledger.open(home.ledger)) as ledger, pytest.raises(RestoredError):
        spend(ledger, phase=3)


@pytest.mark.parametrize("moves", [0, 1])
def test_broken_off_between_its_moves_it_leaves_a_ledger_that_is_refused_or_the_old_one(
    home: StoreHome, monkeypatch: pytest.MonkeyPatch, moves: int
) -> None:
    done = 0

    def breaks(source: object, target: object) -> None:
        nonlocal done
        if Path(str(target)).parent == home.root:
            if done == moves:
                raise OSError(5, "the power goes off")
            done += 1
        original(source, target)  # type: ignore[arg-type]  # paths

    original = os.replace
    monkeypatch.setattr(restoration.os, "replace", breaks)
    with pytest.raises(HighstreetError):
        restore_store(home, today=TODAY)
    monkeypatch.undo()
    if moves:
        with pytest.raises(LedgerError):
            Ledger.open(home.ledger)
    else:
        with closing(Ledger.open(home.ledger)) as ledger:
            assert ledger.spending(LIMITS.budget, today=TODAY).rounds == 2
    restore_store(home, today=TODAY)
    with closing(Ledger.open(home.ledger)) as ledger, pytest.raises(RestoredError):
        spend(ledger, phase=3)


def test_a_restoration_cannot_be_edited_out(home: StoreHome) -> None:
    import sqlite3

    restore_store(home, today=TODAY)
    with closing(sqlite3.connect(home.ledger)) as connection:
        connection.execute("DROP TRIGGER restored_stays")
        connection.execute("UPDATE restorations SET day = 0")
        connection.commit()
    with pytest.raises(LedgerError):
        Ledger.open(home.ledger)


def test_a_clock_that_is_behind_keeps_it_out_from_the_latest_spend_that_is_known(home: StoreHome) -> None:
    found = restore_store(home, today=TODAY - timedelta(days=10 * PERIOD))
    assert found.out_until == TODAY + timedelta(days=PERIOD)
    with closing(Ledger.open(home.ledger)) as ledger, pytest.raises(RestoredError):
        spend(ledger, phase=3, today=TODAY + timedelta(days=PERIOD - 1))
    # Said once more, with a ledger that knows of no spend any more, it is not forgotten either.
    again = restore_store(home, today=TODAY - timedelta(days=10 * PERIOD))
    assert again.out_until == found.out_until


def test_a_ledger_that_cannot_be_read_keeps_nobody_from_restoring(home: StoreHome) -> None:
    home.ledger.write_bytes(b"no ledger at all" * 256)
    assert restore_store(home, today=TODAY).out_until == TODAY + timedelta(days=PERIOD)


def test_the_record_put_aside_is_on_the_disk_before_it_is_replaced(
    home: StoreHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a power cut leaves a new ledger and nothing of what was spent."""
    forced: list[str] = []
    fsync, replace = os.fsync, os.replace

    def noting_sync(descriptor: int) -> None:
        forced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    def checking_replace(source: Path, target: Path) -> None:
        if target == home.ledger:
            (aside,) = home.former.iterdir()
            needed = {*map(str, aside.iterdir()), str(aside), str(home.former), str(home.root)}
            assert needed <= set(forced)
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noting_sync)
    monkeypatch.setattr(restoration.os, "replace", checking_replace)
    restore_store(home, today=TODAY)
    with closing(Ledger.open(home.ledger)) as ledger:
        assert ledger.out_until(LIMITS.budget) is not None
