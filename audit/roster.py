"""The roster: who is a member, under which keys, and which of them count for one member."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from highstreet.audit.canonical import Json, read_canonical
from highstreet.audit.errors import RosterError
from highstreet.audit.signing import DOCUMENT_LIMIT_BYTES
from highstreet.audit.vouch_graph import Edge, vouch_graph

__all__ = [
    "FORMAT_VERSION",
    "Edge",
    "Member",
    "Roster",
    "as_seen",
    "fewest_pairs",
    "is_member_id",
    "read_roster",
    "trusted_members",
]

FORMAT_VERSION = 2
_MEMBERS_LIMIT = 2_000
_NAME_LIMIT = 64
_MEMBER_ID = re.compile(r"[0-9a-f]{16}")
_COOP_ID = re.compile(r"[0-9a-f]{32}")
_KEY = re.compile(r"[0-9a-f]{64}")
_FIELDS = {"format_version", "coop_id", "number", "members"}
_MEMBER_FIELDS = {"member_id", "name", "signing_public_key", "encryption_public_key", "joined_at"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member as the roster names it: all that others rely on.

    Attributes:
        member_id: 16 hex digits.
        name: what the coordinator calls it and people know it by.
        signing_public_key: raw Ed25519, 32 bytes.
        encryption_public_key: raw X25519, 32 bytes.
    """

    member_id: str
    name: str
    signing_public_key: bytes
    encryption_public_key: bytes

    def to_dict(self) -> dict[str, object]:
        """Return plain values, keys in hex: what is compared, vouched for and pinned."""
        return {
            "member_id": self.member_id,
            "name": self.name,
            "signing_public_key": self.signing_public_key.hex(),
            "encryption_public_key": self.encryption_public_key.hex(),
        }

    @classmethod
    def from_dict(cls, value: object) -> Member:
        """Read what `to_dict` gave.

        Raises:
            RosterError: a field is missing or of another form.
        """
        if not isinstance(value, dict):
            raise RosterError("A member of the roster is not an object.")
        texts = [value.get(name) for name in cls.__dataclass_fields__]
        if not all(isinstance(text, str) for text in texts):
            raise RosterError("A member of the roster lacks a field.")
        member_id, name, signing, encryption = map(str, texts)
        if not (_MEMBER_ID.fullmatch(member_id) and _KEY.fullmatch(signing) and _KEY.fullmatch(encryption)):
            raise RosterError("A member of the roster has an id or a key of another form.")
        if not 0 < len(name) <= _NAME_LIMIT or not name.isprintable() or name != " ".join(name.split()):
            raise RosterError("A member of the roster has a name that cannot be shown.")
        return cls(
            member_id=member_id,
            name=name,
            signing_public_key=bytes.fromhex(signing),
            encryption_public_key=bytes.fromhex(encryption),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """Who is in, as of one moment.

    Attributes:
        coop_id: of which co-op.
        number: counts joins and departures; a later roster has a higher one.
        members: in the order they joined; no id, name or key twice.
    """

    coop_id: str
    number: int
    members: tuple[Member, ...]
    _by_id: Mapping[str, Member] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_id = {each.member_id: each for each in reversed(self.members)}
        object.__setattr__(self, "_by_id", by_id)

    def member(self, member_id: str) -> Member | None:
        """Return the member of this id, None when there is none."""
        return self._by_id.get(member_id)


def read_roster(document: bytes) -> Roster:
    """Read the bytes of a roster; the signature is for the caller to check.

    Two members of one name, or of one key, are refused: an owner could not tell them apart on the phone, and
    one store would count as two.

    Raises:
        UnreadableDocumentError: not canonical JSON.
        RosterError: another form or version, or two members who share something.
    """
    content = read_canonical(document, limit_bytes=DOCUMENT_LIMIT_BYTES)
    if content.get("format_version") != FORMAT_VERSION:
        raise RosterError(
            "The roster is of another version.",
            next_step="Update Highstreet on both sides to the same version.",
        )
    coop_id, number, listed = content.get("coop_id"), content.get("number"), content.get("members")
    if (
        set(content) != _FIELDS
        or not (isinstance(coop_id, str) and _COOP_ID.fullmatch(coop_id))
        or not (isinstance(number, int) and not isinstance(number, bool) and number >= 0)
        or not (isinstance(listed, list) and len(listed) <= _MEMBERS_LIMIT)
    ):
        raise RosterError("The roster lacks a field or has one of another form.")
    members = tuple(_member(value) for value in listed)
    for shared in (
        [member.member_id for member in members],
        [as_seen(member.name) for member in members],
        [key for member in members for key in (member.signing_public_key, member.encryption_public_key)],
    ):
        if len(set(shared)) != len(shared):
            raise RosterError("The roster names two members with one id, one name or one key.")
    return Roster(coop_id=coop_id, number=number, members=members)


def trusted_members(
    member_ids: Iterable[str], edges: Collection[Edge], *, me: str, colluders: int
) -> frozenset[str]:
    """Return the members that count for one of them: the least set closed under the two rules below.

    1. `me` counts, and so does whom `me` vouches for: these keys were compared by this store's own owner.
    2. A member counts when more than `colluders` members that count vouch for it.

    Guarantee: as long as at most `colluders` of the stores that are really in the co-op vouch falsely, no
    invented store counts for an honest `me`, however many there are and however they vouch for each other.
    (The first invented store to count would need more than `colluders` vouches by real stores, one of them
    honest.) A store on the list under two ids counts as two here; that one of the two is struck out is the
    business of `audit.strikes`, which is why who is struck out must not be on the list.
    The set does not depend on the order of anything; it grows with every id and every edge, and shrinks with
    `colluders`. So a strike or a withdrawal, which takes an id or an edge away, can only make it smaller.

    Args:
        member_ids: who is on the roster and not struck out for `me`; edges to or from others are ignored.
        edges: vouches whose signatures hold and that were not taken back
            (`audit.withdrawals.standing_edges`).
        me: for whom; must be on the roster for anybody to count.
        colluders: c >= 0, members who may work with the coordinator.
    """
    return vouch_graph(frozenset(edges)).counted(frozenset(member_ids), me=me, colluders=colluders)


def as_seen(name: str) -> str:
    """Return a name as people see it: two that differ only in compatibility forms or case are one."""
    return unicodedata.normalize("NFKC", name).casefold()


def is_member_id(text: str) -> bool:
    """Say whether a text from outside has the form of a member's id, 16 hex digits."""
    return _MEMBER_ID.fullmatch(text) is not None


def fewest_pairs(member_ids: Iterable[str], *, colluders: int) -> tuple[Edge, ...]:
    """Return few pairs that make every member count for every other when each pair vouches both ways.

    Everybody compares a code with the same `colluders + 1` members: (c + 1)(n - c - 1) pairs, which is the
    least there can be for c = 1 and n >= 4. Below 2c + 2 members it is every pair (some to spare for c > 1).

    >>> fewest_pairs(["a", "b", "c", "d"], colluders=1)
    (('a', 'c'), ('a', 'd'), ('b', 'c'), ('b', 'd'))
    """
    ordered = tuple(dict.fromkeys(member_ids))
    if len(ordered) < 2 * colluders + 2:
        return tuple((one, other) for at, one in enumerate(ordered) for other in ordered[at + 1 :])
    hubs, others = ordered[: colluders + 1], ordered[colluders + 1 :]
    return tuple((hub, other) for hub in hubs for other in others)


def _member(value: Json) -> Member:
    if not isinstance(value, dict) or set(value) != _MEMBER_FIELDS or type(value["joined_at"]) is not int:
        raise RosterError("A member of the roster lacks a field or has one too many.")
    return Member.from_dict(value)
