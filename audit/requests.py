"""Round messages as both sides see them: what a request announces, the seals on request and reply."""

from __future__ import annotations

import hashlib
import re

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.message import DecodeError

from highstreet.audit.attestation import AttestedKind, AttestedRound
from highstreet.audit.charter import Charter, RoundTerms
from highstreet.audit.errors import UnreadableDocumentError
from highstreet.audit.signing import SignatureKind, SignedDocument, sign, verify
from highstreet.audit.weights import rounding_shops
from highstreet.models.plan import PhasePlan
from highstreet.privacy.shared_noise import DistributedMechanism
from highstreet.protos.rounds_pb2 import ReleaseSpec, RoundReply, RoundRequest, SignedReply, SignedRequest

__all__ = [
    "FORMAT_VERSION",
    "MAX_PARTICIPANTS",
    "MECHANISM",
    "MESSAGE_LIMIT_BYTES",
    "attestation_in",
    "attested_round",
    "mechanism_of",
    "mechanism_under",
    "open_reply",
    "open_request",
    "refuse_odd_sizes",
    "release_spec",
    "request_sha256",
    "seal_reply",
    "sign_request",
]

FORMAT_VERSION = 1
MESSAGE_LIMIT_BYTES = 64 << 20
MECHANISM = "distributed-discrete-gaussian"
_PHASE = re.compile(r"[a-z0-9_]{1,64}")
#: As `coop train` and `coop init` make them.
_PROGRAMME_ID = re.compile(r"[0-9a-f]{16}")
_COOP_ID = re.compile(r"[0-9a-f]{32}")
_MEMBER_ID = re.compile(r"[0-9a-f]{16}")
_HASH_BYTES = 32
#: Of one round.
MAX_PARTICIPANTS = 1024


def mechanism_of(phase: PhasePlan, charter: Charter, *, participants: int) -> DistributedMechanism:
    """Return the mechanism of a phase: the coordinator and every store derive the same one.

    Args:
        phase: of the charter's plan.
        charter: says the floor, the colluders, how many customers a store may have, and in how many shops'
            rounding its privacy unit takes part.
        participants: stores that may contribute to the sum.

    Raises:
        InvalidReleaseError: the phase has no noise, or so many stores' sums have no room in one.
    """
    return mechanism_under(
        phase,
        charter.rounds,
        participants=participants,
        clients_per_store=charter.plan.clients_per_store,
        shops_per_person=rounding_shops(charter.privacy),
    )


def mechanism_under(
    phase: PhasePlan,
    terms: RoundTerms,
    *,
    participants: int,
    clients_per_store: int,
    shops_per_person: int = 1,
) -> DistributedMechanism:
    """Return what `mechanism_of` does, for a co-op without a charter: the lab's.

    `shops_per_person` above 1 is for weighted contributions only: each of these shops rounds for itself.

    Raises:
        InvalidReleaseError: see `mechanism_of`.
    """
    return DistributedMechanism(
        dimension=phase.dimension,
        clipping_norm=phase.clipping_norm,
        noise_multiplier=phase.noise_multiplier,
        floor=terms.cohort_floor,
        colluders=terms.colluders,
        stores=participants,
        clients_per_store=clients_per_store,
        shops_per_person=min(shops_per_person, participants),
    )


def release_spec(phase: PhasePlan, charter: Charter, *, participants: int) -> ReleaseSpec:
    """Describe the release of a phase as it is announced, before anything is spent."""
    mechanism, terms = mechanism_of(phase, charter, participants=participants), charter.privacy
    return ReleaseSpec(
        mechanism=MECHANISM,
        clipping_norm=phase.clipping_norm,
        noise_multiplier=phase.noise_multiplier,
        sampling_rate=phase.sampling_rate,
        privacy_unit=terms.privacy_unit.value,
        neighbouring=terms.neighbouring.value,
        dimension=phase.dimension,
        grid_step=mechanism.grid_step,
        share_log2_stddev=mechanism.share_log2_stddev,
        colluders=charter.rounds.colluders,
        weighting=terms.weighting.value,
        shops_per_person=terms.shops_per_person,
    )


def request_sha256(signed_request: SignedRequest) -> bytes:
    """Return the hash that names a request, everywhere."""
    return hashlib.sha256(signed_request.request).digest()


