"""Other members of a running co-op, for whom a store vouches, and who witness the coordinator's log."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from highstreet.audit.vouches import sign_vouch
from highstreet.client.home import StoreHome
from highstreet.client.identity import load_identity
from highstreet.client.join import join_coop
from highstreet.client.log_exchange import LogExchange
from highstreet.client.membership import is_joined, load_membership, member_caller
from highstreet.client.release_fetch import fetch_release
from highstreet.client.releases import Release
from highstreet.client.store_log import StoreLog
from highstreet.client.vouch_desk import VouchDesk
from highstreet.client.vouches import add_vouches
from tests.conftest import LIMITS

_ANY_SIZE = 8 << 20


def others(coop: Any, folder: Path, count: int = 2) -> list[StoreHome]:
    """So many members more, each in a folder of its own; the same ones when asked again."""
    homes = [StoreHome(folder / f"witness-{number}").ensure() for number in range(count)]
    for number, home in enumerate(homes):
        if not is_joined(home):
            limits = replace(LIMITS, max_state_bytes=_ANY_SIZE)
            join_coop(home, coop.invite(f"Witness {number}"), limits, now=datetime.now(UTC))
    return homes


def vouch_for_all(store: StoreHome) -> None:
    """Let a store vouch for every other member, as after comparing codes with each."""
    key, me = load_identity(store).signing, load_membership(store).member_id
    with member_caller(store) as caller:
        desk = VouchDesk(store, caller)
        roster, _ = desk.refresh()
        listed = [member for member in roster.members if member.member_id != me]
        add_vouches(store, roster, [sign_vouch(roster.coop_id, me, each, key) for each in listed])


def cosign(*stores: StoreHome) -> None:
    """Let each store exchange cosignatures with the coordinator once."""
    for store in stores:
        with member_caller(store) as caller:
            LogExchange(store, StoreLog(store), caller).exchange()


def fetch(store: StoreHome, *, max_state_bytes: int = _ANY_SIZE) -> Release | None:
    """Let a store ask for a release, alone."""
    with member_caller(store) as caller:
        return fetch_release(store, StoreLog(store), caller, max_state_bytes=max_state_bytes)


def fetch_witnessed(coop: Any, store: StoreHome, *, max_state_bytes: int = _ANY_SIZE) -> Release | None:
    """Let a store ask for a release that as many others have seen as the charter's floor takes."""
    with_it = others(coop, store.root.parent, coop.home.charter().rounds.cohort_floor - 1)
    vouch_for_all(store)
    cosign(*with_it)
    return fetch(store, max_state_bytes=max_state_bytes)
