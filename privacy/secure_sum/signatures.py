"""Ed25519 signatures of secure sum and matching, each kind of message in a domain of its own."""

from __future__ import annotations

from enum import StrEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from highstreet.privacy.secure_sum.field import Buffer

__all__ = ["Signed", "is_signed_by", "sign"]


class Signed(StrEnum):
    """What is signed. A signature over one kind never passes for another, nor for one of `audit.signing`."""

    CONTRIBUTION = "contribution"
    SUM_INSPECTION_REQUEST = "sum-inspection-request"
    SUM_INSPECTION = "sum-inspection"
    SUM_AGREEMENT_REQUEST = "sum-agreement-request"
    SUM_AGREEMENT = "sum-agreement"
    SUM_REQUEST = "sum-request"
    SUM_ANSWER = "sum-answer"
    MATCHING_KEY = "matching-key"
    MATCHING_LIST = "matching-list"
    MATCHING_EVALUATIONS = "matching-evaluations"


def sign(kind: Signed, content: bytes, key: Ed25519PrivateKey) -> bytes:
    """Return the 64-byte signature over `"highstreet/v1/" || kind || 0x00 || content`."""
    return key.sign(_signed_bytes(kind, content))


def is_signed_by(public_key: bytes, kind: Signed, content: Buffer, signature: bytes) -> bool:
    """Say whether the signature is this raw 32-byte key's; a malformed key or signature is not."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, _signed_bytes(kind, content))
    except (InvalidSignature, ValueError):
        return False
    return True


def _signed_bytes(kind: Signed, content: Buffer) -> bytes:
    return b"".join((b"highstreet/v1/", kind.value.encode(), b"\x00", content))
