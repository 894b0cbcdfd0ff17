"""A programme keeps the day it began with, over restarts too."""

from __future__ import annotations

from pathlib import Path

import pytest

from highstreet.client import programme_days
from highstreet.client.errors import StoreConfigError
from highstreet.client.programme_days import ProgrammeDays


def test_the_first_day_seen_is_the_programmes_day_also_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "days.json"
    days = ProgrammeDays(path)
    assert days.holds("p1", 17_489)
    assert days.holds("p1", 17_489)
    assert days.holds("p2", 17_490)
    for again in (days, ProgrammeDays(path)):
        assert not again.holds("p1", 17_490)
        assert again.holds("p1", 17_489)
        assert again.holds("p2", 17_490)
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_file_stays_small_and_forgets_the_oldest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programme_days, "_KEPT", 2)
    days = ProgrammeDays(tmp_path / "days.json")
    assert all(days.holds(name, 1) for name in ("p1", "p2", "p3"))
    assert not days.holds("p3", 2)
    assert days.holds("p1", 2)


@pytest.mark.parametrize("text", ["[1]", "{", '{"p1": "soon"}', '{"p1": null}'])
def test_a_damaged_file_is_said_and_nothing_is_guessed(tmp_path: Path, text: str) -> None:
    (tmp_path / "days.json").write_text(text)
    with pytest.raises(StoreConfigError, match="damaged"):
        ProgrammeDays(tmp_path / "days.json")


def test_a_day_that_cannot_be_written_down_is_not_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    days = ProgrammeDays(tmp_path / "days.json")
    with monkeypatch.context() as patched:
        patched.setattr(programme_days, "write_private", full)
        with pytest.raises(OSError, match="No space"):
            days.holds("p1", 1)
    assert days.holds("p1", 2)
