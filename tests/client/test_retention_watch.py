"""When a store tidies follows from the clock alone, and no failure of it reaches anything else."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from highstreet.client import retention_watch
from highstreet.client.consent import ConsentDesk
from highstreet.client.errors import VaultBusyError
from highstreet.client.home import StoreHome
from highstreet.client.retention import Tidied
from highstreet.client.retention_watch import RETRY_AFTER, RetentionTimer, next_daily, watching_retention
from highstreet.client.rights_desk import make_record
from highstreet.client.vault import Vault

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
BUSY = VaultBusyError("The vault is busy.", next_step="Try again.")
WAIT_SECONDS = 20


class Work:
    """Notes when it was done, and fails for as long as it is told to."""

    def __init__(self) -> None:
        self.times: list[datetime] = []
        self.told: list[str] = []
        self.error: Exception | None = None
        self.done = Tidied()
        self.timer = RetentionTimer(self, self.told.append)

    def __call__(self, now: datetime) -> Tidied:
        self.times.append(now)
        if self.error is not None:
            raise self.error
        return self.done

    def looked_at(self, start: datetime, until: datetime, every: timedelta = MINUTE) -> list[datetime]:
        """Look so often, and return when it worked."""
        self.times, moment = [], start
        while moment <= until:
            self.timer.look(moment)
            moment += every
        return self.times


@pytest.fixture
def work() -> Work:
    return Work()


def test_it_works_at_the_start_and_then_once_a_day_at_the_public_time(work: Work) -> None:
    found = work.looked_at(START, START + timedelta(days=3))
    assert found == [START, *(datetime(2026, 11, day, 3, 0, tzinfo=UTC) for day in (23, 24, 25))]
    assert set(work.told) == {""}


def test_a_computer_that_slept_through_it_works_when_it_wakes(work: Work) -> None:
    work.timer.look(START)
    awake = START + timedelta(days=5)
    assert work.looked_at(awake, awake + HOUR) == [awake]


def test_a_clock_set_back_puts_it_off_by_a_day_at_most(work: Work) -> None:
    work.timer.look(START + timedelta(days=4000))
    assert work.looked_at(START, START + timedelta(days=1)) == [next_daily(START)]


@pytest.mark.parametrize("kind", ["raised", "reported", "unknown"])
def test_a_failure_is_told_and_tried_again_until_it_is_done(
    work: Work, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    if kind == "reported":
        work.done = Tidied(copies=2, troubles=(BUSY,))
    else:
        work.error = BUSY if kind == "raised" else ValueError("plum jam of Ann's")
    assert work.looked_at(START, START + HOUR) == [START + n * RETRY_AFTER for n in range(5)]
    assert "is tried again every 15 minutes" in work.told[-1]
    assert ("ValueError" if kind == "unknown" else "The vault is busy.") in work.told[-1]
    assert "plum" not in work.told[-1] + caplog.text
    assert len([each for each in caplog.records if each.levelname == "WARNING"]) == 1  # it fills no log
    work.error, work.done = None, Tidied()
    assert work.looked_at(START + HOUR + MINUTE, START + 14 * HOUR) == [START + HOUR + RETRY_AFTER]
    assert work.told[-1] == ""


def test_one_that_failed_shortly_before_the_daily_time_works_at_that_time(work: Work) -> None:
    work.error = BUSY
    late = datetime(2026, 11, 23, 2, 50, tzinfo=UTC)
    assert work.looked_at(late, late + 10 * MINUTE) == [late, late + 10 * MINUTE]


def test_what_was_done_is_logged_in_counts(work: Work, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    work.timer.look(START)
    assert not caplog.records
    work.done = Tidied(ended=3, emptied=1, copies=2, erasures=4)
    work.timer.look(START + timedelta(days=1))
    assert "3 answers ran out, 1 customers' answers emptied, 2 copies and 4 entries" in caplog.text


def test_the_thread_tidies_a_store_at_its_start_and_ends_with_it(
    tmp_path: Path, full_vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = StoreHome(tmp_path / "store")
    copy = make_record(home, "ann", source="test", now=datetime.now(UTC) - timedelta(days=31)).folder
    told, ending, threads = threading.Event(), threading.Event(), threading.active_count()
    with watching_retention(home, ending, tell=lambda trouble: trouble or told.set()):  # type: ignore[func-returns-value]
        assert told.wait(WAIT_SECONDS)
        assert not copy.exists()
        assert ConsentDesk(full_vault).position()  # nothing is held afterwards
    assert ending.is_set()
    assert threading.active_count() == threads


def test_the_thread_outlives_any_failure(
    tmp_path: Path, full_vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    again, calls = threading.Event(), []

    def fails(home: StoreHome, *, now: datetime) -> Tidied:
        calls.append(now)
        if len(calls) > 2:
            again.set()
        raise RuntimeError("plum jam")

    monkeypatch.setattr(retention_watch, "tidy", fails)
    monkeypatch.setattr(retention_watch, "_LOOK_SECONDS", 0.001)
    monkeypatch.setattr(retention_watch, "RETRY_AFTER", timedelta(0))
    with watching_retention(StoreHome(tmp_path / "store"), threading.Event(), tell=lambda _: None):
        assert again.wait(WAIT_SECONDS)
