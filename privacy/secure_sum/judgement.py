"""Judgement on complaints: which contributions a sum leaves out so that its committee can open it.

Nobody but contributor and complainer can tell which of the two is at fault: a key that a complainer reveals
proves nothing, because any other key does not open the box either. So it is decided by counting, under the
charter's bound of c members who misbehave (docs/secure-sum.md, section 4, theorem 3).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import combinations

__all__ = ["Judgement", "judge"]

_Complaints = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Which contributions are left out of a sum, and what is known of those who made them.

    Attributes:
        left_out: contributors whose contributions are not in the set.
        at_fault: those of whom more than c members complained: one of these spoke the truth.
        able: committee members that can use every contribution that is left.
    """

    left_out: frozenset[str]
    at_fault: frozenset[str]
    able: frozenset[str]


def judge(
    complaints: _Complaints,
    contributors: Collection[str],
    *,
    threshold: int,
    colluders: int,
    floor: int,
) -> Judgement | None:
    """Return what to leave out, so that t members can open what is left; None when no set is large enough.

    First whoever more than c members complain of. Then all that a member with at most c complaints left
    complains of: an honest one has no more while at most c contributors misbehave. Then the fewest that
    leave t members able. Where that is fewer than the floor, the second step is passed over: it errs towards
    a complainer.

    Args:
        complaints: for each member that looked, of whom it complains.
        contributors: all of them.
        threshold: t.
        colluders: c.
        floor: fewest contributors of a sum.

    >>> judge({"a": frozenset(), "b": frozenset("x"), "c": frozenset(), "d": frozenset()}, "xyzw",
    ...       threshold=3, colluders=1, floor=3).left_out
    frozenset({'x'})
    """
    counted = Counter(accused for one in complaints.values() for accused in one)
    at_fault = frozenset(accused for accused, times in counted.items() if times > colluders)
    few = [one - at_fault for one in complaints.values() if len(one - at_fault) <= colluders]
    for taken_at_their_word in (at_fault.union(*few), at_fault):
        left_out = _able_threshold(complaints, taken_at_their_word, threshold)
        if left_out is not None and len(set(contributors) - left_out) >= floor:
            able = frozenset(member for member, accused in complaints.items() if accused <= left_out)
            return Judgement(left_out=left_out, at_fault=at_fault, able=able)
    return None


def _able_threshold(
    complaints: _Complaints, left_out: frozenset[str], threshold: int
) -> frozenset[str] | None:
    """Return the fewest contributors, those given among them, without whom t members complain of nobody."""
    choices = (
        left_out.union(*(complaints[member] for member in some))
        for some in combinations(sorted(complaints), threshold)
    )
    return min(choices, key=lambda chosen: (len(chosen), sorted(chosen)), default=None)
