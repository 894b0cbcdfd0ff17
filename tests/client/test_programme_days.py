"""A programme keeps the day it began with, over restarts too, whatever else the coordinator asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import pytest

from highstreet.client import programme_days
from highstreet.client.errors import RoundRefusedError, StoreConfigError
from highstreet.client.ledger import Ledger, RoundKey
from highstreet.client.programme_days import ProgrammeDays, remembered_programmes
from highstreet.privacy.budget import Budget, SpendingLimits
from highstreet.privacy.gaussian import ClosedFormAccountant
from highstreet.privacy.releases import customer_release
from highstreet.protos.rounds_pb2 import REFUSAL_RELEASE

PERIOD_DAYS = 365
TODAY = date(2026, 3, 1)
LIMITS = SpendingLimits(budget=Budget(epsilon=3.0, delta=1e-5, period_days=PERIOD_DAYS))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger.open(tmp_path / "ledger.db", accountant=ClosedFormAccountant())) as opened:
        yield opened


def _pay(ledger: Ledger, programme: str, *, phase: int = 0, on: date = TODAY) -> None:
    ledger.open_round(
        RoundKey(programme_id=programme, phase=phase, request_sha256=bytes(32)),
        release=customer_release(noise_multiplier=40.0),
        cohort=("ann",),
        limits=LIMITS,
        today=on,
    )


def _days(
    path: Path, ledger: Ledger | None = None, *, today: Callable[[], date] = lambda: TODAY
) -> ProgrammeDays:
    if ledger is None:
        return ProgrammeDays(path, paid_for=dict)
    return ProgrammeDays(path, paid_for=lambda: ledger.programmes(period_days=PERIOD_DAYS, today=today()))


def test_the_first_day_seen_is_the_programmes_day_also_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "days.json"
    days = _days(path)
    assert days.holds("p1", 17_489)
    assert days.holds("p1", 17_489)
    assert days.holds("p2", 17_490)
    for again in (days, _days(path)):
        assert not again.holds("p1", 17_490)
        assert again.holds("p1", 17_489)
        assert again.holds("p2", 17_490)
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_file_stays_small_and_forgets_the_oldest_that_was_not_paid_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programme_days, "_KEPT", 2)
    days = _days(tmp_path / "days.json")
    assert all(days.holds(name, 1) for name in ("p1", "p2", "p3"))
    assert not days.holds("p3", 2)
    assert days.holds("p1", 2)
    assert remembered_programmes(tmp_path / "days.json") == {"p1", "p3"}


@pytest.mark.parametrize("looks_at_the_ledger", [True, False])
def test_requests_that_pay_for_nothing_do_not_crowd_out_a_programme_that_was_paid_for(
    tmp_path: Path, ledger: Ledger, *, looks_at_the_ledger: bool
) -> None:
    path = tmp_path / "days.json"
    days = _days(path, ledger if looks_at_the_ledger else None)
    assert days.holds("p1", 1)
    _pay(ledger, "p1")
    for number in range(programme_days._KEPT + 1):
        assert days.holds(f"made up {number}", 7)
    assert len(remembered_programmes(path)) == programme_days._KEPT
    # A book that does not look at the ledger is had by this: the next phase of p1 goes by another day.
    assert days.holds("p1", 2) is not looks_at_the_ledger
    if looks_at_the_ledger:
        assert _days(path, ledger).holds("p1", 1)


def test_where_only_programmes_that_count_are_remembered_another_one_is_refused(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programme_days, "_KEPT", 2)
    path, now = tmp_path / "days.json", [TODAY]
    days = _days(path, ledger, today=lambda: now[0])
    for number, name in enumerate(("p1", "p2")):
        assert days.holds(name, 1)
        _pay(ledger, name, on=TODAY + timedelta(days=number))
    before = path.read_bytes()
    with pytest.raises(RoundRefusedError, match="no more programmes") as refused:
        days.holds("p3", 1)
    assert refused.value.code == REFUSAL_RELEASE
    assert path.read_bytes() == before
    assert days.holds("p2", 1)
    # The period slides: what was spent on p1 counts no more, and its day makes room.
    now[0] = TODAY + timedelta(days=PERIOD_DAYS)
    assert days.holds("p3", 1)
    assert remembered_programmes(path) == {"p2", "p3"}


def test_a_programme_that_was_paid_for_and_forgotten_is_refused_and_gets_no_other_day(
    tmp_path: Path, ledger: Ledger
) -> None:
    path = tmp_path / "days.json"
    assert _days(path, ledger).holds("p1", 1)
    _pay(ledger, "p1")
    path.unlink()
    for day in (1, 2):
        with pytest.raises(RoundRefusedError, match="not known any more") as refused:
            _days(path, ledger).holds("p1", day)
        assert refused.value.code == REFUSAL_RELEASE
    assert not path.exists()


@pytest.mark.parametrize("text", ["[1]", "{", '{"p1": "soon"}', '{"p1": null}'])
def test_a_damaged_file_is_said_and_nothing_is_guessed(tmp_path: Path, text: str) -> None:
    (tmp_path / "days.json").write_text(text)
    with pytest.raises(StoreConfigError, match="damaged"):
        _days(tmp_path / "days.json")


def test_a_day_that_cannot_be_written_down_is_not_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    days = _days(tmp_path / "days.json")
    with monkeypatch.context() as patched:
        patched.setattr(programme_days, "write_private", full)
        with pytest.raises(OSError, match="No space"):
            days.holds("p1", 1)
    assert days.holds("p1", 2)
