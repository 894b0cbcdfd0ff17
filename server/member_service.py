"""The member service: everything members ask for (protos/coop.proto).

On its port TLS itself turns away who has no certificate of this co-op, and every call looks its holder up in
the member table: who left is refused at once, whatever the certificate says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import cast

import grpc

from highstreet.audit.vouches import Vouch
from highstreet.audit.withdrawals import Withdrawal
from highstreet.protos import coop_pb2, coop_pb2_grpc
from highstreet.server.coop_desk import CoopDesk, end_membership, hello, to_wire
from highstreet.server.database import connect
from highstreet.server.errors import MembershipError, VouchingRefusedError
from highstreet.server.log_service import (
    consistency_reply,
    cosign_reply,
    entries_reply,
    inclusion_reply,
    keep_cosignature,
    newest_checkpoint,
    settled,
)
from highstreet.server.membership import Member, member_by_serial
from highstreet.server.pki import certificate_serial
from highstreet.server.refusals import refuse
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

__all__ = ["MemberService"]

_CHUNK_BYTES = 1 << 20


class MemberService(coop_pb2_grpc.CoopServicer):
    """Charter, roster, vouching, releases, the log and leaving, for current members only."""

    def __init__(self, desk: CoopDesk, letters: Throttle) -> None:
        self._desk = desk
        self._letters = letters

    def Hello(  # noqa: N802
        self, request: coop_pb2.HelloRequest, context: grpc.ServicerContext
    ) -> coop_pb2.HelloReply:
        """Say which format version to use, and which co-op this is."""
        return hello(self._desk, request)

    def GetCharter(  # noqa: N802
        self, request: coop_pb2.CharterRequest, context: grpc.ServicerContext
    ) -> coop_pb2.SignedDocument:
        """Give the charter in force."""
        self._member(context)
        return to_wire(self._desk.home.signed_charter())

    def GetRoster(  # noqa: N802
        self, request: coop_pb2.RosterRequest, context: grpc.ServicerContext
    ) -> coop_pb2.RosterReply:
        """Give the roster as of now, the vouches between its members, and what was withdrawn of them."""
        self._member(context)
        with closing(connect(self._desk.home.database)) as connection:
            signed, vouches = self._desk.signed_roster(connection), current_vouches(connection)
            withdrawals = current_withdrawals(connection)
        return coop_pb2.RosterReply(
            roster=to_wire(signed),
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
            manifest=to_wire(found[1]),
            previous=None if before is None else to_wire(before),
            log_index=self._desk.log.place_of_release(found[0], found[1].sha256().hex()),
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
