"""A matching is over once those who are there know their counts; who was away reads them later."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from matching_coop import CrashError, DiskShop, MatchingCoop, Shop
from played_coop import DEADLINE, OPENED

from highstreet.client.person_counts import PersonCounts
from highstreet.server.checkpoints import Checkpoints
from highstreet.server.database import connect
from highstreet.server.matching_book import MatchingBook
from highstreet.server.matchings import matching_progress
from highstreet.server.rounds import PATIENCE_SECONDS

_CUSTOMERS = {1: "1 2 3", 2: "1 2", 3: "1 4", 4: "1", 5: "4 5"}
_ENDS = OPENED + 6 * DEADLINE


def _coop(folder: Path, **silent: str) -> MatchingCoop:
    return MatchingCoop(
        folder,
        [
            Shop(number, each.split(), silent=silent.get(f"s{number}", "").split())
            for number, each in _CUSTOMERS.items()
        ],
    )


def _matching_id(coop: MatchingCoop) -> str:
    return str(coop.rows("SELECT programme_id FROM matchings")[0][0])


def _evidence(coop: MatchingCoop) -> bytes:
    with closing(connect(coop.database)) as connection:
        return MatchingBook(connection).evidence(_matching_id(coop))


def _due(coop: MatchingCoop) -> str | None:
    with closing(connect(coop.database)) as connection:
        due = Checkpoints(connection, clock=coop.clock).due()
    return None if due is None else due.programme_id


def _while_waiting(coop: MatchingCoop, then: Callable[[], None]) -> None:
    """Do something each time the coordinator waits for what comes in."""
    sleep = coop.clock.sleep

    def sleeping(seconds: float) -> None:
        sleep(seconds)
        then()

    coop.clock.sleep = sleeping  # type: ignore[method-assign]  # time passes all the same


def _ask_for_training(coop: MatchingCoop) -> None:
    coop.execute(
        "INSERT INTO programmes (programme_id, number, requested_at, state, charter_sha256, as_of_day)"
        " VALUES ('dddddddddddddddd', 2, 0, 'requested', ?, 0)",
        coop.charter.sha256(),
    )


def test_a_matching_gives_way_to_a_training_and_tells_who_was_away_behind_it(tmp_path: Path) -> None:
    coop = _coop(tmp_path, s1="read")
    finished_at: list[float] = []

    def ask_when_finished() -> None:
        if coop.ended()[0] == "finished" and not finished_at:
            finished_at.append(coop.clock())
            _ask_for_training(coop)

    _while_waiting(coop, ask_when_finished)
    coop.match()
    away = coop.stores[1]
    assert isinstance(away, Shop)
    assert finished_at[0] < OPENED + 2 * PATIENCE_SECONDS < coop.clock() + PATIENCE_SECONDS < _ENDS
    assert away.counts.read == {}
    assert _evidence(coop)
    assert _due(coop) == "dddddddddddddddd"
    assert all(shop.read for shop in coop.shops.values() if shop is not away)
    with closing(connect(coop.database)) as connection:
        said = matching_progress(connection, _matching_id(coop)).lines()
    assert "counts: 4 of 5 stores have dealt with the sum" in said
    assert "can still be told, until 1970-01-01 01:16 UTC: shop 1" in said

    coop.execute("UPDATE programmes SET state = 'finished' WHERE number = 2")
    assert _due(coop) == _matching_id(coop)
    away.silent.clear()
    coop.match()
    true = coop.true_counts()[away.member_id]
    assert away.read is not None
    assert away.read.items() <= true.items()
    assert len(set(away.bodies["read"])) == 1  # the same was shown each time
    assert _evidence(coop) == b""
    assert _due(coop) is None


def test_what_counts_are_read_from_is_forgotten_when_the_matchings_time_is_over(tmp_path: Path) -> None:
    coop = _coop(tmp_path, s1="read")
    coop.match()
    assert coop.ended() == ("finished", "")
    assert coop.clock() >= _ENDS
    assert _evidence(coop) == b""


def test_it_is_forgotten_also_when_nothing_runs_when_the_time_is_over(tmp_path: Path) -> None:
    coop = _coop(tmp_path, s1="read")

    def crash_when_finished() -> None:
        if coop.ended()[0] == "finished":
            raise CrashError

    _while_waiting(coop, crash_when_finished)
    with pytest.raises(CrashError):
        coop.match()
    assert _due(coop) == _matching_id(coop)  # taken up again
    with closing(connect(coop.database)) as connection:
        book = Checkpoints(connection, clock=coop.clock)
        book.drop_expired_evidence()
        assert _evidence(coop)
        coop.clock.now = _ENDS
        assert _due(coop) is None
        book.drop_expired_evidence()
        assert _evidence(coop) == b""


def test_nobody_waits_for_a_store_that_left(tmp_path: Path) -> None:
    coop = _coop(tmp_path, s1="read")

    def leave_when_finished() -> None:
        if coop.ended()[0] == "finished":
            coop.execute("UPDATE members SET left_at = 5 WHERE name = 'shop 1'")

    _while_waiting(coop, leave_when_finished)
    coop.match()
    assert coop.clock() < OPENED + 3 * PATIENCE_SECONDS
    assert _evidence(coop) == b""


@pytest.mark.parametrize("broken", ["counts", "secrets"])
def test_a_store_whose_disk_failed_when_it_was_shown_the_sum_is_asked_again(
    tmp_path: Path, broken: str
) -> None:
    """The second store cannot write its counts, or not destroy its secrets, until somebody makes room."""
    (tmp_path / "shops").mkdir()
    shops = [
        DiskShop(number, each.split(), tmp_path / "shops" / str(number))
        for number, each in _CUSTOMERS.items()
    ]
    coop = MatchingCoop(tmp_path, shops)
    failing = shops[1]
    blocked = failing.folder / "counts.json.lock" if broken == "counts" else failing.folder / "matching.db"
    asked = 0

    def fail_twice(step: str, shop: Shop, body: bytes) -> bytes:
        nonlocal asked
        if step == "read" and shop is failing:
            asked += 1
            if broken == "counts" and asked == 1:
                blocked.unlink(missing_ok=True)
                blocked.mkdir()
            elif broken == "counts" and asked == 3:
                blocked.rmdir()
            elif broken == "secrets" and asked < 3:
                failing.secrets._connection.execute("PRAGMA query_only = ON")  # type: ignore[attr-defined]
        return body

    coop.bent = fail_twice
    coop.match()
    assert coop.ended() == ("finished", "")
    assert asked == 3
    read = PersonCounts(failing.folder / "counts.json", vault_id="0" * 32).latest()
    assert read is not None
    assert read.shops is not None
    assert read.shops.items() <= coop.true_counts()[failing.member_id].items()
    assert [given.refusal is None for given in failing.answers["read"]] == [False, False, True]
    assert _evidence(coop) == b""
