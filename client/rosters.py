"""The rosters this store has accepted: its coordinator's, its own keys in them, no pinned key changed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from highstreet.audit.errors import AuditError
from highstreet.audit.roster import Roster, read_roster
from highstreet.audit.signing import SignatureKind, SignedDocument
from highstreet.audit.vouches import Vouch
from highstreet.audit.withdrawals import Withdrawal
from highstreet.client.coop_calls import CoopCaller, document_from_wire
from highstreet.client.errors import ClientError, RosterRefusedError
from highstreet.client.home import StoreHome
from highstreet.client.identity import load_identity
from highstreet.client.locking import held
from highstreet.client.membership import Membership, member_caller, read_signed
from highstreet.client.pinned_members import pinned_members, refuse_changed
from highstreet.client.struck_out import note_gone
from highstreet.files import make_private_folder, read_limited, write_private
from highstreet.protos import coop_pb2

__all__ = ["Rosters", "ServedRoster", "accept_roster", "fetch_roster", "known_roster", "newest_roster"]

_LOG = logging.getLogger("highstreet.rounds")
_LIMIT_BYTES = 4 << 20
#: Older rosters that rounds under way may still name.
_KEPT = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedRoster:
    """What the coordinator serves: a signed roster, vouches and what was taken back; none of it checked."""

    roster: SignedDocument
    vouches: tuple[Vouch, ...] = ()
    withdrawals: tuple[Withdrawal, ...] = ()


class Rosters:
    """The rosters on disk, and a way to ask for the newest.

    Args:
        home: the store's folder.
        membership: this store's.
        fetch: asks the coordinator for the roster as of now.
    """

    def __init__(
        self, home: StoreHome, membership: Membership, fetch: Callable[[], SignedDocument] | None = None
    ) -> None:
        self._home = home
        self._membership = membership
        self._fetch = fetch or (lambda: _fetch_alone(home))
        newest_roster(home, membership)

    def knows(self, sha256: bytes) -> bool:
        """Whether a hash names a roster accepted here, the coordinator's newest asked for when it is not."""
        if known_roster(self._home, self._membership, sha256) is None:
            try:
                accept_roster(self._home, self._membership, self._fetch())
            except (ClientError, AuditError) as error:
                _LOG.warning("no newer roster: %s", error.what)
        return known_roster(self._home, self._membership, sha256) is not None


def accept_roster(home: StoreHome, membership: Membership, signed: SignedDocument) -> Roster:
    """Take a roster that was served, if it may be used, and return the newest this store has.

    An older one than that changes nothing. The one it replaces is kept beside it, for rounds that name it.
    Whom the new one names no more is struck out here for good, before the new one is used.

    Raises:
        SignatureMismatchError, RosterError: it is not the coordinator's, or not a roster.
        RosterRefusedError: it is of another co-op, without this store under its own keys, or another of the
            same number as the newest.
        PinnedKeyChangedError: it changes a key of a member that counted here.
    """
    roster = _checked(home, membership, signed)
    with held(home.coop / "rosters.lock"):
        newest = read_signed(home, "roster.json")
        held_roster = _checked(home, membership, newest)
        if signed.document == newest.document or roster.number < held_roster.number:
            return held_roster
        if roster.number == held_roster.number:
            raise RosterRefusedError(
                f"The coordinator has served two different rosters of one number, {roster.number}.",
                next_step="Compare the output of `highstreet store members` with other shops.",
            )
        refuse_changed(home, roster)
        before = {member.member_id for member in held_roster.members} | set(pinned_members(home))
        gone = before - {member.member_id for member in roster.members}
        note_gone(home, gone, number=roster.number, now=int(time.time()))
        _keep(home, newest)
        write_private(home.coop / "roster.json", signed.to_file_bytes())
    return roster


def newest_roster(home: StoreHome, membership: Membership) -> Roster:
    """Return the newest roster accepted, its signature checked again.

    Raises:
        SignatureMismatchError, RosterError, RosterRefusedError: the file is not what was accepted.
    """
    return _checked(home, membership, read_signed(home, "roster.json"))


def known_roster(home: StoreHome, membership: Membership, sha256: bytes) -> Roster | None:
    """Return the accepted roster with this SHA-256 of its document; None: not one of this store's."""
    places = [home.coop / "roster.json", _kept_file(home, sha256)]
    for path in places:
        if path.exists():
            signed = SignedDocument.from_file_bytes(read_limited(path, limit_bytes=_LIMIT_BYTES))
            if signed.sha256() == sha256:
                return _checked(home, membership, signed)
    return None


def fetch_roster(caller: CoopCaller) -> ServedRoster:
    """Ask the coordinator for the roster as of now, the vouches between its members, and those taken back.

    Raises:
        CoopUnreachableError, CoopRefusedError: no answer, or a refusal.
    """
    reply = caller.call(lambda stub, timeout: stub.GetRoster(coop_pb2.RosterRequest(), timeout=timeout))
    vouches = tuple(
        Vouch(
            voucher_id=each.voucher_id,
            subject_id=each.subject_id,
            signature=each.signature,
            replaces=tuple(each.replaces),
        )
        for each in reply.vouches
    )
    withdrawals = tuple(
        Withdrawal(voucher_id=each.voucher_id, subject_id=each.subject_id, signature=each.signature)
        for each in reply.withdrawals
    )
    return ServedRoster(roster=document_from_wire(reply.roster), vouches=vouches, withdrawals=withdrawals)


def _fetch_alone(home: StoreHome) -> SignedDocument:
    with member_caller(home) as caller:
        return fetch_roster(caller).roster


def _checked(home: StoreHome, membership: Membership, signed: SignedDocument) -> Roster:
    """Return a roster that is signed, of this co-op, and names this store with the keys it holds."""
    signed.verify(SignatureKind.ROSTER, membership.coordinator_key)
    roster = read_roster(signed.document)
    own = roster.member(membership.member_id)
    if roster.coop_id != membership.coop_id:
        raise RosterRefusedError("The roster is of another co-op.", next_step="Ask the coordinator.")
    if own is None or not load_identity(home).is_named_by(own):
        raise RosterRefusedError(
            "The roster does not name this store, or names it under keys that are not its own.",
            next_step="Ask the coordinator; if this folder was restored from a backup, leave with "
            "`highstreet store leave` and join with a new code.",
        )
    return roster


def _keep(home: StoreHome, signed: SignedDocument) -> None:
    folder = home.coop / "rosters"
    make_private_folder(folder)
    write_private(_kept_file(home, signed.sha256()), signed.to_file_bytes())
    kept = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    for path in kept[:-_KEPT]:
        path.unlink(missing_ok=True)


def _kept_file(home: StoreHome, sha256: bytes) -> Path:
    return home.coop / "rosters" / f"{sha256.hex()}.json"
