"""Only members who all count for each other are asked, and as many of them as there are."""

from __future__ import annotations

import itertools
import time
from collections.abc import Collection
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from played_coop import PlayedCoop, made_charter, stores

from highstreet.audit.roster import Edge, fewest_pairs, trusted_members
from highstreet.server.database import connect
from highstreet.server.participants import (
    Participants,
    current_participants,
    largest_circle,
    who_counts,
)

NAMES = "abcdefg"
EDGES = [(one, other) for one in NAMES for other in NAMES if one != other]


def _is_circle(ids: Collection[str], edges: Collection[Edge], colluders: int) -> bool:
    return all(set(ids) <= trusted_members(NAMES, edges, me=me, colluders=colluders) for me in ids)


def _circle(ids: Collection[str], edges: Collection[Edge], colluders: int) -> tuple[str, ...]:
    return largest_circle({me: trusted_members(ids, edges, me=me, colluders=colluders) for me in ids})


@given(st.sets(st.sampled_from(EDGES)), st.integers(0, 2))
def test_it_is_a_circle_and_none_is_larger(edges: set[Edge], colluders: int) -> None:
    found = _circle(NAMES, edges, colluders)
    assert _is_circle(found, edges, colluders)
    for larger in itertools.combinations(NAMES, len(found) + 1):
        assert not _is_circle(larger, edges, colluders)


@given(st.permutations(EDGES[:20]), st.permutations(NAMES))
def test_it_depends_on_the_order_of_nothing(edges: list[Edge], names: list[str]) -> None:
    assert _circle(names, edges, 1) == _circle(NAMES, EDGES[:20], 1)


@pytest.mark.parametrize("colluders", [0, 1, 2])
def test_the_advised_vouches_make_one_circle_of_a_large_co_op(colluders: int) -> None:
    ids = [f"{number:04x}" for number in range(150)]
    pairs = fewest_pairs(ids, colluders=colluders)
    edges = {*pairs, *((other, one) for one, other in pairs)}
    assert _circle(ids, edges, colluders) == tuple(ids)


def test_without_vouches_everybody_is_alone_and_that_is_found_at_once() -> None:
    ids = [f"{number:04x}" for number in range(300)]
    start = time.process_time()
    assert _circle(ids, (), 1) == ("0000",)
    assert time.process_time() - start < 10


def test_tangled_vouches_end_with_a_circle_that_nobody_could_be_added_to() -> None:
    ids = [f"{number:04x}" for number in range(60)]
    edges = {
        (one, other)
        for at, one in enumerate(ids)
        for to, other in enumerate(ids)
        if one != other and (at * to + at + to) % 7 < 3
    }
    found = _circle(ids, edges, 8)
    trusted = {me: trusted_members(ids, edges, me=me, colluders=8) for me in ids}
    for other in set(ids) - set(found):
        assert any(other not in trusted[me] or me not in trusted[other] for me in found)


def test_who_was_vouched_for_by_one_alone_is_left_out_and_counted(tmp_path: Path) -> None:
    coop = PlayedCoop(tmp_path, made_charter(floor=4), stores(5))
    coop.vouch([(1, 2), (2, 1), (1, 3), (3, 1), (2, 3), (3, 2), (1, 4), (4, 1)])
    with closing(connect(coop.database)) as connection:
        found = current_participants(connection, coop.charter)
    assert found.member_ids == tuple(f"{number:016x}" for number in (1, 2, 3))
    assert not found.are_enough
    assert found.shortage == (
        "A round needs at least 4 stores that all count for each other; of the 5 in the co-op 3 do, and 2 "
        "are not vouched for yet."
    )
    assert "`highstreet store vouch`" in found.next_step


def test_who_left_takes_part_no_more(tmp_path: Path) -> None:
    coop = PlayedCoop(tmp_path, made_charter(), stores(5))
    coop.leave(4)
    with closing(connect(coop.database)) as connection:
        found = current_participants(connection, coop.charter)
    assert found.member_ids == tuple(f"{number:016x}" for number in (1, 2, 3, 5))
    assert found.members == 4


def test_three_are_needed_and_as_many_as_the_floor() -> None:
    two = Participants(member_ids=("a", "b"), members=2, needed=3)
    assert not two.are_enough
    assert two.shortage == "The charter wants at least 3 stores in a round; the co-op has 2."
    assert "coop invite" in two.next_step
    assert Participants(member_ids=("a", "b", "c"), members=3, needed=3).are_enough


def test_who_was_replaced_is_asked_no_more_also_when_whoever_said_so_has_left(tmp_path: Path) -> None:
    """Store 5 is store 4 under new keys; store 3 says so, and leaves."""
    coop = PlayedCoop(tmp_path, made_charter(), stores(5))
    coop.replace(3, 5, former=4)
    with closing(connect(coop.database)) as connection:
        found = current_participants(connection, coop.charter)
    assert found.member_ids == tuple(f"{number:016x}" for number in (1, 2, 3, 5))
    coop.leave(3)
    with closing(connect(coop.database)) as connection:
        found = current_participants(connection, coop.charter)
    assert found.member_ids == tuple(f"{number:016x}" for number in (1, 2, 5))
    assert found.members == 4


def test_the_word_of_a_member_that_counts_nowhere_strikes_out_nobody(tmp_path: Path) -> None:
    coop = PlayedCoop(tmp_path, made_charter(), stores(5))
    coop.vouch((one, other) for one in (1, 2, 3, 4) for other in (1, 2, 3, 4) if one != other)
    coop.replace(5, 1, former=2)
    with closing(connect(coop.database)) as connection:
        found = current_participants(connection, coop.charter)
    assert found.member_ids == tuple(f"{number:016x}" for number in (1, 2, 3, 4))


def test_two_of_whom_one_took_its_vouch_back_are_not_asked_together(tmp_path: Path) -> None:
    coop = PlayedCoop(tmp_path, made_charter(), stores(5))
    coop.withdraw(2, 5)
    with closing(connect(coop.database)) as connection:
        found = current_participants(connection, coop.charter)
        counted = who_counts(connection, coop.charter)
    assert len(found.member_ids) == 4
    assert not {f"{2:016x}", f"{5:016x}"} <= set(found.member_ids)
    assert f"{5:016x}" not in counted[f"{2:016x}"]
    assert f"{5:016x}" in counted[f"{1:016x}"]
