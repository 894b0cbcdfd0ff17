"""Made-up members with keys, a coordinator, and entropy that is the same in every run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from highstreet.privacy.secure_sum import Member, MemberKeys


def counting_entropy(label: str) -> Callable[[int], bytes]:
    """Bytes that differ from call to call and are the same in every run."""
    calls = iter(range(1 << 30))
    return lambda count: hashlib.shake_256(f"{label} {next(calls)}".encode()).digest(count)


def secret(label: str) -> bytes:
    return hashlib.sha256(label.encode()).digest()


def keys_of(number: int) -> MemberKeys:
    return MemberKeys(
        Ed25519PrivateKey.from_private_bytes(secret(f"signing {number}")),
        X25519PrivateKey.from_private_bytes(secret(f"encryption {number}")),
    )


def id_of(number: int) -> str:
    return secret(f"member {number}").hex()[:16]


def member_of(number: int) -> Member:
    keys = keys_of(number)
    return Member(
        member_id=id_of(number),
        signing_public_key=keys.signing.public_key().public_bytes_raw(),
        encryption_public_key=keys.encryption.public_key().public_bytes_raw(),
    )


COOP_ID = "ab" * 16
COORDINATOR_KEY = Ed25519PrivateKey.from_private_bytes(secret("coordinator"))
