"""The matching as each party knows it on its own, before a message of it arrives."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from highstreet.privacy.matching.errors import InvalidMatchingError
from highstreet.privacy.matching.limits import COOP_ID, HASH_BYTES, MATCHING_ID
from highstreet.privacy.matching.shape import TableShape
from highstreet.privacy.secure_sum import CountedMembers, Member

__all__ = ["MatchingContext"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingContext:
    """What holders and stores must agree on, each from its own records.

    Nothing in it may come from a message of the matching.

    Attributes:
        coop_id: 32 hex digits.
        matching_id: 16 hex digits; never used twice in a co-op.
        request_sha256: hash of the signed request that opened the matching, as this party checked it.
        members: counted members of the roster.
        holder_ids: key holders, more of them than may collude.
        colluders: members c of the co-op, in total, who may work with the coordinator.
        identifiers_per_store: the charter's.
    """

    coop_id: str
    matching_id: str
    request_sha256: bytes
    members: CountedMembers
    holder_ids: tuple[str, ...]
    colluders: int
    identifiers_per_store: int

    def __post_init__(self) -> None:
        sound = (
            COOP_ID.fullmatch(self.coop_id) is not None
            and MATCHING_ID.fullmatch(self.matching_id) is not None
            and len(self.request_sha256) == HASH_BYTES
            and self.colluders >= 0
        )
        if not sound:
            raise InvalidMatchingError("A matching is described by values that cannot be its own.")
        if tuple(sorted(set(self.holder_ids))) != self.holder_ids:
            raise InvalidMatchingError("Key holders are named once each, in the order of their ids.")
        if len(self.holder_ids) != self.colluders + 1:
            raise InvalidMatchingError(
                f"With {self.colluders} colluding members there are {self.colluders + 1} key holders, so "
                f"that one of them is honest, not {len(self.holder_ids)}."
            )
        if any(self.members.get(holder) is None for holder in self.holder_ids):
            raise InvalidMatchingError("A key holder is no counted member of the roster.")
        self.shape  # noqa: B018 - refuses a table that does not fit

    @property
    def shape(self) -> TableShape:
        """The table's shape: for every counted member."""
        return TableShape(stores=len(self.members), identifiers_per_store=self.identifiers_per_store)

    @property
    def list_length(self) -> int:
        """Elements of every member's list: the label's, and one for each identifier there may be."""
        return self.identifiers_per_store + 1

    def holder(self, member_id: str) -> Member | None:
        """Return the holder of that id, if it is one."""
        return self.members.get(member_id) if member_id in self.holder_ids else None

    def sha256(self) -> bytes:
        """Return the hash that names this matching to its parties; tags and keys are bound to it."""
        digest = hashlib.sha256(b"highstreet/v1/matching-context\x00")
        digest.update(self.coop_id.encode() + self.matching_id.encode() + self.request_sha256)
        for number in (len(self.members), len(self.holder_ids), self.identifiers_per_store):
            digest.update(number.to_bytes(4, "big"))
        for member in self.members:
            digest.update(member.member_id.encode() + member.signing_public_key)
        for holder in self.holder_ids:
            digest.update(holder.encode())
        return digest.digest()
