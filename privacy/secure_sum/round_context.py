"""The round as each party knows it on its own, before a message of the secure sum arrives."""

from __future__ import annotations

from dataclasses import dataclass

from highstreet.privacy.secure_sum.errors import InvalidRoundError
from highstreet.privacy.secure_sum.limits import COOP_ID, HASH_BYTES, KEY_BYTES, MAX_DIMENSION, SEED_BYTES
from highstreet.privacy.secure_sum.sealing import OVERHEAD_BYTES
from highstreet.privacy.secure_sum.terms import Committee, CountedMembers

__all__ = ["RoundContext"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundContext:
    """What contributor, committee member and coordinator must agree on, each from its own records.

    Nothing in it may come from a message of the secure sum.

    Attributes:
        coop_id: 32 hex digits.
        request_sha256: hash of the round request this party has checked: binds round, phase, programme, model
            state, charter, roster, schema, deadline and release.
        coordinator_public_key: raw Ed25519 key that signed that request.
        members: counted members of the roster.
        committee: drawn from them.
        floor: fewest contributors whose sum may be opened.
        dimension: coordinates d, 1 to 4,194,304.
    """

    coop_id: str
    request_sha256: bytes
    coordinator_public_key: bytes
    members: CountedMembers
    committee: Committee
    floor: int
    dimension: int

    def __post_init__(self) -> None:
        sound = (
            COOP_ID.fullmatch(self.coop_id) is not None
            and len(self.request_sha256) == HASH_BYTES
            and len(self.coordinator_public_key) == KEY_BYTES
            and 1 < self.floor <= len(self.members)
            and 0 < self.dimension <= MAX_DIMENSION
        )
        if not sound:
            raise InvalidRoundError(
                "A round of the secure sum is described by values that cannot be its own."
            )
        if any(self.members.get(member.member_id) != member for member in self.committee.members):
            raise InvalidRoundError("The committee has a member who is not counted on the roster.")

    def share_bytes(self, position: int) -> int:
        """Return the size of the share at a position: a seed below the threshold, a vector from it on."""
        return SEED_BYTES if position < self.committee.threshold else 4 * self.dimension

    def box_bytes(self, position: int) -> int:
        """Return the size of the box at a position."""
        return self.share_bytes(position) + OVERHEAD_BYTES
