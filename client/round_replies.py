"""A store's sealed replies to round messages: which request they answer, and what they say to it."""

from __future__ import annotations

from dataclasses import dataclass

from highstreet.audit.requests import FORMAT_VERSION, attestation_in, seal_reply
from highstreet.audit.signing import SignedDocument
from highstreet.privacy.secure_sum import MemberKeys
from highstreet.protos.rounds_pb2 import MatchReply, RefusalCode, RoundReply, SignedAttestation, SignedReply

__all__ = ["ReplySeal", "answered_request", "attestation_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplySeal:
    """Signs replies as one member of one co-op.

    Attributes:
        coop_id, member_id: which.
        keys: the member's own.
    """

    coop_id: str
    member_id: str
    keys: MemberKeys

    def contribution(
        self,
        body: bytes,
        *,
        sha256: bytes,
        programme_id: str,
        round_number: int,
        attestation: SignedDocument,
    ) -> bytes:
        """Return a reply with a contribution of the secure sum, and its attestation."""
        reply = RoundReply(contribution=body, attestation=_carried(attestation))
        return self._sealed(reply, sha256, programme_id, round_number)

    def match(
        self, said: MatchReply, *, sha256: bytes, matching_id: str, attestation: SignedDocument | None = None
    ) -> bytes:
        """Return a reply to a step of a matching; a list's has an attestation."""
        content = said.SerializeToString(deterministic=True)
        carried = None if attestation is None else _carried(attestation)
        return self._sealed(RoundReply(match=content, attestation=carried), sha256, matching_id, 0)

    def refusal(
        self, code: RefusalCode, *, sha256: bytes, programme_id: str = "", round_number: int = 0
    ) -> bytes:
        """Return a refusal: the code and no word more; no round where none was to be read."""
        return self._sealed(RoundReply(refusal=code), sha256, programme_id, round_number)

    def _sealed(self, reply: RoundReply, sha256: bytes, programme_id: str, round_number: int) -> bytes:
        reply.format_version = FORMAT_VERSION
        reply.coop_id, reply.member_id = self.coop_id, self.member_id
        reply.request_sha256 = sha256
        reply.programme_id, reply.round = programme_id, round_number
        return seal_reply(reply, self.keys.signing)


def attestation_of(sealed: bytes) -> SignedDocument | None:
    """Return the attestation in a reply of this store's own; None where it has none."""
    return attestation_in(RoundReply.FromString(SignedReply.FromString(sealed).reply))


def answered_request(sealed: bytes) -> bytes:
    """Return the hash of the request that a reply of this store's own answers."""
    return RoundReply.FromString(SignedReply.FromString(sealed).reply).request_sha256


def _carried(attestation: SignedDocument) -> SignedAttestation:
    return SignedAttestation(attestation=attestation.document, signature=attestation.signature)
