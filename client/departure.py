"""Leaving a co-op: the coordinator ends the membership, the shop keeps its data and puts the papers away."""

from __future__ import annotations

import re
import secrets
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from highstreet.client.errors import NotAMemberError
from highstreet.client.home import StoreHome
from highstreet.client.matching_state import MatchingState
from highstreet.client.membership import Membership, load_membership, member_caller
from highstreet.files import (
    access_error,
    make_private_folder,
    read_limited,
    remove_leftovers,
    sync_folder,
    write_private,
)
from highstreet.processes import run_lock
from highstreet.protos import coop_pb2

__all__ = ["Departure", "leave_coop"]

_FOLDER = re.compile(r"[0-9]{8}-[0-9a-f]{8}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """A membership that has ended.

    Attributes:
        membership: as it was.
        papers: where its charter, roster, certificates and releases lie now.
    """

    membership: Membership
    papers: Path


def leave_coop(home: StoreHome, *, alone: bool = False) -> Departure:
    """End the membership and put its papers away; customers' data and the ledger stay where they are.

    The keys are deleted: they open nothing any more, and a store that joins again makes new ones. A crash in
    between is made good by doing it again.

    Args:
        home: the store's folder.
        alone: leave although the coordinator is not asked; they go on counting this store as a member.

    Raises:
        NotJoinedError: the store is in no co-op.
        AlreadyRunningError: `highstreet store run` is running.
        CoopUnreachableError: the coordinator does not answer; nothing was changed.
        MatchingStateError: the file of matchings is damaged.
        FileAccessError: a folder could not be moved.
    """
    load_membership(home)  # a store in no co-op is told so, and nothing is made in its folder
    with run_lock(home.lock, what="This store"):
        membership = load_membership(home)  # another command may have left meanwhile
        note = home.leaving
        if not alone and not note.exists():
            _tell(home)
        try:
            papers = home.former / _folder_name(note)
            make_private_folder(home.former)
            make_private_folder(papers)
            _end_matchings(home)
            _move(home.releases, papers / "releases")
            shutil.rmtree(home.keys, ignore_errors=True)
            _move(home.coop, papers / "coop")  # last: until here the store counts as joined
            sync_folder(papers)  # first where they are now: they must be in one place after a power cut
            sync_folder(home.root)
        except OSError as error:
            raise access_error(home.root, error) from error
    return Departure(membership=membership, papers=papers)


def _folder_name(note: Path) -> str:
    """Return the name this departure's papers go under, drawn here, the same one when it is done again.

    Its being written down says that the co-op was told, or is not to be.
    """
    if note.exists():
        kept = read_limited(note, limit_bytes=256).decode("ascii", errors="replace")
        if _FOLDER.fullmatch(kept):
            return kept
    name = f"{datetime.now(UTC):%Y%m%d}-{secrets.token_hex(4)}"
    write_private(note, name.encode())
    return name


def _tell(home: StoreHome) -> None:
    """Ask the coordinator to end the membership; one that has ended already is as good."""
    with member_caller(home, to_leave=True) as caller:
        try:
            caller.call(lambda stub, timeout: stub.Leave(coop_pb2.LeaveRequest(), timeout=timeout))
        except NotAMemberError:
            return


def _end_matchings(home: StoreHome) -> None:
    """Destroy the secrets of matchings and forget the counts; that there were matchings stays known."""
    if home.matching.exists():
        # Without a vault nothing of a matching is read, and all of it can be destroyed.
        with MatchingState.open(home.matching, vault_id="") as state:
            for request_sha256 in state.under_way():
                state.destroy(request_sha256)
    home.person_counts.unlink(missing_ok=True)
    remove_leftovers(home.coop, home.person_counts.name)


def _move(place: Path, target: Path) -> None:
    if place.exists():
        place.rename(target)
