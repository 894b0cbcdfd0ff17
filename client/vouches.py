"""The vouches this store knows, and the members that count for it.

A vouch is kept once its signature was seen to hold, so a coordinator that later withholds it changes nothing
here. The store's own are written here first and handed to the coordinator afterwards, again if it lost them.
A vouch that was taken back counts no more, and an id that is struck out (`client.struck_out`) neither counts
nor has a say.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from highstreet.audit.roster import Edge, Member, Roster, trusted_members
from highstreet.audit.strikes import struck_for
from highstreet.audit.vouches import Replacement, Vouch, holds, verified_replacements
from highstreet.audit.withdrawals import Withdrawal, standing_edges
from highstreet.client.errors import RosterRefusedError, StoreConfigError
from highstreet.client.home import StoreHome
from highstreet.client.locking import held
from highstreet.client.membership import load_charter, load_membership
from highstreet.client.pinned_members import pin, pinned_members
from highstreet.client.rosters import known_roster, newest_roster
from highstreet.client.struck_out import note_replaced, read_tombstones
from highstreet.client.withdrawals import add_withdrawals, known_withdrawals
from highstreet.files import read_limited, write_private

__all__ = [
    "add_vouches",
    "counted_members",
    "counted_on",
    "edges_on",
    "known_vouches",
    "replacements_on",
    "struck_on",
]

_LIMIT_BYTES = 32 << 20
_VOUCHES_LIMIT = 100_000


def counted_members(
    home: StoreHome, roster_sha256: bytes | None = None, *, opened_at: int | None = None
) -> list[Member]:
    """Return the members of an accepted roster that count for this store, in the roster's order.

    Those for whom more than the charter's `colluders` members vouch, starting from this store and those it
    compared a code with itself (`audit.roster.trusted_members`), among those that are not struck out. For one
    roster the list grows with vouches; only withdrawals and strikes take somebody off it, for good.

    Args:
        home: the store's folder.
        roster_sha256: of the roster's document; None: the newest accepted.
        opened_at: when the round that asks was opened, unix seconds; None: no round.

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
    return counted_on(home, roster, edges_on(home, roster), opened_at=opened_at)


def edges_on(home: StoreHome, roster: Roster) -> frozenset[Edge]:
    """Return the vouches kept here that hold on a roster and were not taken back, as (voucher, subject)."""
    return standing_edges(roster, known_vouches(home), known_withdrawals(home))


def counted_on(
    home: StoreHome, roster: Roster, edges: frozenset[Edge], *, opened_at: int | None = None
) -> list[Member]:
    """Return who counts on a roster, given the edges that stand on it; who is pinned, only as it was then."""
    struck = struck_on(home, roster, edges, opened_at=opened_at)
    counted = trusted_members(
        (member.member_id for member in roster.members if member.member_id not in struck),
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


def struck_on(
    home: StoreHome, roster: Roster, edges: frozenset[Edge], *, opened_at: int | None = None
) -> frozenset[str]:
    """Return the ids that do not count on a roster, whoever vouches for them; never this store's own.

    Args:
        home: the store's folder.
        roster: an accepted one.
        edges: the vouches that stand on it.
        opened_at: when the round that asks was opened, unix seconds; None: no round.
    """
    me = load_membership(home).member_id
    said = replacements_on(home, roster, edges)
    struck = struck_for(
        me,
        frozenset(member.member_id for member in roster.members),
        said,
        speakers={each.voucher_id for each in said},
        withdrawn={(each.voucher_id, each.subject_id) for each in known_withdrawals(home)},
    )
    return (struck | read_tombstones(home).struck(roster, opened_at=opened_at)) - {me}


def replacements_on(home: StoreHome, roster: Roster, edges: frozenset[Edge]) -> frozenset[Replacement]:
    """Return what is said on a roster of former ids by members whose word is taken on it.

    These are who counted here once, and who counts while nobody is struck out. That those who are struck out
    have a say too makes the strikes independent of the order they come in.
    """
    counting = trusted_members(
        (member.member_id for member in roster.members),
        edges,
        me=load_membership(home).member_id,
        colluders=load_charter(home).rounds.colluders,
    )
    speakers = counting.union(pinned_members(home))
    said = verified_replacements(roster, known_vouches(home))
    return frozenset(each for each in said if each.voucher_id in speakers)


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
            Vouch(
                voucher_id=str(voucher),
                subject_id=str(subject),
                signature=bytes.fromhex(signature),
                replaces=tuple(map(str, former)),
            )
            for voucher, subject, signature, *former in json.loads(
                read_limited(path, limit_bytes=_LIMIT_BYTES)
            )
        ]
    except (ValueError, TypeError) as error:
        raise StoreConfigError(
            f"{path} is damaged.", next_step="Remove it: other shops' vouches are fetched again."
        ) from error


def add_vouches(
    home: StoreHome, roster: Roster, vouches: Iterable[Vouch], withdrawals: Iterable[Withdrawal] = ()
) -> frozenset[Edge]:
    """Keep what holds on a roster, strike out who was replaced, pin the members that count now.

    Returns:
        All edges that stand on the roster.
    """
    with held(home.coop / "vouches.lock"):
        add_withdrawals(home, roster, withdrawals)
        known = {
            (vouch.voucher_id, vouch.subject_id, vouch.signature): vouch for vouch in known_vouches(home)
        }
        fresh = {(each.voucher_id, each.subject_id, each.signature): each for each in vouches}
        taken = {key: each for key, each in fresh.items() if key not in known and holds(roster, each)}
        if taken:
            _write(home, roster, [*known.values(), *taken.values()])
        edges = edges_on(home, roster)
        note_replaced(home, {each.former_id for each in replacements_on(home, roster, edges)})
        pin(home, counted_on(home, roster, edges))
    return edges


def _write(home: StoreHome, roster: Roster, vouches: list[Vouch]) -> None:
    if len(vouches) > _VOUCHES_LIMIT:
        vouches = [vouch for vouch in vouches if holds(roster, vouch)]
    plain = [
        [vouch.voucher_id, vouch.subject_id, vouch.signature.hex(), *vouch.replaces] for vouch in vouches
    ]
    write_private(home.coop / "vouches.json", json.dumps(plain, separators=(",", ":")).encode())
