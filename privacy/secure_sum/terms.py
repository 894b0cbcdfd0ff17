"""Committee terms: how many hold the shares of a round, how many of them may collude, and who they are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from highstreet.privacy.secure_sum.errors import InvalidRoundError, InvalidTermsError
from highstreet.privacy.secure_sum.limits import (
    COOP_ID,
    HASH_BYTES,
    KEY_BYTES,
    MAX_COMMITTEE,
    MAX_MEMBERS,
    MEMBER_ID,
    MIN_COMMITTEE,
    PROGRAMME_ID,
)
from highstreet.privacy.secure_sum.sealing import is_low_order

__all__ = ["Committee", "CommitteeTerms", "CountedMembers", "Member", "choose_committee"]

_LEAST_FLOOR = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitteeTerms:
    """What the charter says of the committee.

    Attributes:
        committee_size: seats m, 3 to 9; with fewer members, everybody has one.
        colluders: members c of the co-op, in total, who may work with the coordinator; below floor and size.
        floor: fewest contributors f whose sum may be opened, at least 3.
    """

    committee_size: int
    colluders: int
    floor: int

    def __post_init__(self) -> None:
        if not MIN_COMMITTEE <= self.committee_size <= MAX_COMMITTEE:
            raise InvalidTermsError(
                f"A committee has {MIN_COMMITTEE} to {MAX_COMMITTEE} seats, not {self.committee_size}."
            )
        if not 0 <= self.colluders < self.committee_size:
            raise InvalidTermsError(
                f"A committee of {self.committee_size} cannot stand {self.colluders} colluding members."
            )
        if not max(_LEAST_FLOOR, self.colluders + 1) <= self.floor <= MAX_MEMBERS:
            raise InvalidTermsError(
                f"The floor is {self.floor} contributors; it must be at least {_LEAST_FLOOR} and above the "
                f"{self.colluders} who may collude, or a sum could be one store's own."
            )

    def seats(self, members: int) -> int:
        """Return m for a co-op of that many counted members."""
        return min(self.committee_size, members)

    def threshold(self, seats: int) -> int:
        """Return t, the fewest agreements to a set and answers that open its sum: smallest with 2t > m + c.

        With that at most one set of contributors gathers t agreements, as honest members agree once; and
        t > c, so that colluders alone open nothing (docs/secure-sum.md, section 4). Without agreements it
        would not do: with m = 4, c = 1, t = 3 three sets, none of which can be opened, give away three times
        one sum plus another.

        Args:
            seats: m.

        Raises:
            InvalidTermsError: not more seats than colluders.

        >>> terms = CommitteeTerms(committee_size=9, colluders=1, floor=3)
        >>> [terms.threshold(seats) for seats in range(3, 10)]
        [3, 3, 4, 4, 5, 5, 6]
        """
        if not self.colluders < seats <= MAX_COMMITTEE:
            raise InvalidTermsError(
                f"A committee of {seats} cannot stand {self.colluders} colluding members."
            )
        return (seats + self.colluders) // 2 + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member of the co-op as the roster names it.

    Attributes:
        member_id: 16 hex digits.
        signing_public_key: raw Ed25519 key, 32 bytes.
        encryption_public_key: raw X25519 key, 32 bytes, not of low order.
    """

    member_id: str
    signing_public_key: bytes
    encryption_public_key: bytes

    def __post_init__(self) -> None:
        sizes = (len(self.signing_public_key), len(self.encryption_public_key))
        if MEMBER_ID.fullmatch(self.member_id) is None or sizes != (KEY_BYTES, KEY_BYTES):
            raise InvalidRoundError("A member of the roster has an id or a key of the wrong form.")
        if is_low_order(self.encryption_public_key):
            raise InvalidRoundError(
                f"The encryption key of member {self.member_id} is of low order: all could read its boxes.",
                next_step="Remove the member from the roster.",
            )


