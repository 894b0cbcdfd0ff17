"""Sealed boxes: one share, readable by one committee member, in one round, at one position."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from highstreet.privacy.secure_sum.errors import SumRefusal, SumRefusedError
from highstreet.privacy.secure_sum.field import Buffer

__all__ = ["OVERHEAD_BYTES", "BoxLabel", "is_low_order", "open_box", "seal"]

#: The Poly1305 tag.
OVERHEAD_BYTES = 16
#: A key makes one box, ever, so the nonce may be constant.
_NONCE = bytes(12)
#: Any scalar takes a point of low order to zero, as every X25519 scalar is a multiple of the cofactor.
_PROBE = X25519PrivateKey.from_private_bytes(b"\x01" * 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxLabel:
    """All that a box is bound to: opened under any other label, it does not open.

    Attributes:
        request_sha256: the round request; binds round, model, charter, roster and catalogue.
        contributor_id: whose share it is, 16 hex digits.
        member_id: whom it is for, 16 hex digits.
        position: the member's seat, 1 .. m.
        ephemeral_public_key: the contribution's X25519 key.
        member_public_key: the committee member's X25519 key.
        header_fixed: the contribution's header without the digests of its boxes.
    """

    request_sha256: bytes
    contributor_id: str
    member_id: str
    position: int
    ephemeral_public_key: bytes
    member_public_key: bytes
    header_fixed: bytes


def seal(share: Buffer, label: BoxLabel, *, ephemeral_key: X25519PrivateKey) -> bytes:
    """Encrypt a share for a committee member: ChaCha20-Poly1305 under a key of HKDF-SHA256 over X25519.

    Args:
        share: a seed or a vector.
        label: what the box is bound to; no two boxes may have the same.
        ephemeral_key: made for this contribution alone.

    Raises:
        SumRefusedError: LOW_ORDER_KEY when the member's key is of low order.
    """
    key = _box_key(label, ephemeral_key, label.member_public_key)
    return ChaCha20Poly1305(key).encrypt(_NONCE, share, label.header_fixed)


def open_box(box: Buffer, label: BoxLabel, *, member_key: X25519PrivateKey) -> bytes:
    """Decrypt what `seal` made under the same label.

    Raises:
        SumRefusedError: LOW_ORDER_KEY for such an ephemeral key; BOX_SEAL for whatever does not open.
    """
    key = _box_key(label, member_key, label.ephemeral_public_key)
    try:
        return ChaCha20Poly1305(key).decrypt(_NONCE, box, label.header_fixed)
    except InvalidTag:
        raise SumRefusedError(SumRefusal.BOX_SEAL) from None


def is_low_order(public_key: bytes) -> bool:
    r"""Say whether a raw 32-byte X25519 key would give an all-zero secret, known to everybody.

    >>> is_low_order(bytes(32)), is_low_order(b"\x09" + bytes(31))
    (True, False)
    """
    try:
        _PROBE.exchange(X25519PublicKey.from_public_bytes(public_key))
    except ValueError:
        return True
    return False


def _box_key(label: BoxLabel, private_key: X25519PrivateKey, public_key: bytes) -> bytes:
    try:
        secret = private_key.exchange(X25519PublicKey.from_public_bytes(public_key))
    except ValueError:  # the library refuses an all-zero secret (RFC 7748, section 6.1)
        raise SumRefusedError(SumRefusal.LOW_ORDER_KEY) from None
    info = b"".join(
        (
            b"highstreet/v1/share\x00",
            label.contributor_id.encode(),
            label.member_id.encode(),
            bytes([label.position]),
            label.ephemeral_public_key,
            label.member_public_key,
        )
    )
    return HKDF(algorithm=SHA256(), length=32, salt=label.request_sha256, info=info).derive(secret)
