"""A matching from its request to the stores' counts, with both rooms' own code, crashed anywhere."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from counted_shops import assert_counted, coop_of, folder_in
from matching_coop import CrashError, DiskShop, MatchingCoop, Shop

from highstreet.client.matching_state import MatchingState


def test_every_store_learns_at_how_many_shops_its_customers_shop(tmp_path: Path) -> None:
    coop = coop_of(tmp_path)
    coop.match()
    assert coop.ended() == ("finished", "")
    assert_counted(coop)
    for shop in coop.shops.values():
        assert shop.secrets.under_way() == ()


def _assert_one_voice(coop: MatchingCoop) -> None:
    """However often a store was asked for one thing, the bytes were the same; and so was what it gave."""
    for shop in coop.shops.values():
        for step, bodies in shop.bodies.items():
            assert len(set(bodies)) == 1, step
        for step, answers in shop.answers.items():
            # Proofs are made anew each time, of the same evaluations.
            assert len({given.body for given in answers}) == 1 or step == "evaluate"


@pytest.mark.slow
def test_wherever_the_coordinator_crashes_the_matching_goes_on_with_one_voice() -> None:
    with tempfile.TemporaryDirectory() as folder:
        used = 10**9 - coop_of(Path(folder), count=4).match().calls
    assert used > 20
    for calls in range(0, used):
        with tempfile.TemporaryDirectory() as folder:
            coop = coop_of(Path(folder), count=4)
            with pytest.raises(CrashError):
                coop.match(calls=calls)
            coop.match()
            assert coop.ended() == ("finished", "")
            assert_counted(coop)
            _assert_one_voice(coop)


@pytest.mark.parametrize("step", ["offer", "blind", "evaluate", "give", "agree", "open", "read"])
def test_a_store_that_crashes_before_its_answer_leaves_gives_the_same_again(
    tmp_path: Path, step: str
) -> None:
    coop = coop_of(tmp_path)
    lost: set[str] = set()

    def lose_the_first(asked: str, shop: Shop, body: bytes) -> bytes:
        if asked == step and shop.member_id not in lost:
            lost.add(shop.member_id)
            return b"\x00 cut off"
        return body

    coop.bent_reply = lose_the_first
    coop.match()
    assert coop.ended() == ("finished", "")
    assert_counted(coop)
    _assert_one_voice(coop)


def test_a_second_matching_in_the_period_is_refused_by_every_store(tmp_path: Path) -> None:
    coop = coop_of(tmp_path)
    coop.match()
    coop.again("b" * 16)
    coop.match()
    assert "too_soon" in str(coop.rows("SELECT failure FROM programmes ORDER BY number")[1][0])
    assert_counted(coop)


def test_the_matching_runs_over_books_on_the_shops_disks_closed_after_every_message(tmp_path: Path) -> None:
    customers = {1: "1 2 3", 2: "1 2", 3: "1 4", 4: "1", 5: "4 5"}
    shops = [
        DiskShop(number, each.split(), folder_in(tmp_path, f"shops-{number}") / "books")
        for number, each in customers.items()
    ]
    coop = MatchingCoop(tmp_path, shops)
    coop.match()
    assert coop.ended() == ("finished", "")
    assert_counted(coop)
    for shop in shops:
        with MatchingState.open(shop.folder / "matching.db", vault_id="0" * 32) as state:
            assert state.under_way() == ()
    coop.again("b" * 16)
    coop.match()
    assert "too_soon" in str(coop.rows("SELECT failure FROM programmes ORDER BY number")[1][0])