def sign_request(request: RoundRequest, key: Ed25519PrivateKey) -> SignedRequest:
    """Return a request as deterministic bytes with the coordinator's signature."""
    content = request.SerializeToString(deterministic=True)
    return SignedRequest(request=content, signature=sign(SignatureKind.REQUEST, content, key))


def open_request(signed_request: SignedRequest, *, coordinator_public_key: bytes) -> RoundRequest:
    """Return the request inside when the coordinator signed it; its fields are still to be checked.

    Raises:
        SignatureMismatchError: somebody else signed it, or nobody.
        UnreadableDocumentError: it cannot be parsed.
    """
    verify(SignatureKind.REQUEST, signed_request.request, signed_request.signature, coordinator_public_key)
    try:
        return RoundRequest.FromString(signed_request.request)
    except DecodeError as error:
        raise UnreadableDocumentError("A round request cannot be read.") from error


def refuse_odd_sizes(request: RoundRequest) -> None:
    """Return only when every text and hash of a request has the form and size it may have.

    Its texts end up in a log that people read on a terminal.

    Raises:
        UnreadableDocumentError: one has not.
    """
    texts = ((request.coop_id, _COOP_ID), (request.programme_id, _PROGRAMME_ID), (request.phase, _PHASE))
    hashes = (
        request.charter_sha256,
        request.roster_sha256,
        request.schema_sha256,
        request.state_sha256,
    )
    if any(form.fullmatch(text) is None for text, form in texts):
        raise UnreadableDocumentError("A round request holds a name that is not one.")
    tables = (0, _HASH_BYTES)  # none, where no counts are taken
    if any(len(value) != _HASH_BYTES for value in hashes) or len(request.matching_table_sha256) not in tables:
        raise UnreadableDocumentError("A round request holds a hash that is not one.")
    names = list(request.participants)
    if not 1 <= len(names) <= MAX_PARTICIPANTS or names != sorted(set(names)):
        raise UnreadableDocumentError("A round request does not list its participants once, in order.")
    if any(_MEMBER_ID.fullmatch(name) is None for name in names):
        raise UnreadableDocumentError("A round request lists a participant whose id is not one.")


def seal_reply(reply: RoundReply, key: Ed25519PrivateKey) -> bytes:
    """Return a reply as it travels: deterministic bytes and the member's signature."""
    content = reply.SerializeToString(deterministic=True)
    signature = sign(SignatureKind.REPLY, content, key)
    return SignedReply(reply=content, signature=signature).SerializeToString(deterministic=True)


def open_reply(body: bytes, *, member_public_key: bytes) -> RoundReply:
    """Return the reply inside when the member signed it.

    Raises:
        SignatureMismatchError: somebody else signed it, or nobody.
        UnreadableDocumentError: it cannot be parsed, or is too long.
    """
    if len(body) > MESSAGE_LIMIT_BYTES:
        raise UnreadableDocumentError("A reply is longer than allowed.")
    try:
        signed = SignedReply.FromString(body)
        verify(SignatureKind.REPLY, signed.reply, signed.signature, member_public_key)
        return RoundReply.FromString(signed.reply)
    except DecodeError as error:
        raise UnreadableDocumentError("A reply cannot be read.") from error


def attested_round(
    request: RoundRequest, sha256: bytes, *, member_id: str, contribution_sha256: bytes
) -> AttestedRound:
    """Return what a member's attestation of its contribution to a round, or of its table, must be about.

    Args:
        request: of the round.
        sha256: names it.
        member_id: of the contributor.
        contribution_sha256: of the contribution's signed header.
    """
    return AttestedRound(
        kind=AttestedKind.MATCHING_TABLE if request.HasField("table") else AttestedKind.TRAINING,
        coop_id=request.coop_id,
        member_id=member_id,
        programme_id=request.programme_id,
        round=request.round,
        request_sha256=sha256,
        model_sha256=request.state_sha256,
        cohort_floor=request.cohort_floor,
        contribution_sha256=contribution_sha256,
    )


def attestation_in(reply: RoundReply) -> SignedDocument | None:
    """Return the attestation that a reply carries, not checked; None when it carries none."""
    if not reply.HasField("attestation"):
        return None
    carried = reply.attestation
    return SignedDocument(
        kind=SignatureKind.ATTESTATION, document=carried.attestation, signature=carried.signature
    )
