"""Signatures over documents: Ed25519, each kind of document in a domain of its own."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from highstreet.audit.canonical import canonical_json, read_canonical
from highstreet.audit.errors import SignatureMismatchError, UnreadableDocumentError

__all__ = [
    "DOCUMENT_LIMIT_BYTES",
    "SignatureKind",
    "SignedDocument",
    "join_statement",
    "public_key_bytes",
    "sign",
    "verify",
]

#: No signed JSON document (charter, roster, manifest) is larger.
DOCUMENT_LIMIT_BYTES = 1 << 20


class SignatureKind(StrEnum):
    """What is signed. A signature over one kind never passes for another."""

    CHARTER = "charter"
    ROSTER = "roster"
    RELEASE = "release"
    JOIN = "join"
    REQUEST = "request"
    REPLY = "reply"
    VOUCH = "vouch"
    MATCHING_REQUEST = "matching-request"
    WITHDRAWAL = "withdrawal"
    OVERRIDE = "override"
    ERASURE = "erasure"
    RECEIPT = "consent-receipt"
    STATEMENT = "statement"
    ATTESTATION = "attestation"


def sign(kind: SignatureKind, document: bytes, private_key: Ed25519PrivateKey) -> bytes:
    """Return the 64-byte Ed25519 signature over `"highstreet/v1/" || kind || 0x00 || document`."""
    return private_key.sign(_signed_bytes(kind, document))


def verify(kind: SignatureKind, document: bytes, signature: bytes, public_key: bytes) -> None:
    """Return only when the signature is by this raw 32-byte public key over this kind and document.

    Raises:
        SignatureMismatchError: anything else, a malformed key or signature included.
    """
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, _signed_bytes(kind, document))
    except (InvalidSignature, ValueError, TypeError) as error:
        raise SignatureMismatchError(f"The signature of the {kind.value} does not match.") from error


def public_key_bytes(private_key: Ed25519PrivateKey) -> bytes:
    """Return the raw 32-byte public key."""
    return private_key.public_key().public_bytes_raw()


def join_statement(*fields: bytes) -> bytes:
    """Return what a store signs to show it holds its key: the SHA-256 of each field, one after the other."""
    return b"".join(hashlib.sha256(field).digest() for field in fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedDocument:
    """A canonical JSON document, its kind and its signature: charter, roster or release manifest."""

    kind: SignatureKind
    document: bytes
    signature: bytes

    @classmethod
    def create(
        cls, kind: SignatureKind, value: dict[str, object], private_key: Ed25519PrivateKey
    ) -> SignedDocument:
        """Sign a value in its canonical form."""
        document = canonical_json(value)
        return cls(kind=kind, document=document, signature=sign(kind, document, private_key))

    def verify(self, kind: SignatureKind, public_key: bytes) -> None:
        """Return only when this is a document of that kind, signed by that key.

        Raises:
            SignatureMismatchError: another kind, or the signature does not match.
        """
        if self.kind is not kind:
            raise SignatureMismatchError(f"A signed {kind.value} was expected, not a {self.kind.value}.")
        verify(kind, self.document, self.signature, public_key)

    def sha256(self) -> bytes:
        """Return the 32-byte SHA-256 of the document; it names the charter, roster or manifest everywhere."""
        return hashlib.sha256(self.document).digest()

    def to_file_bytes(self) -> bytes:
        """Return a JSON file that people can read; `from_file_bytes` gives back the same bytes."""
        value = read_canonical(self.document, limit_bytes=DOCUMENT_LIMIT_BYTES)
        envelope = {"kind": self.kind.value, "signature": self.signature.hex(), "document": value}
        return (json.dumps(envelope, indent=2, ensure_ascii=False) + "\n").encode()

    @classmethod
    def from_file_bytes(cls, data: bytes) -> SignedDocument:
        """Read what `to_file_bytes` wrote; the signature is not checked here.

        Raises:
            UnreadableDocumentError: not such a file.
        """
        try:
            envelope = json.loads(data)
            return cls(
                kind=SignatureKind(envelope["kind"]),
                document=canonical_json(envelope["document"]),
                signature=bytes.fromhex(envelope["signature"]),
            )
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise UnreadableDocumentError("The file is not a signed document of ours.") from error


def _signed_bytes(kind: SignatureKind, document: bytes) -> bytes:
    return b"highstreet/v1/" + kind.value.encode() + b"\x00" + document
