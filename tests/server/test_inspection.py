"""A member that sends boxes nobody can open costs a round nothing but its own contribution, and is named."""

from __future__ import annotations

import logging
from contextlib import closing
from pathlib import Path

import pytest
from played_coop import PROGRAMME, PlayedCoop, made_charter, stores
from rich.console import Console

from highstreet.server.database import connect
from highstreet.server.programmes import complaints
from highstreet.server.status import complaints_table

CHARTER = made_charter()


def _coop(folder: Path, count: int = 6, **told: dict[str, str]) -> PlayedCoop:
    return PlayedCoop(folder, CHARTER, stores(count, **told))


def _complaints(coop: PlayedCoop) -> list[tuple[object, ...]]:
    return coop.rows(
        "SELECT contributor, count(*), max(left_out), max(at_fault) FROM complaints GROUP BY 1 ORDER BY 1"
    )


@pytest.mark.parametrize("seats", [1, 2, 3, 6])
def test_boxes_that_do_not_open_are_left_out_and_the_round_goes_on(tmp_path: Path, seats: int) -> None:
    coop = _coop(tmp_path, s3={"contribute": f"spoilt{seats}"})
    coop.run()
    assert coop.ended() == ("finished", "")
    assert coop.published[0].state == coop.state_after([1, 2, 4, 5, 6])
    assert coop.rows("SELECT contributors, answers, wrong, is_checked FROM rounds") == [(5, 6, 0, 1)]
    assert _complaints(coop) == [(coop.stores[3].member_id, seats, 1, int(seats > 1))]


def test_it_is_named_for_the_owner_and_by_its_id_alone_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    coop = _coop(tmp_path, s3={"contribute": "spoilt2"})
    with caplog.at_level(logging.DEBUG, "highstreet"):
        coop.run()
    said = " ".join(record.getMessage() for record in caplog.records)
    seats = [store.member_id for store in coop.committee()]
    for seat in seats[:2]:
        assert f"round 0: {seat} cannot use the box of {coop.stores[3].member_id}: left out" in said
    assert "shop" not in said
    with closing(connect(coop.database)) as connection:
        (noted,) = complaints(connection, PROGRAMME)
    names = {f"shop {store.number}" for store in coop.committee()[:2]}
    assert noted.contributor == f"shop 3 ({coop.stores[3].member_id})"
    assert set(noted.complainers) == names
    assert (noted.phase, noted.left_out, noted.at_fault) == ("popularity", True, True)
    console = Console(width=200, record=True)
    console.print(complaints_table([noted]))
    assert "left out; its sender is at fault" in console.export_text()
    assert complaints_table([]) is None


def test_every_round_looks_anew_so_the_next_leaves_it_out_too(tmp_path: Path) -> None:
    coop = PlayedCoop(tmp_path, made_charter(phases=3), stores(6, s3={"contribute": "spoilt6"}))
    coop.run()
    assert coop.ended() == ("finished", "")
    assert coop.rows("SELECT contributors FROM rounds") == [(5,), (5,), (5,)]
    assert coop.rows("SELECT DISTINCT round, contributor FROM complaints ORDER BY 1") == [
        (number, coop.stores[3].member_id) for number in range(3)
    ]


def test_a_member_that_slanders_has_one_left_out_at_most(tmp_path: Path) -> None:
    coop = _coop(tmp_path, s6={"inspect": "slanders1"})
    coop.run()
    assert coop.published[0].state == coop.state_after([2, 3, 4, 5, 6])
    assert _complaints(coop) == [(coop.stores[1].member_id, 1, 1, 0)]
    (tmp_path / "many").mkdir()
    loud = PlayedCoop(tmp_path / "many", CHARTER, stores(6, s6={"inspect": "slanders5"}))
    loud.run()
    assert loud.published[0].state == loud.state_after(range(1, 7))
    assert [row[2:] for row in _complaints(loud)] == [(0, 0)] * 5


def test_more_slanderers_than_reckoned_with_cannot_lead_below_the_floor(tmp_path: Path) -> None:
    told = {f"s{number}": {"inspect": "slanders5"} for number in (4, 5, 6)}
    coop = _coop(tmp_path, **told)
    coop.run()
    state, failure = coop.ended()
    assert state == "failed"
    assert "without these fewer than 3 of 6 contributions are left" in failure
    assert "highstreet coop status" in failure
    assert coop.rows("SELECT count(*) FROM rounds WHERE announced_at IS NOT NULL") == [(0,)]
    assert len(_complaints(coop)) == 5
    assert coop.rows("SELECT count(*) FROM replies WHERE reply IS NOT NULL") == [(0,)]


def test_a_silent_member_holds_a_round_up_for_a_few_seconds_only(tmp_path: Path) -> None:
    coop = _coop(tmp_path, s2={"inspect": "lost"})
    coop.run()
    assert coop.ended() == ("finished", "")
    assert coop.clock.now < 1_000 + 10
