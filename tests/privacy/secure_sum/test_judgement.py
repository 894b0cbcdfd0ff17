"""Which contributions are left out when members complain, and how far a member that lies gets."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from highstreet.privacy.secure_sum import judge


def _threshold(m: int, c: int) -> int:
    return (m + c) // 2 + 1


@st.composite
def rounds(draw):
    """A committee, contributors, and what each seat says; at most c of all members misbehave."""
    m = draw(st.integers(3, 9))
    c = draw(st.integers(0, (m - 1) // 2))
    n = draw(st.integers(m, 14))
    bad = set(draw(st.permutations(range(n)))[:c])
    truth = {one: {seat for seat in range(m) if draw(st.booleans())} for one in bad}
    says = {}
    for seat in range(m):
        if seat in bad:
            says[str(seat)] = frozenset(str(one) for one in range(n) if draw(st.booleans()))
        else:
            says[str(seat)] = frozenset(str(one) for one in bad if seat in truth[one])
    return m, c, n, {str(one) for one in bad}, says


@settings(max_examples=400)
@given(rounds())
def test_while_at_most_c_misbehave_every_honest_member_can_open_and_few_honest_ones_are_left_out(made):
    m, c, n, bad, says = made
    contributors = [str(one) for one in range(n)]
    found = judge(says, contributors, threshold=_threshold(m, c), colluders=c, floor=1)
    honest = {seat for seat in says if seat not in bad}
    if len(honest) < _threshold(m, c):  # those who misbehave could as well be silent, and end the round
        return
    assert found is not None
    assert honest <= found.able
    assert found.left_out <= set().union(*says.values())
    assert len(found.left_out - bad) <= c * len(bad & says.keys())  # c for each member that lies
    assert found.at_fault <= bad & found.left_out


@settings(max_examples=400)
@given(rounds(), st.data())
def test_without_the_bound_whoever_at_least_t_could_open_is_kept_or_t_are_able(made, data):
    """Whatever anybody says, t members can open what is left, and it is never fewer than the floor."""
    m, c, n, _, _ = made
    contributors = [str(one) for one in range(n)]
    says = {
        str(seat): frozenset(data.draw(st.sets(st.sampled_from(contributors)), label=str(seat)))
        for seat in range(m)
    }
    floor = data.draw(st.integers(1, n))
    found = judge(says, contributors, threshold=_threshold(m, c), colluders=c, floor=floor)
    if found is None:
        return
    assert len(found.able) >= _threshold(m, c)
    assert all(says[seat] <= found.left_out for seat in found.able)
    assert n - len(found.left_out) >= floor
    counted = Counter(accused for listed in says.values() for accused in listed)
    assert found.at_fault == {accused for accused, times in counted.items() if times > c}


def test_one_complaint_leaves_one_out_and_says_nothing_of_fault():
    says = {"a": frozenset("x"), "b": frozenset(), "c": frozenset(), "d": frozenset(), "e": frozenset()}
    found = judge(says, "vwxyz", threshold=4, colluders=1, floor=3)
    assert (found.left_out, found.at_fault, len(found.able)) == ({"x"}, frozenset(), 5)


def test_a_member_that_complains_of_many_is_passed_over_while_the_others_are_enough():
    says = {"a": frozenset("wxyz"), "b": frozenset(), "c": frozenset(), "d": frozenset(), "e": frozenset()}
    found = judge(says, "vwxyz", threshold=4, colluders=1, floor=3)
    assert (found.left_out, found.able) == (frozenset(), frozenset("bcde"))


def test_where_the_floor_would_be_missed_a_single_complaint_is_passed_over():
    says = {"a": frozenset("x"), "b": frozenset(), "c": frozenset(), "d": frozenset(), "e": frozenset()}
    found = judge(says, "xyz", threshold=4, colluders=1, floor=3)
    assert (found.left_out, found.able) == (frozenset(), frozenset("bcde"))
    assert judge({**says, "b": frozenset("x")}, "xyz", threshold=4, colluders=1, floor=3) is None


def test_too_few_who_looked_are_no_judgement():
    assert judge({"a": frozenset(), "b": frozenset()}, "xyz", threshold=3, colluders=1, floor=3) is None
