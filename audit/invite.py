"""The invitation code: all a store needs to join one co-op, once, as text that can be pasted or read out.

Layout, before it is written in Crockford's base 32 (no I, L, O, U; case and separators do not matter):
version (1 byte), host length (1), host (ASCII), port (2, big-endian), SHA-256 of the authority's
certificate (32), first 16 bytes of the SHA-256 of the coordinator's Ed25519 key (16), seed (16), first 4
bytes of the SHA-256 of all that (4). The invitation's id and its secret both follow from the seed, so that
one short random value carries both.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass

from highstreet.audit.errors import InvalidInviteError

__all__ = ["SEED_BYTES", "Invite"]

SEED_BYTES = 16
_VERSION = 1
_CHECKSUM_BYTES = 4
_KEY_HASH_BYTES = 16
_GROUP = 8
_LIMIT_CHARACTERS = 2_000
_STANDARD = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TO_CROCKFORD = str.maketrans(_STANDARD, _CROCKFORD)
_LOOKALIKES = {"O": "A", "I": "B", "L": "B"}
_FROM_CROCKFORD = str.maketrans({**dict(zip(_CROCKFORD, _STANDARD, strict=True)), **_LOOKALIKES})
_HOST = re.compile(r"[A-Za-z0-9.:_-]{1,253}")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Invite:
    """An invitation, as its code says it.

    Attributes:
        host, port: where the coordinator takes joins.
        ca_sha256: SHA-256 of the co-op's authority certificate (DER); nothing else is trusted.
        coordinator_key_hash: first 16 bytes of the SHA-256 of the coordinator's raw Ed25519 public key.
        seed: 16 random bytes; the single-use secret and the id follow from it.
    """

    host: str
    port: int
    ca_sha256: bytes
    coordinator_key_hash: bytes
    seed: bytes

    def __repr__(self) -> str:
        return f"Invite({self.address}, id {self.invite_id})"

    @property
    def address(self) -> str:
        """Where to join, as host:port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def invite_id(self) -> str:
        """What the coordinator looks the invitation up by; it does not give the secret away."""
        return hashlib.sha256(b"highstreet/v1/invite-id\x00" + self.seed).hexdigest()[:16]

    @property
    def secret(self) -> bytes:
        """The single-use secret, 32 bytes. The coordinator keeps only its SHA-256."""
        return hashlib.sha256(b"highstreet/v1/invite-secret\x00" + self.seed).digest()

    def names_key(self, public_key: bytes) -> bool:
        """Say whether this is the coordinator's key the invitation is about."""
        return hmac.compare_digest(key_hash(public_key), self.coordinator_key_hash)

    def code(self) -> str:
        """Write the invitation as a code in groups of eight."""
        host = self.host.encode("ascii")
        body = bytes([_VERSION, len(host)]) + host + self.port.to_bytes(2, "big")
        body += self.ca_sha256 + self.coordinator_key_hash + self.seed
        text = base64.b32encode(body + _checksum(body)).decode().rstrip("=").translate(_TO_CROCKFORD)
        return "-".join(text[start : start + _GROUP] for start in range(0, len(text), _GROUP))

    @classmethod
    def from_code(cls, code: str) -> Invite:
        """Read a code; case, spaces, line breaks and hyphens do not matter, nor do O for 0 and I or L for 1.

        Raises:
            InvalidInviteError: a mistyped, cut or foreign code, or one of another version.
        """
        raw = _decode(code)
        body, checksum = raw[:-_CHECKSUM_BYTES], raw[-_CHECKSUM_BYTES:]
        if len(body) < 2 or checksum != _checksum(body):
            raise _mistyped()
        if body[0] != _VERSION:
            raise InvalidInviteError(
                f"This invitation code is of version {body[0]}; this software reads version {_VERSION}.",
                next_step="Update Highstreet on this computer, or ask the coordinator to update theirs.",
            )
        return cls._from_body(body)

    @classmethod
    def _from_body(cls, body: bytes) -> Invite:
        host_end = 2 + body[1]
        fixed = body[host_end:]
        host = body[2:host_end].decode("ascii", errors="replace")
        if len(fixed) != 2 + 32 + _KEY_HASH_BYTES + SEED_BYTES or not _HOST.fullmatch(host):
            raise _mistyped()
        port = int.from_bytes(fixed[:2], "big")
        if not port:
            raise _mistyped()
        return cls(
            host=host,
            port=port,
            ca_sha256=fixed[2:34],
            coordinator_key_hash=fixed[34:50],
            seed=fixed[50:],
        )


def key_hash(public_key: bytes) -> bytes:
    """Return what an invitation says about a coordinator's public key."""
    return hashlib.sha256(public_key).digest()[:_KEY_HASH_BYTES]


def _checksum(body: bytes) -> bytes:
    return hashlib.sha256(b"highstreet/v1/invite-check\x00" + body).digest()[:_CHECKSUM_BYTES]


def _decode(code: str) -> bytes:
    text = re.sub(r"[\s\-‐‑‒–—]", "", code).upper()
    if not text or len(text) > _LIMIT_CHARACTERS or set(text) - set(_CROCKFORD) - set(_LOOKALIKES):
        raise _mistyped()
    standard = text.translate(_FROM_CROCKFORD)
    try:
        raw = base64.b32decode(standard + "=" * (-len(standard) % 8))
    except ValueError as error:
        raise _mistyped() from error
    # Bits beyond the last whole byte are not covered by the checksum: there is one spelling only.
    if base64.b32encode(raw).decode().rstrip("=") != standard:
        raise _mistyped()
    return raw


def _mistyped() -> InvalidInviteError:
    return InvalidInviteError(
        "This is not a whole invitation code: a character is wrong, missing or doubled.",
        next_step="Copy the code again from the coordinator's message, all of it. Nothing was sent.",
    )
