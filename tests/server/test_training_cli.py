"""`highstreet coop train` as a coordinator types it: who is needed, by which day, and what is shown."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typed_commands import Run, join_by_code, three_join_and_vouch

from highstreet.server.database import connect
from highstreet.server.home import CoopHome


def test_a_training_needs_enough_members_and_no_other_one(run: Run, coop: Any, tmp_path: Path) -> None:
    home = coop.home.root
    status, _, err = run("coop", "train", "--home", home)
    assert status == 1
    assert "at least 3 stores in a round; the co-op has 0" in err
    three_join_and_vouch(run, coop, tmp_path)
    assert "Training 1 is asked for" in run("coop", "train", "--home", home)[1]
    status, _, err = run("coop", "train", "--home", home)
    assert status == 1
    assert "Programme 1 is requested already" in err


def test_a_training_can_use_purchases_before_an_earlier_day(run: Run, coop: Any, tmp_path: Path) -> None:
    home = coop.home.root
    three_join_and_vouch(run, coop, tmp_path)
    assert "purchases before 2017-11-19" in run("coop", "train", "--as-of", "2017-11-19", "--home", home)[1]
    with closing(connect(coop.home.database)) as connection:
        assert connection.execute("SELECT as_of_day FROM programmes").fetchone()[0] == 17_489
    assert "purchases made before 2017-11-19" in run("coop", "status", "--home", home)[1]
    status, _, err = run("coop", "train", "--wait", "--as-of", "2017-11-20", "--home", home)
    assert status == 1
    assert "Training 1 is under way and uses purchases before 2017-11-19" in err


@pytest.mark.parametrize("day", ["yesterday", "20171119", "2017-02-30", "2017-W01-1", "1969-12-31", ""])
def test_a_day_that_is_none_is_said(run: Run, coop_home: CoopHome, day: str) -> None:
    status, _, err = run("coop", "train", "--as-of", day, "--home", coop_home.root)
    assert status == 1
    assert err.strip() == (
        f"highstreet: {day!r} is not a day. Write it as YEAR-MONTH-DAY, such as 2026-03-31."
    )


def test_a_day_to_come_is_refused(run: Run, coop_home: CoopHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000.0)  # 2027-01-15
    status, _, err = run("coop", "train", "--as-of", "2027-01-16", "--home", coop_home.root)
    assert status == 1
    assert "2027-01-16 has not come yet" in err
    status, _, err = run("coop", "train", "--as-of", "2027-01-15", "--home", coop_home.root)
    assert "the co-op has 0" in err  # today is a day like any other


@pytest.mark.parametrize(("state", "failure"), [("finished", ""), ("failed", "Too few stores answered.")])
def test_waiting_shows_each_round_and_how_it_ended(
    run: Run, coop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str, failure: str
) -> None:
    three_join_and_vouch(run, coop, tmp_path)

    def coordinator_works(seconds: float) -> None:
        """What happens while the watcher sleeps: a round closes, the programme ends."""
        with closing(connect(coop.home.database)) as connection:
            connection.execute(
                "INSERT INTO rounds (programme_id, round, phase, request, opened_at, closed_at, contributors,"
                " answers, wrong, is_checked)"
                " SELECT programme_id, 0, 'popularity', x'00', 10, 25, 3, 5, 1, 1 FROM programmes"
            )
            connection.execute("UPDATE programmes SET state = ?, failure = ?", (state, failure))

    monkeypatch.setattr(time, "sleep", coordinator_works)
    status, out, err = run("coop", "train", "--wait", "--home", coop.home.root)
    assert "1 of 2: popularity, 3 stores; answers of the committee: 5, checked, 1 wrong" in out
    assert status == (1 if failure else 0)
    assert (failure in err) if failure else ("training is finished" in out)
    table = run("coop", "status", "--home", coop.home.root)[1]
    assert "popularity" in table
    assert "15" in table  # seconds the round took
    assert "5, checked, 1 wrong" in table


def test_a_training_waits_until_shops_are_vouched_for(run: Run, coop: Any, tmp_path: Path) -> None:
    for name in ("A", "B", "C"):
        join_by_code(run, coop, tmp_path, name)
    status, _, err = run("coop", "train", "--home", coop.home.root)
    assert status == 1
    assert "of the 3 in the co-op 1 do, and 2 are not vouched for yet" in err
    assert "`highstreet store vouch`" in err
    assert "`highstreet coop members`" in err


def test_a_training_whose_sums_have_no_room_for_all_is_refused(
    run: Run, coop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    three_join_and_vouch(run, coop, tmp_path)
    crowded = coop.home.charter()
    crowded = replace(crowded, plan=replace(crowded.plan, clients_per_store=10**9))
    monkeypatch.setattr(CoopHome, "charter", lambda home: crowded)
    status, _, err = run("coop", "train", "--home", coop.home.root)
    assert status == 1
    assert "cannot be summed over 3 stores" in err
    assert "Lower the coordinates" in err


def test_ctrl_c_ends_the_watching_only(
    run: Run, coop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    three_join_and_vouch(run, coop, tmp_path)

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupted)
    status, out, _ = run("coop", "train", "--wait", "--home", coop.home.root)
    assert status == 0
    assert "the training goes on" in out
    connection = connect(coop.home.database)
    assert connection.execute("SELECT state FROM programmes").fetchone()[0] == "requested"
    connection.close()
