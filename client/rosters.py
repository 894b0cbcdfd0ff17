"""Which rosters a store knows: those signed by its coordinator that name this store, newest kept on disk."""

from __future__ import annotations

import logging
from collections.abc import Callable

from highstreet.audit.canonical import read_canonical
from highstreet.audit.errors import AuditError
from highstreet.audit.signing import DOCUMENT_LIMIT_BYTES, SignatureKind, SignedDocument
from highstreet.client.coop_calls import document_from_wire
from highstreet.client.errors import ClientError
from highstreet.client.home import StoreHome
from highstreet.client.membership import Membership, member_caller, read_signed
from highstreet.files import write_private
from highstreet.protos import coop_pb2

__all__ = ["Rosters", "fetch_roster"]

_LOG = logging.getLogger("highstreet.rounds")


class Rosters:
    """The roster on disk, those seen since, and a way to ask for the newest.

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
        self._fetch = fetch or (lambda: fetch_roster(home))
        held = read_signed(home, "roster.json")
        self._number = self._checked_number(held)
        self._known = {held.sha256()}

    def knows(self, sha256: bytes) -> bool:
        """Whether a hash names a roster known here, the coordinator's newest asked for when it is not."""
        if sha256 not in self._known:
            try:
                self._take(self._fetch())
            except (ClientError, AuditError) as error:
                _LOG.warning("no newer roster: %s", error.what)
        return sha256 in self._known

    def _take(self, roster: SignedDocument) -> None:
        number = self._checked_number(roster)
        if number > self._number:
            write_private(self._home.coop / "roster.json", roster.to_file_bytes())
            self._number = number
            self._known.add(roster.sha256())

    def _checked_number(self, roster: SignedDocument) -> int:
        """Return the roster's number when it is signed, of this co-op and names this store; else -1."""
        roster.verify(SignatureKind.ROSTER, self._membership.coordinator_key)
        content = read_canonical(roster.document, limit_bytes=DOCUMENT_LIMIT_BYTES)
        members, number = content.get("members"), content.get("number")
        named = isinstance(members, list) and any(
            isinstance(member, dict) and member.get("member_id") == self._membership.member_id
            for member in members
        )
        is_ours = content.get("coop_id") == self._membership.coop_id and named
        return number if is_ours and isinstance(number, int) else -1


def fetch_roster(home: StoreHome) -> SignedDocument:
    """Ask the coordinator for the roster as of now.

    Raises:
        CoopUnreachableError, CoopRefusedError: no answer, or a refusal.
    """
    with member_caller(home) as caller:
        return document_from_wire(
            caller.call(lambda stub, timeout: stub.GetRoster(coop_pb2.RosterRequest(), timeout=timeout))
        )
