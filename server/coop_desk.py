"""The co-op's desk: what its two services share, and what both say and do in the same words."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import structlog

from highstreet import __version__
from highstreet.audit.canonical import canonical_json
from highstreet.audit.roster import Roster, read_roster
from highstreet.audit.signing import SignatureKind, SignedDocument
from highstreet.protos import coop_pb2
from highstreet.server.coop_log import CoopLog
from highstreet.server.database import connect
from highstreet.server.departures import release_nodes
from highstreet.server.errors import ServerError
from highstreet.server.home import CoopHome
from highstreet.server.membership import Member, leave, roster

__all__ = ["FORMAT_VERSION", "CoopDesk", "end_membership", "hello", "to_wire"]

FORMAT_VERSION = 2
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoopDesk:
    """What the two services need.

    Attributes:
        home: the co-op's folder. register_node: makes a Flower node's public key (OpenSSH form) known to
        the SuperLink and returns the node's
            id; the same key again returns the same id.
        unregister_node: the reverse, by node id.
        now: unix seconds.
        log: the coordinator's, open as long as the services run.
    """

    home: CoopHome
    register_node: Callable[[bytes], int]
    unregister_node: Callable[[int], None]
    now: Callable[[], int]
    log: CoopLog

    def signed_roster(self, connection: sqlite3.Connection) -> SignedDocument:
        """Sign who is in now."""
        value = roster(connection, self.home.charter().coop.id)
        return SignedDocument.create(SignatureKind.ROSTER, value, self.home.coordinator_key())

    def read_roster(self, connection: sqlite3.Connection) -> Roster:
        """Return who is in now, as a store would read it."""
        return read_roster(canonical_json(roster(connection, self.home.charter().coop.id)))


def end_membership(desk: CoopDesk, member_id: str) -> Member:
    """End a membership: first in the member table, which every call asks, then at the SuperLink.

    Raises:
        MembershipError: not a member.
    """
    with closing(connect(desk.home.database)) as connection:
        member = leave(connection, member_id, now=desk.now())
        try:
            release_nodes(connection, desk.unregister_node)
        except (ServerError, OSError) as error:
            # The supervisor tries again. Its signed replies are refused anyway, as those of a stranger.
            _log.warning("node not unregistered yet", member_id=member_id, reason=type(error).__name__)
    return member


def hello(desk: CoopDesk, request: coop_pb2.HelloRequest) -> coop_pb2.HelloReply:
    """Say which format version to use, and which co-op this is."""
    coop = desk.home.charter().coop
    version = FORMAT_VERSION if FORMAT_VERSION in request.format_versions[:64] else 0
    return coop_pb2.HelloReply(
        format_version=version, software_version=__version__, coop_id=coop.id, coop_name=coop.name
    )


def to_wire(signed: SignedDocument) -> coop_pb2.SignedDocument:
    """Return a signed document as it travels."""
    return coop_pb2.SignedDocument(
        kind=signed.kind.value, document=signed.document, signature=signed.signature
    )
