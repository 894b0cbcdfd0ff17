"""Tombstones: ids that never count again at this store, kept here, so that nobody can bring them back.

An id is struck out when a roster that this store accepted names it no more, or when a member that counted
here said, in its vouch for a newcomer, that the id was that shop's before.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from highstreet.audit.roster import Roster, is_member_id
from highstreet.client.errors import StoreConfigError
from highstreet.client.home import StoreHome
from highstreet.client.locking import held
from highstreet.files import read_limited, write_private

__all__ = ["Gone", "Tombstones", "note_gone", "note_replaced", "read_tombstones"]

_LIMIT_BYTES = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """When an id was first missing.

    Attributes:
        number: of the first roster without it.
        at: when this store accepted that roster, unix seconds.
    """

    number: int
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstones:
    """All of a store's tombstones.

    Attributes:
        gone: ids that were on an accepted roster, or counted here, and were not on a newer one.
        replaced: ids that were replaced by a newcomer's.
    """

    gone: Mapping[str, Gone] = field(default_factory=dict)
    replaced: frozenset[str] = frozenset()

    def struck(self, roster: Roster, *, opened_at: int | None = None) -> frozenset[str]:
        """Return the ids that do not count on a roster.

        A round that was opened before its participant left goes on: for it the id still counts, on the
        rosters that name it rightly. A newer roster that names it again never makes it count. Who was
        replaced counts in no round at all.

        Args:
            roster: one that was accepted.
            opened_at: when the round that asks was opened, unix seconds; None: no round, as of now.
        """
        gone = {
            member_id
            for member_id, last in self.gone.items()
            if roster.number >= last.number or opened_at is None or opened_at > last.at
        }
        return self.replaced | gone


def read_tombstones(home: StoreHome) -> Tombstones:
    """Return what is struck out here.

    Raises:
        StoreConfigError: the file is damaged.
    """
    path = _file(home)
    if not path.exists():
        return Tombstones()
    try:
        plain = json.loads(read_limited(path, limit_bytes=_LIMIT_BYTES))
        gone = {str(each): Gone(number=int(number), at=int(at)) for each, number, at in plain["gone"]}
        replaced = frozenset(str(each) for each in plain["replaced"])
        if not all(is_member_id(each) for each in (*gone, *replaced)):
            raise ValueError("member_id")
    except (ValueError, KeyError, TypeError) as error:
        raise StoreConfigError(f"{path} is damaged.", next_step="Restore it from a backup.") from error
    return Tombstones(gone=gone, replaced=replaced)


def note_gone(home: StoreHome, member_ids: Collection[str], *, number: int, now: int) -> None:
    """Strike out ids that a roster of this number names no more; one that was struck out stays as it is."""
    with held(home.coop / "struck_out.lock"):
        before = read_tombstones(home)
        gone = {**{each: Gone(number=number, at=now) for each in member_ids}, **before.gone}
        _write(home, before, replace(before, gone=gone))


def note_replaced(home: StoreHome, member_ids: Iterable[str]) -> None:
    """Strike out ids that a member that counted said were replaced."""
    with held(home.coop / "struck_out.lock"):
        before = read_tombstones(home)
        _write(home, before, replace(before, replaced=before.replaced.union(member_ids)))


def _write(home: StoreHome, before: Tombstones, after: Tombstones) -> None:
    if after == before:
        return
    plain = {
        "gone": [[member_id, last.number, last.at] for member_id, last in after.gone.items()],
        "replaced": sorted(after.replaced),
    }
    write_private(_file(home), json.dumps(plain, separators=(",", ":")).encode())


def _file(home: StoreHome) -> Path:
    return home.coop / "struck_out.json"