@dataclass(frozen=True, slots=True, init=False)
class CountedMembers:
    """The members of one roster who count: who may contribute and sit on committees.

    Attributes:
        by_id: member id -> member, in the order of ids.
    """

    by_id: dict[str, Member] = field(repr=False)

    def __init__(self, members: Iterable[Member]) -> None:
        """Take members in any order.

        Raises:
            InvalidRoundError: none or more than 1,024, or two with one id or one key.
        """
        ordered = sorted(members, key=lambda member: member.member_id)
        if not 1 <= len(ordered) <= MAX_MEMBERS:
            raise InvalidRoundError(f"A roster counts 1 to {MAX_MEMBERS} members, not {len(ordered)}.")
        for values in (
            {member.member_id for member in ordered},
            {member.signing_public_key for member in ordered},
            {member.encryption_public_key for member in ordered},
        ):
            if len(values) != len(ordered):
                raise InvalidRoundError("Two members of the roster share an id or a key.")
        object.__setattr__(self, "by_id", {member.member_id: member for member in ordered})

    def __iter__(self) -> Iterator[Member]:
        return iter(self.by_id.values())

    def __len__(self) -> int:
        return len(self.by_id)

    def get(self, member_id: str) -> Member | None:
        """Return the member of that id, if it counts."""
        return self.by_id.get(member_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Committee:
    """Who holds the shares of one round.

    Attributes:
        members: at positions 1 .. m, in this order.
        threshold: agreements t on a set, and answers t that open its sum.
    """

    members: tuple[Member, ...]
    threshold: int

    def __post_init__(self) -> None:
        if not 1 < self.threshold <= len(self.members) <= MAX_COMMITTEE:
            raise InvalidRoundError(
                f"A committee of {len(self.members)} cannot have a threshold of {self.threshold}."
            )
        if len({member.member_id for member in self.members}) != len(self.members):
            raise InvalidRoundError("A member sits twice on a committee.")

    def position(self, member_id: str) -> int | None:
        """Return a member's position, 1 .. m, or None when it has no seat."""
        for position, member in enumerate(self.members, start=1):
            if member.member_id == member_id:
                return position
        return None

    def sha256(self) -> bytes:
        """Return the hash that names this committee: its threshold, order, ids and keys."""
        digest = hashlib.sha256(b"highstreet/v1/committee-members\x00")
        digest.update(bytes([self.threshold, len(self.members)]))
        for member in self.members:
            digest.update(member.member_id.encode())
            digest.update(member.signing_public_key + member.encryption_public_key)
        return digest.digest()


def choose_committee(
    members: CountedMembers,
    *,
    coop_id: str,
    programme_id: str,
    round_number: int,
    roster_sha256: bytes,
    terms: CommitteeTerms,
) -> Committee:
    """Draw the committee of a round; every party draws the same one.

    Members are ordered by SHA-256("highstreet/v1/committee" || 0x00 || coop_id || programme_id || round as
    u32, big-endian || roster_sha256 || member_id); the first m have seats 1 .. m. The draw spreads the work;
    it is no lottery that keeps colluders out: c bounds them in the whole co-op.

    Args:
        members: the counted members of the roster.
        coop_id: 32 hex digits.
        programme_id: 16 hex digits.
        round_number: index of the phase in the charter's plan, from 0.
        roster_sha256: hash of the signed roster, 32 bytes.
        terms: the charter's.

    Raises:
        InvalidRoundError: fewer members than the floor, or a value that is no id, round or hash.
    """
    if len(members) < terms.floor:
        raise InvalidRoundError(
            f"The roster counts {len(members)} members, fewer than the floor of {terms.floor}.",
            next_step="Wait until more members are vouched for.",
        )
    sound = (
        COOP_ID.fullmatch(coop_id) is not None
        and PROGRAMME_ID.fullmatch(programme_id) is not None
        and 0 <= round_number < 2**32
        and len(roster_sha256) == HASH_BYTES
    )
    if not sound:
        raise InvalidRoundError("A committee was asked for with a value that is no id, round or hash.")
    drawn_for = b"".join(
        (
            b"highstreet/v1/committee\x00",
            coop_id.encode(),
            programme_id.encode(),
            round_number.to_bytes(4, "big"),
            roster_sha256,
        )
    )
    order = sorted(members, key=lambda member: hashlib.sha256(drawn_for + member.member_id.encode()).digest())
    seats = terms.seats(len(members))
    return Committee(members=tuple(order[:seats]), threshold=terms.threshold(seats))
