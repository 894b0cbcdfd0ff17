"""The vouches this store knows, and the members that count for it.

A vouch is kept once its signature was seen to hold, so a coordinator that later withholds it changes nothing
here. The store's own are written here first and handed to the coordinator afterwards, again if it lost them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from highstreet.audit.roster import Edge, Member, Roster, trusted_members
from highstreet.audit.vouches import Vouch, holds, verified_edges
from highstreet.client.errors import RosterRefusedError, StoreConfigError
from highstreet.client.home import StoreHome
from highstreet.client.locking import held
from highstreet.client.membership import load_charter, load_membership
from highstreet.client.pinned_members import pin, pinned_members
from highstreet.client.rosters import known_roster, newest_roster
from highstreet.files import read_limited, write_private

__all__ = ["add_vouches", "counted_members", "counted_on", "known_vouches"]

_LIMIT_BYTES = 32 << 20
_VOUCHES_LIMIT = 100_000


def counted_members(home: StoreHome, roster_sha256: bytes | None = None) -> list[Member]:
    """Return the members of an accepted roster that count for this store, in the roster's order.

    Those for whom more than the charter's `colluders` members vouch, starting from this store and those it
    compared a code with itself (`audit.roster.trusted_members`). For one roster the list only ever grows.

    Args:
        home: the store's folder.
        roster_sha256: of the roster's document; None: the newest accepted.

    Raises:
        RosterRefusedError: no roster of that hash was accepted here.
        NotJoinedError: the store is in no co-op.
    """
    membership = load_membership(home)
    if roster_sha256 is None:
        roster = newest_roster(home, membership)
    else:
        known = known_roster(home, membership, roster_sha256)
        if known is None:
            raise RosterRefusedError(
                "This store has accepted no such roster.", next_step="Try again when it has fetched it."
            )
        roster = known
    return counted_on(home, roster, verified_edges(roster, known_vouches(home)))


def counted_on(home: StoreHome, roster: Roster, edges: frozenset[Edge]) -> list[Member]:
    """Return who counts on a roster, given the edges that hold on it; who is pinned, only as it was then."""
    counted = trusted_members(
        (member.member_id for member in roster.members),
        edges,
        me=load_membership(home).member_id,
        colluders=load_charter(home).rounds.colluders,
    )
    pinned = pinned_members(home)
    return [
        member
        for member in roster.members
        if member.member_id in counted and pinned.get(member.member_id, member) == member
    ]


def known_vouches(home: StoreHome) -> list[Vouch]:
    """Return the vouches kept here, in the order they came.

    Raises:
        StoreConfigError: the file is damaged.
    """
    path = home.coop / "vouches.json"
    if not path.exists():
        return []
    try:
        return [
            Vouch(voucher_id=str(voucher), subject_id=str(subject), signature=bytes.fromhex(signature))
            for voucher, subject, signature in json.loads(read_limited(path, limit_bytes=_LIMIT_BYTES))
        ]
    except (ValueError, TypeError) as error:
        raise StoreConfigError(
            f"{path} is damaged.", next_step="Remove it: other shops' vouches are fetched again."
        ) from error


def add_vouches(home: StoreHome, roster: Roster, vouches: Iterable[Vouch]) -> frozenset[Edge]:
    """Keep the vouches that hold on a roster, pin the members that count now, return all edges that hold."""
    with held(home.coop / "vouches.lock"):
        known = {
            (vouch.voucher_id, vouch.subject_id, vouch.signature): vouch for vouch in known_vouches(home)
        }
        fresh = {(each.voucher_id, each.subject_id, each.signature): each for each in vouches}
        taken = {key: each for key, each in fresh.items() if key not in known and holds(roster, each)}
        if taken:
            _write(home, roster, [*known.values(), *taken.values()])
        edges = verified_edges(roster, [*known.values(), *taken.values()])
        pin(home, counted_on(home, roster, edges))
    return edges


def _write(home: StoreHome, roster: Roster, vouches: list[Vouch]) -> None:
    if len(vouches) > _VOUCHES_LIMIT:
        vouches = [vouch for vouch in vouches if holds(roster, vouch)]
    plain = [[vouch.voucher_id, vouch.subject_id, vouch.signature.hex()] for vouch in vouches]
    write_private(home.coop / "vouches.json", json.dumps(plain, separators=(",", ":")).encode())
