"""Joining a co-op with one code: keys made here, the coordinator pinned, the charter checked first.

The order is what makes it safe to be interrupted. Nothing is sent before the coordinator's authority
matches the code. The charter is read and held against the store's own limits before the code is used. The
keys are on disk before they are certified, and the same code with the same keys gets the same answer, so
that a join can be repeated until its last file is written.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from highstreet.audit.charter import Charter
from highstreet.audit.charter_format import from_document
from highstreet.audit.errors import RosterError, UnreadableDocumentError
from highstreet.audit.invite import Invite
from highstreet.audit.limits import StoreLimits, refuse_over_limits
from highstreet.audit.roster import is_member_id, read_roster
from highstreet.audit.signing import (
    SignatureKind,
    SignedDocument,
    join_statement,
    sign,
)
from highstreet.audit.sums import refuse_impossible_sums
from highstreet.client.coop_calls import FORMAT_VERSION, CoopCaller, document_from_wire
from highstreet.client.coop_tls import fetch_pinned_authority
from highstreet.client.errors import AlreadyJoinedError, UntrustedCoordinatorError
from highstreet.client.home import StoreHome
from highstreet.client.identity import Identity, load_or_make_identity
from highstreet.client.membership import (
    JoinPapers,
    Membership,
    is_address,
    is_joined,
    load_membership,
    save_membership,
)
from highstreet.protos import coop_pb2

__all__ = ["Joined", "join_coop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """What joining came to: the membership, and the charter that was agreed to."""

    membership: Membership
    charter: Charter


def join_coop(home: StoreHome, code: str, limits: StoreLimits, *, now: datetime.datetime) -> Joined:
    """Join the co-op a code was made for; repeat it after an interruption with the same code.

    Raises:
        InvalidInviteError: the code is mistyped or of another version. Nothing was sent.
        AlreadyJoinedError: this store is in a co-op.
        CoopUnreachableError: nobody answers there.
        UntrustedCoordinatorError: who answers is not who made the code. Nothing was sent.
        CharterExceedsLimitsError: the charter asks for more than this store allows. The code was not used.
        CharterError: the sums it asks for cannot be held. The code was not used.
        CoopRefusedError: the coordinator said no: used, expired, unknown, another version.
        FileAccessError: the disk is full or not writable; repeat it when there is room.
    """
    invite = Invite.from_code(code)
    _refuse_second(home)
    authority = fetch_pinned_authority(invite.host, invite.port, invite.ca_sha256, now=now)
    with CoopCaller(invite.address, authority) as caller:
        hello = caller.agree_on_version()
        offered = document_from_wire(
            caller.call(lambda stub, timeout: stub.GetCharter(coop_pb2.CharterRequest(), timeout=timeout))
        )
        charter = from_document(offered.document)
        refuse_over_limits(charter, limits)
        refuse_impossible_sums(charter)
        identity = load_or_make_identity(home.ensure())
        request = _join_request(invite, identity, offered.sha256())
        reply = caller.call(lambda stub, timeout: stub.Join(request, timeout=timeout))
    papers = _checked_papers(reply, invite, identity, authority, offered)
    membership = Membership(
        member_id=reply.member_id,
        coop_id=charter.coop.id,
        coop_name=charter.coop.name,
        coordinator_public_key=reply.coordinator_public_key.hex(),
        charter_sha256=offered.sha256().hex(),
        member_address=reply.member_address,
        superlink_address=reply.superlink_address,
        joined_at=int(now.timestamp()),
    )
    if hello.coop_id != charter.coop.id:
        raise _odd("names two different co-ops")
    save_membership(home, membership, papers)
    return Joined(membership=membership, charter=charter)


def _refuse_second(home: StoreHome) -> None:
    if is_joined(home):
        raise AlreadyJoinedError(
            f"This store is a member of {load_membership(home).coop_name} already.",
            next_step="See `highstreet store status`. To change to another co-op, leave this one first: "
            "`highstreet store leave`. The privacy budget is kept with this folder.",
        )


def _join_request(invite: Invite, identity: Identity, charter_sha256: bytes) -> coop_pb2.JoinRequest:
    """Build the request and sign it with the store's own key, the charter it agrees to included."""
    request = coop_pb2.JoinRequest(
        format_version=FORMAT_VERSION,
        invite_id=invite.invite_id,
        invite_secret=invite.secret,
        certificate_request_der=identity.certificate_request(),
        signing_public_key=identity.signing_public_key,
        node_public_key=identity.node_public_key,
        accepted_charter_sha256=charter_sha256,
        encryption_public_key=identity.encryption_public_key,
    )
    statement = join_statement(
        FORMAT_VERSION.to_bytes(4, "big"),
        request.invite_id.encode(),
        request.invite_secret,
        request.certificate_request_der,
        request.signing_public_key,
        request.node_public_key,
        request.accepted_charter_sha256,
        request.encryption_public_key,
    )
    request.possession_signature = sign(SignatureKind.JOIN, statement, identity.signing)
    return request


def _checked_papers(
    reply: coop_pb2.JoinReply,
    invite: Invite,
    identity: Identity,
    authority: bytes,
    offered: SignedDocument,
) -> JoinPapers:
    """Return what came with the reply once all of it fits the code, the keys and the charter agreed to."""
    key = reply.coordinator_public_key
    if not invite.names_key(key):
        raise _odd("brings another signing key than the invitation names")
    charter, roster = document_from_wire(reply.charter), document_from_wire(reply.roster)
    if charter.document != offered.document:
        raise _odd("brings another charter than the one that was agreed to")
    charter.verify(SignatureKind.CHARTER, key)
    roster.verify(SignatureKind.ROSTER, key)
    if not is_member_id(reply.member_id):
        raise _odd("brings a member id that is none")
    if not _is_on(roster, reply.member_id, identity):
        raise _odd("brings a roster without this store")
    if not _is_ours(reply.client_certificate_pem, authority, identity):
        raise _odd("brings a certificate that is not for this store's key")
    if not (is_address(reply.member_address) and is_address(reply.superlink_address)):
        raise _odd("brings an address that is none")
    return JoinPapers(
        ca_pem=authority,
        client_certificate_pem=reply.client_certificate_pem,
        charter=charter,
        roster=roster,
    )


def _is_on(signed: SignedDocument, member_id: str, identity: Identity) -> bool:
    try:
        entry = read_roster(signed.document).member(member_id)
    except (RosterError, UnreadableDocumentError) as error:
        raise _odd("brings a roster that cannot be used") from error
    return entry is not None and identity.is_named_by(entry)


def _is_ours(certificate_pem: bytes, authority_pem: bytes, identity: Identity) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem)
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority_pem))
    except (ValueError, TypeError, InvalidSignature):
        return False
    return certificate.public_key() == identity.tls.public_key()


def _odd(reason: str) -> UntrustedCoordinatorError:
    return UntrustedCoordinatorError(
        f"The coordinator's answer {reason}; this store did not join.",
        next_step="Tell the coordinator. Nothing about customers was sent.",
    )
