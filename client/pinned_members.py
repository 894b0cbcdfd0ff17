"""Pinned members: whom this store has counted once keeps the keys it had then, or is not believed."""

from __future__ import annotations

import json
from collections.abc import Iterable

from highstreet.audit.errors import RosterError
from highstreet.audit.roster import Member, Roster
from highstreet.client.errors import PinnedKeyChangedError, StoreConfigError
from highstreet.client.home import StoreHome
from highstreet.files import read_limited, write_private

__all__ = ["pin", "pinned_members", "refuse_changed"]

_LIMIT_BYTES = 4 << 20


def pinned_members(home: StoreHome) -> dict[str, Member]:
    """Return the members counted once, by id, as they were then.

    Raises:
        StoreConfigError: the file is damaged.
    """
    path = home.coop / "pinned_members.json"
    if not path.exists():
        return {}
    try:
        listed = [Member.from_dict(each) for each in json.loads(read_limited(path, limit_bytes=_LIMIT_BYTES))]
    except (ValueError, TypeError, RosterError) as error:
        raise StoreConfigError(f"{path} is damaged.", next_step="Restore it from a backup.") from error
    return {member.member_id: member for member in listed}


def pin(home: StoreHome, members: Iterable[Member]) -> None:
    """Remember members that count; who is pinned stays as it is."""
    before = pinned_members(home)
    after = {**{member.member_id: member for member in members}, **before}
    if after != before:
        data = json.dumps([member.to_dict() for member in after.values()], indent=1, ensure_ascii=False)
        write_private(home.coop / "pinned_members.json", data.encode())


def refuse_changed(home: StoreHome, roster: Roster) -> None:
    """Refuse a roster that names a pinned member otherwise than when it was counted.

    Raises:
        PinnedKeyChangedError: it does; nothing of the roster may be used.
    """
    for member_id, member in pinned_members(home).items():
        entry = roster.member(member_id)
        if entry is not None and entry != member:
            raise PinnedKeyChangedError(
                f"The coordinator's roster names another key, or another name, for {member.name}, whom this "
                "store has counted under the key it had. That roster is refused.",
                next_step=f"Call {member.name} and the coordinator: a shop with new keys joins anew, as a "
                "new member; an old member's keys never change.",
            )
