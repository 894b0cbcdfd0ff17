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
from highstreet.server.participants import Participants, current_participants, largest_circle

NAMES = "abcdefg"
EDGES = [(one, other) for one in NAMES for other in NAMES if one != other]


def _is_circle(ids: Collection[str], edges: Collection[Edge], colluders: int) -> bool:
    return all(set(ids) <= trusted_members(NAMES, edges, me=me, colluders=colluders) for me in ids)


@given(st.sets(st.sampled_from(EDGES)), st.integers(0, 2))
def test_it_is_a_circle_and_none_is_larger(edges: set[Edge], colluders: int) -> None:
    found = largest_circle(NAMES, edges, colluders=colluders)
    assert _is_circle(found, edges, colluders)
    for larger in itertools.combinations(NAMES, len(found) + 1):
        assert not _is_circle(larger, edges, colluders)


@given(st.permutations(EDGES[:20]), st.permutations(NAMES))
def test_it_depends_on_the_order_of_nothing(edges: list[Edge], names: list[str]) -> None:
    assert largest_circle(names, edges, colluders=1) == largest_circle(NAMES, EDGES[:20], colluders=1)


@pytest.mark.parametrize("colluders", [0, 1, 2])
def test_the_advised_vouches_make_one_circle_of_a_large_co_op(colluders: int) -> None:
    ids = [f"{number:04x}" for number in range(150)]
    pairs = fewest_pairs(ids, colluders=colluders)
    edges = {*pairs, *((other, one) for one, other in pairs)}
    assert largest_circle(ids, edges, colluders=colluders) == tuple(ids)


def test_without_vouches_everybody_is_alone_and_that_is_found_at_once() -> None:
    ids = [f"{number:04x}" for number in range(300)]
    start = time.process_time()
    assert largest_circle(ids, (), colluders=1) == ("0000",)
    assert time.process_time() - start < 10


def test_tangled_vouches_end_with_a_circle_that_nobody_could_be_added_to() -> None:
    ids = [f"{number:04x}" for number in range(60)]
    edges = {
        (one, other)
        for at, one in enumerate(ids)
        for to, other in enumerate(ids)
        if one != other and (at * to + at + to) % 7 < 3
    }
    found = largest_circle(ids, edges, colluders=8)
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
