"""Who takes part in a round: the most members who all count for each other."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from highstreet.audit.charter import Charter
from highstreet.audit.roster import Member as RosterMember
from highstreet.audit.roster import Roster, trusted_members
from highstreet.audit.strikes import struck_for
from highstreet.audit.vouches import verified_edges, verified_replacements
from highstreet.audit.withdrawals import verified_withdrawals
from highstreet.server.membership import current_members, members_ever
from highstreet.server.vouching import current_edges, vouches_ever, withdrawals_ever

__all__ = ["Participants", "current_participants", "largest_circle", "who_counts"]

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
    counted = who_counts(connection, charter)
    return Participants(
        member_ids=largest_circle(counted),
        members=len(counted),
        needed=max(_LEAST, charter.rounds.cohort_floor),
    )


def who_counts(connection: sqlite3.Connection, charter: Charter) -> dict[str, frozenset[str]]:
    """Return for each member whom its store counts, itself included, as far as the coordinator can know.

    A store that saw a member replaced keeps that in mind when those who said so have left. So everybody who
    was ever a member is asked here whom it would count, every vouch ever given taken together, and has what
    these say of former ids held for it: in doubt a member is left out, where its store would refuse.
    """
    colluders, coop_id = charter.rounds.colluders, charter.coop.id
    ids = frozenset(member.member_id for member in current_members(connection))
    edges = current_edges(connection, coop_id)
    ever, given = _everybody(connection, coop_id), vouches_ever(connection)
    replacements = verified_replacements(ever, given)
    edges_ever = verified_edges(ever, given) if replacements else frozenset()
    withdrawn = verified_withdrawals(ever, withdrawals_ever(connection))
    counted = {}
    for me in sorted(ids):
        ever_ids = (member.member_id for member in ever.members)
        speakers = trusted_members(ever_ids, edges_ever, me=me, colluders=colluders)
        struck = struck_for(me, ids, replacements, speakers=speakers, withdrawn=withdrawn)
        counted[me] = trusted_members(ids - struck, edges, me=me, colluders=colluders)
    return counted


def _everybody(connection: sqlite3.Connection, coop_id: str) -> Roster:
    """Everybody who ever joined, as a roster that nobody is shown; names may repeat."""
    members = tuple(
        RosterMember(
            member_id=member.member_id,
            name=member.name,
            signing_public_key=member.signing_public_key,
            encryption_public_key=member.encryption_public_key,
        )
        for member in members_ever(connection)
    )
    return Roster(coop_id=coop_id, number=0, members=members)


def largest_circle(counted: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Return the most members who all count for each other, in order; the same for the same vouches.

    That is a largest clique of the graph of who counts mutually for whom, found by branch and bound. After
    5,000 choices, which takes vouches as tangled as no co-op's, the largest found so far is returned: it is a
    circle all the same, and nobody could be added to it.

    Args:
        counted: by member, whom its store counts.

    >>> largest_circle({"a": "abc", "b": "ab", "c": "abc"})
    ('a', 'b')
    """
    ordered = sorted(counted)
    number = {member_id: at for at, member_id in enumerate(ordered)}
    counts = np.zeros((len(ordered), len(ordered)), dtype=bool)
    for at, me in enumerate(ordered):
        counts[at, [number[other] for other in counted[me]]] = True
    np.fill_diagonal(counts, False)
    mutual = np.packbits(counts & counts.T, axis=1, bitorder="little")
    masks = [int.from_bytes(row.tobytes(), "little") for row in mutual]
    return tuple(ordered[at] for at in _bits(_largest_clique(masks)))


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
