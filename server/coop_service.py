"""The co-op service: joining on one port, everything members ask for on another (protos/coop.proto).

gRPC for Python either demands a client certificate of every connection to a port or of none, so there are
two ports. The join port knows Hello, GetCharter and Join only and has threads of its own: strangers cannot
use up those of members. On the member port TLS itself turns away who has no certificate of this co-op, and
every call looks its holder up in the member table: who left is refused at once, whatever the certificate
says.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import cast

import grpc
import structlog

from highstreet import __version__
from highstreet.audit.canonical import canonical_json
from highstreet.audit.roster import Roster, read_roster
from highstreet.audit.signing import SignatureKind, SignedDocument
from highstreet.audit.vouches import Vouch
from highstreet.audit.withdrawals import Withdrawal
from highstreet.protos import coop_pb2, coop_pb2_grpc
from highstreet.server.application import read_application
from highstreet.server.coop_log import CoopLog
from highstreet.server.database import connect
from highstreet.server.departures import release_nodes
from highstreet.server.errors import JoinRefusedError, MembershipError, ServerError, VouchingRefusedError
from highstreet.server.home import CoopHome
from highstreet.server.log_service import (
    consistency_reply,
    cosign_reply,
    entries_reply,
    inclusion_reply,
    keep_cosignature,
    newest_checkpoint,
    settled,
)
from highstreet.server.membership import Member, claim, complete, leave, member_by_serial, roster
from highstreet.server.pki import Authority, certificate_serial
from highstreet.server.refusals import refusal_name, refuse
from highstreet.server.releases import latest_manifest, manifest_before, release_file
from highstreet.server.throttle import Throttle
from highstreet.server.vouching import (
    current_vouches,
    current_withdrawals,
    letters_for,
    post,
    put_vouch,
    put_withdrawal,
    state,
)

__all__ = ["FORMAT_VERSION", "CoopDesk", "JoinService", "MemberService"]

FORMAT_VERSION = 2
_CHUNK_BYTES = 1 << 20
_log = structlog.get_logger(__name__)

#: Refusals that count as failed attempts: what somebody who guesses would see.
_SUSPICIOUS = {
    coop_pb2.COOP_REFUSAL_INVITE,
    coop_pb2.COOP_REFUSAL_POSSESSION,
    coop_pb2.COOP_REFUSAL_UNREADABLE,
}


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


class JoinService(coop_pb2_grpc.CoopServicer):
    """Hello, GetCharter and Join, for whoever can reach the port; other calls are not implemented here."""

    def __init__(self, desk: CoopDesk, throttle: Throttle) -> None:
        self._desk = desk
        self._throttle = throttle

    def Hello(  # noqa: N802  # the name is the contract's
        self, request: coop_pb2.HelloRequest, context: grpc.ServicerContext
    ) -> coop_pb2.HelloReply:
        """Say which format version to use, and which co-op this is."""
        return _hello(self._desk, request)

    def GetCharter(  # noqa: N802
        self, request: coop_pb2.CharterRequest, context: grpc.ServicerContext
    ) -> coop_pb2.SignedDocument:
        """Give the charter in force, for a store to check before it spends its invitation."""
        return _to_wire(self._desk.home.signed_charter())

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
            charter=_to_wire(home.signed_charter()),
            roster=_to_wire(signed_roster),
            coordinator_public_key=home.coordinator_key().public_key().public_bytes_raw(),
            superlink_address=config.superlink_address,
            member_address=config.member_address,
        )


class MemberService(coop_pb2_grpc.CoopServicer):
    """Charter, roster, vouching, releases, the log and leaving, for current members only."""

    def __init__(self, desk: CoopDesk, letters: Throttle) -> None:
        self._desk = desk
        self._letters = letters

    def Hello(  # noqa: N802
        self, request: coop_pb2.HelloRequest, context: grpc.ServicerContext
    ) -> coop_pb2.HelloReply:
        """Say which format version to use, and which co-op this is."""
        return _hello(self._desk, request)

    def GetCharter(  # noqa: N802
        self, request: coop_pb2.CharterRequest, context: grpc.ServicerContext
    ) -> coop_pb2.SignedDocument:
        """Give the charter in force."""
        self._member(context)
        return _to_wire(self._desk.home.signed_charter())

    def GetRoster(  # noqa: N802
        self, request: coop_pb2.RosterRequest, context: grpc.ServicerContext
    ) -> coop_pb2.RosterReply:
        """Give the roster as of now, the vouches between its members, and what was withdrawn of them."""
        self._member(context)
        with closing(connect(self._desk.home.database)) as connection:
            signed, vouches = self._desk.signed_roster(connection), current_vouches(connection)
            withdrawals = current_withdrawals(connection)
        return coop_pb2.RosterReply(
            roster=_to_wire(signed),
            vouches=[
                coop_pb2.Vouch(
                    voucher_id=each.voucher_id,
                    subject_id=each.subject_id,
                    signature=each.signature,
                    replaces=each.replaces,
                )
                for each in vouches
            ],
            withdrawals=[
                coop_pb2.Withdrawal(
                    voucher_id=each.voucher_id, subject_id=each.subject_id, signature=each.signature
                )
                for each in withdrawals
            ],
        )

    def SendVouching(  # noqa: N802
        self, request: coop_pb2.VouchingMessage, context: grpc.ServicerContext
    ) -> coop_pb2.SendVouchingReply:
        """Keep a message of the caller's store for another's."""
        member = self._member(context)
        self._count_letter(member, context)
        try:
            with closing(connect(self._desk.home.database)) as connection:
                post(connection, request, sender=member.member_id, now=self._desk.now())
        except VouchingRefusedError as error:
            refuse(context, error.refusal)
        return coop_pb2.SendVouchingReply()

    def FetchVouching(  # noqa: N802
        self, request: coop_pb2.FetchVouchingRequest, context: grpc.ServicerContext
    ) -> coop_pb2.FetchVouchingReply:
        """Give the caller what others' stores sent it, and say whether roster or vouches have changed."""
        member = self._member(context)
        with closing(connect(self._desk.home.database)) as connection:
            letters = letters_for(connection, member.member_id, after=request.after, now=self._desk.now())
            numbers = state(connection)
        return coop_pb2.FetchVouchingReply(
            messages=[
                coop_pb2.VouchingMessage(
                    member_id=letter.sender,
                    step=cast("coop_pb2.VouchingStep", letter.step),
                    commitment=letter.commitment,
                    nonce=letter.nonce,
                )
                for letter in letters
            ],
            last=letters[-1].number if letters else request.after,
            roster_number=numbers.roster_number,
            vouch_number=numbers.vouch_number,
        )

    def PutVouch(  # noqa: N802
        self, request: coop_pb2.PutVouchRequest, context: grpc.ServicerContext
    ) -> coop_pb2.PutVouchReply:
        """Keep the caller's vouch for another member."""
        member = self._member(context)
        self._count_letter(member, context)
        vouch = Vouch(
            voucher_id=request.vouch.voucher_id,
            subject_id=request.vouch.subject_id,
            signature=request.vouch.signature,
            replaces=tuple(request.vouch.replaces),
        )
        try:
            with closing(connect(self._desk.home.database)) as connection:
                put_vouch(connection, vouch, self._desk.read_roster(connection), sender=member.member_id)
        except VouchingRefusedError as error:
            refuse(context, error.refusal)
        settled(self._desk.log, context)
        return coop_pb2.PutVouchReply()

    def WithdrawVouch(  # noqa: N802
        self, request: coop_pb2.WithdrawVouchRequest, context: grpc.ServicerContext
    ) -> coop_pb2.WithdrawVouchReply:
        """Keep the caller's withdrawal of its vouch for another member."""
        member = self._member(context)
        self._count_letter(member, context)
        withdrawal = Withdrawal(
            voucher_id=request.withdrawal.voucher_id,
            subject_id=request.withdrawal.subject_id,
            signature=request.withdrawal.signature,
        )
        try:
            with closing(connect(self._desk.home.database)) as connection:
                roster = self._desk.read_roster(connection)
                put_withdrawal(connection, withdrawal, roster, sender=member.member_id)
        except VouchingRefusedError as error:
            refuse(context, error.refusal)
        settled(self._desk.log, context)
        return coop_pb2.WithdrawVouchReply()

    def LatestRelease(  # noqa: N802
        self, request: coop_pb2.LatestReleaseRequest, context: grpc.ServicerContext
    ) -> coop_pb2.ReleaseManifest:
        """Give the newest release's manifest and the one before it; number 0 when there is none."""
        self._member(context)
        with closing(connect(self._desk.home.database)) as connection:
            found = latest_manifest(connection)
            before = None if found is None else manifest_before(connection, found[0])
        if found is None:
            return coop_pb2.ReleaseManifest(number=0)
        return coop_pb2.ReleaseManifest(
            number=found[0],
            manifest=_to_wire(found[1]),
            previous=None if before is None else _to_wire(before),
        )

    def DownloadRelease(  # noqa: N802
        self, request: coop_pb2.DownloadReleaseRequest, context: grpc.ServicerContext
    ) -> Iterator[coop_pb2.ReleaseChunk]:
        """Send one release's file in pieces of at most 1 MiB."""
        self._member(context)
        path = release_file(self._desk.home, request.number)
        if not path.is_file():
            refuse(context, coop_pb2.COOP_REFUSAL_NO_RELEASE)
        with path.open("rb") as file:
            while data := file.read(_CHUNK_BYTES):
                yield coop_pb2.ReleaseChunk(data=data)

    def Leave(  # noqa: N802
        self, request: coop_pb2.LeaveRequest, context: grpc.ServicerContext
    ) -> coop_pb2.LeaveReply:
        """End the caller's membership, at once."""
        member = self._member(context)
        end_membership(self._desk, member.member_id)
        settled(self._desk.log, context)
        return coop_pb2.LeaveReply()

    def GetCheckpoint(  # noqa: N802
        self, request: coop_pb2.CheckpointRequest, context: grpc.ServicerContext
    ) -> coop_pb2.CheckpointReply:
        """Give the newest checkpoint of the coordinator's log."""
        self._member(context)
        return newest_checkpoint(self._desk.log)

    def GetEntries(  # noqa: N802
        self, request: coop_pb2.EntriesRequest, context: grpc.ServicerContext
    ) -> coop_pb2.EntriesReply:
        """Give entries of the coordinator's log."""
        self._member(context)
        return entries_reply(self._desk.log, request)

    def GetInclusionProof(  # noqa: N802
        self, request: coop_pb2.InclusionProofRequest, context: grpc.ServicerContext
    ) -> coop_pb2.ProofReply:
        """Prove that an entry is in the coordinator's log."""
        self._member(context)
        return inclusion_reply(self._desk.log, request, context)

    def GetConsistencyProof(  # noqa: N802
        self, request: coop_pb2.ConsistencyProofRequest, context: grpc.ServicerContext
    ) -> coop_pb2.ProofReply:
        """Prove that the coordinator's log only grew."""
        self._member(context)
        return consistency_reply(self._desk.log, request, context)

    def PutCosignature(  # noqa: N802
        self, request: coop_pb2.PutCosignatureRequest, context: grpc.ServicerContext
    ) -> coop_pb2.PutCosignatureReply:
        """Keep the caller's cosignature of the coordinator's checkpoint."""
        member = self._member(context)
        self._count_letter(member, context)
        return keep_cosignature(self._desk.log, member, request, context)

    def CosignCheckpoint(  # noqa: N802
        self, request: coop_pb2.CosignCheckpointRequest, context: grpc.ServicerContext
    ) -> coop_pb2.CosignCheckpointReply:
        """Witness the caller's log."""
        member = self._member(context)
        self._count_letter(member, context)
        return cosign_reply(self._desk.log, member, request, context)

    def _count_letter(self, member: Member, context: grpc.ServicerContext) -> None:
        if not self._letters.is_open(member.member_id):
            refuse(context, coop_pb2.COOP_REFUSAL_TOO_MANY)
        self._letters.count(member.member_id)

    def _member(self, context: grpc.ServicerContext) -> Member:
        """Return the current member who calls, with all that happened in the log; refuse anybody else."""
        settled(self._desk.log, context)
        held = cast("Mapping[str, list[bytes]]", context.auth_context())
        presented = held.get("x509_pem_cert", [])
        try:
            if len(presented) != 1:
                raise MembershipError("No client certificate was presented.")
            serial = certificate_serial(presented[0])
            with closing(connect(self._desk.home.database)) as connection:
                return member_by_serial(connection, serial)
        except MembershipError:
            refuse(context, coop_pb2.COOP_REFUSAL_NOT_A_MEMBER)


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


def _hello(desk: CoopDesk, request: coop_pb2.HelloRequest) -> coop_pb2.HelloReply:
    coop = desk.home.charter().coop
    version = FORMAT_VERSION if FORMAT_VERSION in request.format_versions[:64] else 0
    return coop_pb2.HelloReply(
        format_version=version, software_version=__version__, coop_id=coop.id, coop_name=coop.name
    )


def _to_wire(signed: SignedDocument) -> coop_pb2.SignedDocument:
    return coop_pb2.SignedDocument(
        kind=signed.kind.value, document=signed.document, signature=signed.signature
    )
