"""Who counts: never an invented store, whatever the invented ones say of each other."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from highstreet.audit.canonical import canonical_json
from highstreet.audit.errors import RosterError
from highstreet.audit.roster import Edge, Member, fewest_pairs, read_roster, trusted_members

IDS = st.integers(min_value=0, max_value=11).map(str)
EDGES = st.frozensets(st.tuples(IDS, IDS), max_size=60)
ALL = [str(number) for number in range(12)]


def _both_ways(pairs: Any) -> frozenset[Edge]:
    return frozenset((one, other) for pair in pairs for one, other in (pair, pair[::-1]))


def _as_defined(ids: list[str], edges: frozenset[Edge], me: str, colluders: int) -> frozenset[str]:
    """The definition, word for word: apply the rules to everybody until nothing changes."""
    counted = {me} & set(ids)
    while True:
        more = {
            subject
            for subject in ids
            if (me, subject) in edges
            or sum((voucher, subject) in edges for voucher in counted - {subject}) > colluders
        }
        if me not in ids or more <= counted:
            return frozenset(counted)
        counted |= more


@settings(deadline=None)
@given(EDGES, IDS, st.integers(0, 3))
def test_it_is_the_fixpoint_of_the_two_rules(edges: frozenset[Edge], me: str, colluders: int) -> None:
    assert trusted_members(ALL, edges, me=me, colluders=colluders) == _as_defined(ALL, edges, me, colluders)


@settings(deadline=None)
@given(EDGES, IDS, st.integers(0, 3), st.randoms(use_true_random=False))
def test_the_order_of_members_and_vouches_does_not_matter(
    edges: frozenset[Edge], me: str, colluders: int, shuffle: Any
) -> None:
    ids, listed = list(ALL), sorted(edges)
    shuffle.shuffle(ids)
    shuffle.shuffle(listed)
    found = trusted_members(ids, listed, me=me, colluders=colluders)
    assert found == trusted_members(ALL, edges, me=me, colluders=colluders)


@settings(deadline=None)
@given(EDGES, EDGES, IDS, st.integers(0, 3))
def test_a_vouch_never_costs_anybody_their_place(
    edges: frozenset[Edge], more: frozenset[Edge], me: str, colluders: int
) -> None:
    before = trusted_members(ALL, edges, me=me, colluders=colluders)
    assert before <= trusted_members(ALL, edges | more, me=me, colluders=colluders)
    assert trusted_members(ALL, edges, me=me, colluders=colluders + 1) <= before


@settings(deadline=None)
@given(
    st.integers(0, 3).flatmap(
        lambda c: st.tuples(st.just(c), st.sets(st.integers(1, 5).map(str), max_size=c))
    ),
    EDGES,
)
def test_no_invented_store_counts_while_few_members_collude(
    drawn: tuple[int, set[str]], edges: frozenset[Edge]
) -> None:
    """Members 0 to 5 are real, 6 to 11 invented: they and the colluders vouch for whomever they like."""
    colluders, dishonest = drawn
    invented = set(ALL[6:])
    honest = set(ALL[:6]) - dishonest
    said = frozenset(edge for edge in edges if not (edge[0] in honest and edge[1] in invented))
    everything = said | {(one, other) for one in dishonest | invented for other in ALL}
    for me in honest:
        assert not trusted_members(ALL, everything, me=me, colluders=colluders) & invented


def test_one_colluder_more_than_the_charter_says_lets_invented_stores_in() -> None:
    """The twin of the test above: its bound is exact."""
    pairs = _both_ways(itertools.combinations(ALL[:4], 2))
    bribed = pairs | {("1", "6"), ("2", "6")}
    assert "6" not in trusted_members(ALL, bribed, me="0", colluders=2)
    assert "6" in trusted_members(ALL, bribed, me="0", colluders=1)
    assert "6" not in trusted_members(ALL, bribed - {("2", "6")}, me="0", colluders=1)


def test_whom_an_owner_compared_a_code_with_counts_and_its_word_alone_does_not() -> None:
    edges = _both_ways([("0", "1"), ("1", "2")])
    assert trusted_members(ALL, edges, me="0", colluders=1) == {"0", "1"}
    assert trusted_members(ALL, edges, me="1", colluders=1) == {"0", "1", "2"}
    assert trusted_members(ALL, edges, me="0", colluders=0) == {"0", "1", "2"}


def test_another_threshold_for_the_first_few_would_depend_on_the_order() -> None:
    """Why the rule does not ask fewer vouches while few are counted: who is looked at first would win."""

    def sinking(order: list[str]) -> set[str]:
        counted, edges = {"0"}, {("0", "1"), ("0", "2")}
        for subject in order * 3:
            if sum((voucher, subject) in edges for voucher in counted) >= min(2, len(counted)):
                counted.add(subject)
        return counted

    assert sinking(["1", "2"]) != sinking(["2", "1"])


def test_who_is_not_on_the_roster_has_no_say() -> None:
    edges = frozenset({("0", "1"), ("0", "2"), ("1", "3"), ("2", "3"), ("9", "3")})
    assert trusted_members(["0", "1", "2", "3"], edges, me="0", colluders=1) == {"0", "1", "2", "3"}
    assert trusted_members(["0", "1", "3"], edges, me="0", colluders=1) == {"0", "1"}
    assert trusted_members(["1", "2"], edges, me="0", colluders=1) == frozenset()


@pytest.mark.parametrize("colluders", [0, 1, 2, 3])
@pytest.mark.parametrize("count", range(1, 13))
def test_few_pairs_make_everybody_count_for_everybody(count: int, colluders: int) -> None:
    ids = ALL[:count]
    pairs = fewest_pairs(ids, colluders=colluders)
    for me in ids:
        assert trusted_members(ids, _both_ways(pairs), me=me, colluders=colluders) == set(ids)
    for missing in pairs if colluders < 2 or count >= 2 * colluders + 2 else ():  # and none is too many
        fewer = _both_ways(pair for pair in pairs if pair != missing)
        assert any(trusted_members(ids, fewer, me=me, colluders=colluders) != set(ids) for me in ids), missing


@pytest.mark.parametrize("count", [3, 4, 5])
def test_no_fewer_pairs_would_do_with_one_colluder(count: int) -> None:
    """Every smaller set of pairs is tried."""
    ids = ALL[:count]
    least = len(fewest_pairs(ids, colluders=1))
    for pairs in itertools.combinations(itertools.combinations(ids, 2), least - 1):
        edges = _both_ways(pairs)
        assert any(trusted_members(ids, edges, me=me, colluders=1) != set(ids) for me in ids)


def _member(number: int, **changes: Any) -> dict[str, Any]:
    made = Member(
        member_id=f"{number:016x}",
        name=f"Shop {number}",
        signing_public_key=bytes([number]) * 32,
        encryption_public_key=bytes([number + 100]) * 32,
    )
    return {**made.to_dict(), "joined_at": 5, **changes}


def _document(*members: Any, **changes: Any) -> bytes:
    whole = {"format_version": 2, "coop_id": "ab" * 16, "number": 7, "members": list(members)}
    return canonical_json({**whole, **changes})


def test_a_roster_is_read_as_it_was_written() -> None:
    roster = read_roster(_document(_member(1), _member(2)))
    assert (roster.coop_id, roster.number) == ("ab" * 16, 7)
    assert [member.name for member in roster.members] == ["Shop 1", "Shop 2"]
    found = roster.member(f"{2:016x}")
    assert found is not None
    assert found.encryption_public_key == bytes([102]) * 32
    assert roster.member("nobody") is None


@pytest.mark.parametrize(
    "document",
    [
        _document(_member(1), format_version=1),
        _document(_member(1), number=-1),
        _document(_member(1), number=True),
        _document(_member(1), coop_id="ab"),
        _document(_member(1), extra=1),
        _document("no member"),
        _document(_member(1, encryption_public_key="")),
        _document(_member(1, signing_public_key="AB" * 32)),
        _document(_member(1, member_id="../../etc/passwd")),
        _document(_member(1, name="")),
        _document(_member(1, name="a\x1b[2K")),
        _document(_member(1, name="two  spaces")),
        _document(_member(1, name=" Shop")),
        _document(_member(1, joined_at=None)),
        _document(_member(1, more=1)),
        _document(_member(1), _member(1)),
        _document(_member(1), _member(2, name="SHOP 1")),
        _document(_member(1), _member(2, name="Ｓhop 1")),
        _document(_member(1), _member(2, signing_public_key="01" * 32)),
        _document(_member(1), _member(2, encryption_public_key="65" * 32)),
        _document(_member(1), _member(2, encryption_public_key="01" * 32)),
    ],
)
def test_a_roster_of_another_form_is_refused(document: bytes) -> None:
    with pytest.raises(RosterError):
        read_roster(document)
