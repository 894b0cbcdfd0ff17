"""Masks of bits find whom each member counts, as vouch after vouch does, and in time for a thousand."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from highstreet.audit.roster import trusted_members
from highstreet.audit.vouch_graph import Edge, VouchGraph

NAMES = "abcdefghij"
IDS = st.sampled_from(NAMES)


def _followed(listed: Collection[str], edges: Iterable[Edge], *, me: str, colluders: int) -> frozenset[str]:
    """The two rules of `trusted_members`, applied until nothing changes."""
    if me not in listed:
        return frozenset()
    valid = {(one, other) for one, other in edges if one != other and {one, other} <= set(listed)}
    counted = {me}
    while True:
        support = Counter(subject for voucher, subject in valid if voucher in counted)
        more = {subject for subject, vouches in support.items() if vouches > colluders}
        more |= {subject for voucher, subject in valid if voucher == me}
        if more <= counted:
            return frozenset(counted)
        counted |= more


@given(st.sets(st.tuples(IDS, IDS)), st.sets(IDS), IDS, st.integers(0, 4))
def test_the_graph_counts_whom_the_rules_count(
    edges: set[Edge], listed: set[str], me: str, colluders: int
) -> None:
    followed = _followed(listed, edges, me=me, colluders=colluders)
    assert VouchGraph(edges).counted(listed, me=me, colluders=colluders) == followed
    assert trusted_members(listed, edges, me=me, colluders=colluders) == followed


@given(st.sets(st.tuples(IDS, IDS)), st.lists(st.tuples(st.sets(IDS), IDS), max_size=5))
def test_one_graph_answers_any_number_of_questions(
    edges: set[Edge], questions: list[tuple[set[str], str]]
) -> None:
    graph = VouchGraph(edges)
    first = [graph.counted(listed, me=me, colluders=1) for listed, me in questions]
    again = [graph.counted(listed, me=me, colluders=1) for listed, me in reversed(questions)]
    assert first == again[::-1]


def test_a_chain_of_vouches_is_followed_to_its_end() -> None:
    """Each is vouched for by the two before it; with one colluder nobody counts otherwise."""
    ids = [f"{number:04x}" for number in range(1000)]
    edges = {(ids[at], ids[at + step]) for at in range(998) for step in (1, 2)}
    assert VouchGraph(edges).counted(ids, me=ids[0], colluders=1) == frozenset(ids[:999])
    assert VouchGraph(edges).counted(ids, me=ids[0], colluders=2) == frozenset(ids[:3])


@pytest.mark.parametrize("vouches", [3, 255])
def test_a_thousand_members_are_told_whom_they_count_in_seconds(vouches: int) -> None:
    """As many vouches as a coordinator takes of one member; one by one they took minutes."""
    ids = [f"{number:016x}" for number in range(1000)]
    drawn = np.random.default_rng(1)
    chosen = (drawn.choice(1000, size=vouches, replace=False) for _ in ids)
    edges = frozenset(
        (one, ids[at]) for one, subjects in zip(ids, chosen, strict=True) for at in subjects if ids[at] != one
    )
    start = time.process_time()
    counted = [trusted_members(ids, edges, me=me, colluders=2) for me in ids]
    assert time.process_time() - start < 10
    assert counted[7] == _followed(ids, edges, me=ids[7], colluders=2)
