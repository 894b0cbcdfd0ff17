"""The request that opens a matching, as both sides see it: its form, its seal and its parts."""

from __future__ import annotations

import hashlib
import re

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.message import DecodeError

from highstreet.audit.errors import UnreadableDocumentError
from highstreet.audit.signing import SignatureKind, sign, verify
from highstreet.protos.matching_pb2 import MatchingRequest, SignedMatchingRequest

__all__ = ["FORMAT_VERSION", "matching_sha256", "open_matching_request", "sign_matching_request"]

FORMAT_VERSION = 1
_LIMIT_BYTES = 64 << 10
_COOP_ID = re.compile(r"[0-9a-f]{32}")
_ID = re.compile(r"[0-9a-f]{16}")
_HASH_BYTES = 32
_MAX_PARTICIPANTS = 1024


def matching_sha256(signed: SignedMatchingRequest) -> bytes:
    """Return the hash that names a matching's request, everywhere."""
    return hashlib.sha256(signed.request).digest()


def sign_matching_request(request: MatchingRequest, key: Ed25519PrivateKey) -> SignedMatchingRequest:
    """Return a request as deterministic bytes with the coordinator's signature."""
    content = request.SerializeToString(deterministic=True)
    return SignedMatchingRequest(
        request=content, signature=sign(SignatureKind.MATCHING_REQUEST, content, key)
    )


def open_matching_request(signed: SignedMatchingRequest, *, coordinator_public_key: bytes) -> MatchingRequest:
    """Return the request inside when the coordinator signed it and every part has its form.

    Whether it is one to take part in is still to be checked.

    Raises:
        SignatureMismatchError: somebody else signed it, or nobody.
        UnreadableDocumentError: it is too long, cannot be parsed, or a part has not the form it must have.
    """
    if len(signed.request) > _LIMIT_BYTES:
        raise UnreadableDocumentError("The request of a matching is longer than allowed.")
    verify(SignatureKind.MATCHING_REQUEST, signed.request, signed.signature, coordinator_public_key)
    try:
        request = MatchingRequest.FromString(signed.request)
    except DecodeError as error:
        raise UnreadableDocumentError("The request of a matching cannot be read.") from error
    if not _has_form(request):
        raise UnreadableDocumentError("The request of a matching holds a part that cannot be one.")
    return request


def _has_form(request: MatchingRequest) -> bool:
    participants, holders = list(request.participants), list(request.holders)
    return (
        _COOP_ID.fullmatch(request.coop_id) is not None
        and _ID.fullmatch(request.matching_id) is not None
        and len(request.charter_sha256) == len(request.roster_sha256) == _HASH_BYTES
        and 1 <= len(participants) <= _MAX_PARTICIPANTS
        and participants == sorted(set(participants))
        and holders == sorted(set(holders))
        and all(_ID.fullmatch(name) is not None for name in (*participants, *holders))
    )
