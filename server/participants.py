"""Who takes part in a round: the most members who all count for each other."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from highstreet.audit.charter import Charter
from highstreet.audit.roster import Edge, trusted_members
from highstreet.server.membership import current_members
from highstreet.server.vouching import current_edges

__all__ = ["Participants", "current_participants", "largest_circle"]

#: Fewest stores a secure sum hides one among.
_LEAST = 3
#: Choices looked at before the largest circle so far is taken. Where vouches follow the advice of `store
#: members`, a handful is enough.
_CHOICES = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Participants:
    """Who may contribute to a round, as of now.

    Attributes:
        member_ids: ascending; every one counts for every other.
        members: how many are in the co-op.
        needed: fewest participants of a round.
    """

    member_ids: tuple[str, ...]
    members: int
    needed: int

    @property
    def are_enough(self) -> bool:
        """Whether a round can be held."""
        return len(self.member_ids) >= self.needed

    @property
    def shortage(self) -> str:
        """Say in one sentence why no round can be held."""
        if self.members < self.needed:
            return (
                f"The charter wants at least {self.needed} stores in a round; the co-op has {self.members}."
            )
        counted = len(self.member_ids)
        return (
            f"A round needs at least {self.needed} stores that all count for each other; of the "
            f"{self.members} in the co-op {counted} do, and {self.members - counted} are not vouched for yet."
        )

    @property
    def next_step(self) -> str:
        """Say what to do about it."""
        if self.members < self.needed:
            return "Invite more with `highstreet coop invite NAME`."
        return (
            "Let the shops' owners compare codes with `highstreet store vouch`; see who counts for whom with "
            "`highstreet coop members`."
        )


def current_participants(connection: sqlite3.Connection, charter: Charter) -> Participants:
    """Return who may contribute to a round that is opened now.

    Each store decides for itself whom it counts, from the same vouches (`audit.roster.trusted_members`), and
    refuses a round with anybody else in it; so only members who all count for each other are asked.
    """
    ids = sorted(member.member_id for member in current_members(connection))
    edges = current_edges(connection, charter.coop.id)
    return Participants(
        member_ids=largest_circle(ids, edges, colluders=charter.rounds.colluders),
        members=len(ids),
        needed=max(_LEAST, charter.rounds.cohort_floor),
    )


def largest_circle(
    member_ids: Collection[str], edges: Collection[Edge], *, colluders: int
) -> tuple[str, ...]:
    """Return the most members who all count for each other, in order; the same for the same vouches.

    That is a largest clique of the graph of who counts mutually for whom, found by branch and bound. After
    5,000 choices, which takes vouches as tangled as no co-op's, the largest found so far is returned: it is a
    circle all the same, and nobody could be added to it.

    Args:
        member_ids: who is in.
        edges: vouches that hold.
        colluders: c of the charter.

    >>> largest_circle("abcd", {(x, y) for x in "abc" for y in "abc"}, colluders=1)
    ('a', 'b', 'c')
    """
    ordered = sorted(member_ids)
    trusted = {me: trusted_members(ordered, edges, me=me, colluders=colluders) for me in ordered}
    number = {member_id: at for at, member_id in enumerate(ordered)}
    mutual = [
        sum(1 << number[other] for other in trusted[me] if other != me and me in trusted[other])
        for me in ordered
    ]
    return tuple(ordered[at] for at in _bits(_largest_clique(mutual)))


def _largest_clique(neighbours: Sequence[int]) -> int:
    """Return a largest clique as bits. Each entry of the stack: who is in it, who may still be added."""
    best = 0
    stack = [(0, (1 << len(neighbours)) - 1)]
    for _ in range(_CHOICES):
        if not stack:
            break
        clique, open_ = stack.pop()
        degrees = {at: (neighbours[at] & open_).bit_count() for at in _bits(open_)}
        for at, degree in degrees.items():
            if degree == len(degrees) - 1:  # in every largest clique of these
                clique |= 1 << at
                open_ &= ~(1 << at)
        left = {at: degree for at, degree in degrees.items() if open_ >> at & 1}
        if clique.bit_count() > best.bit_count():
            best = clique
        if clique.bit_count() + _bound(left, len(degrees) - len(left)) <= best.bit_count():
            continue
        chosen = max(left, key=lambda at: (left[at], -at))
        stack.append((clique, open_ & ~(1 << chosen)))
        stack.append((clique | 1 << chosen, open_ & neighbours[chosen]))
    for at, known in enumerate(neighbours):  # where the choices ran out in the middle of one
        if not best >> at & 1 and best & known == best:
            best |= 1 << at
    return best


def _bound(degrees: Mapping[int, int], settled: int) -> int:
    """Return a size no clique among these exceeds: k members of one have k - 1 neighbours each among them."""
    size = 0
    for degree in sorted(degrees.values(), reverse=True):
        if degree - settled < size:
            break
        size += 1
    return size


def _bits(mask: int) -> list[int]:
    return [at for at in range(mask.bit_length()) if mask >> at & 1]
