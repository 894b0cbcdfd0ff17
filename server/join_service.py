"""The join service: Hello, GetCharter and Join for whoever can reach its port (protos/coop.proto).

gRPC for Python either demands a client certificate of every connection to a port or of none, so there are
two ports. This one has threads of its own: strangers cannot use up those of members.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

import grpc
import structlog

from highstreet.protos import coop_pb2, coop_pb2_grpc
from highstreet.server.application import read_application
from highstreet.server.coop_desk import FORMAT_VERSION, CoopDesk, hello, to_wire
from highstreet.server.database import connect
from highstreet.server.errors import JoinRefusedError, ServerError
from highstreet.server.log_service import settled
from highstreet.server.membership import Member, claim, complete
from highstreet.server.pki import Authority
from highstreet.server.refusals import refusal_name, refuse
from highstreet.server.throttle import Throttle

__all__ = ["JoinService"]

_log = structlog.get_logger(__name__)

#: Refusals that count as failed attempts: what somebody who guesses would see.
_SUSPICIOUS = {
    coop_pb2.COOP_REFUSAL_INVITE,
    coop_pb2.COOP_REFUSAL_POSSESSION,
    coop_pb2.COOP_REFUSAL_UNREADABLE,
}


class JoinService(coop_pb2_grpc.CoopServicer):
    """Hello, GetCharter and Join, for whoever can reach the port; other calls are not implemented here."""

    def __init__(self, desk: CoopDesk, throttle: Throttle) -> None:
        self._desk = desk
        self._throttle = throttle

    def Hello(  # noqa: N802  # the name is the contract's
        self, request: coop_pb2.HelloRequest, context: grpc.ServicerContext
    ) -> coop_pb2.HelloReply:
        """Say which format version to use, and which co-op this is."""
        return hello(self._desk, request)

    def GetCharter(  # noqa: N802
        self, request: coop_pb2.CharterRequest, context: grpc.ServicerContext
    ) -> coop_pb2.SignedDocument:
        """Give the charter in force, for a store to check before it spends its invitation."""
        return to_wire(self._desk.home.signed_charter())

    def Join(  # noqa: N802
        self, request: coop_pb2.JoinRequest, context: grpc.ServicerContext
    ) -> coop_pb2.JoinReply:
        """Spend an invitation on the store's keys; the same store asking again gets the same answer."""
        peer = context.peer().rsplit(":", 1)[0]
        if not self._throttle.is_open(peer):
            refuse(context, coop_pb2.COOP_REFUSAL_TOO_MANY)
        try:
            member = self._admit(request)
        except JoinRefusedError as error:
            if error.refusal in _SUSPICIOUS:
                self._throttle.count(peer)
            _log.info("join refused", reason=refusal_name(error.refusal))
            refuse(context, error.refusal)
        except (ServerError, OSError, sqlite3.Error) as error:
            _log.error("join failed", reason=type(error).__name__)
            refuse(context, coop_pb2.COOP_REFUSAL_UNAVAILABLE)
        settled(self._desk.log, context)
        return self._reply(member)

    def _admit(self, request: coop_pb2.JoinRequest) -> Member:
        if request.format_version != FORMAT_VERSION:
            raise JoinRefusedError(coop_pb2.COOP_REFUSAL_VERSION, "Another format version.")
        home = self._desk.home
        application = read_application(request)
        if request.accepted_charter_sha256 != home.charter().sha256():
            raise JoinRefusedError(coop_pb2.COOP_REFUSAL_CHARTER, "Another charter was agreed to.")
        authority = Authority.from_pem(home.ca_certificate.read_bytes(), home.ca_key.read_bytes())
        with closing(connect(home.database)) as connection:
            member = claim(connection, authority, application, now=self._desk.now())
            node_id = self._desk.register_node(member.node_public_key)
            member = complete(connection, member.member_id, node_id=node_id, now=self._desk.now())
        _log.info("store joined", member_id=member.member_id)
        return member

    def _reply(self, member: Member) -> coop_pb2.JoinReply:
        home, config = self._desk.home, self._desk.home.config()
        with closing(connect(home.database)) as connection:
            signed_roster = self._desk.signed_roster(connection)
        return coop_pb2.JoinReply(
            member_id=member.member_id,
            client_certificate_pem=member.certificate_pem,
            ca_certificate_pem=home.ca_certificate.read_bytes(),
            charter=to_wire(home.signed_charter()),
            roster=to_wire(signed_roster),
            coordinator_public_key=home.coordinator_key().public_key().public_bytes_raw(),
            superlink_address=config.superlink_address,
            member_address=config.member_address,
        )
