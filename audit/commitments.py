"""Commitments: 32 bytes that bind to a value, and say nothing of it once their salt is destroyed."""

from __future__ import annotations

import hashlib

__all__ = ["SALT_BYTES", "commit"]

SALT_BYTES = 32


def commit(salt: bytes, value: bytes, *, domain: str) -> bytes:
    """Return the commitment to a value: 32 bytes that bind to it and hide it as long as the salt is secret.

    SHA-256 over the lengths and bytes of the domain, the salt and the value, so that no two triples have one
    spelling. Hiding rests on the salt: 32 bytes from the operating system, used once.

    >>> commit(bytes(32), b"a", domain="x") == commit(bytes(32), b"a", domain="y")
    False

    Args:
        salt: 32 bytes.
        value: what is committed to.
        domain: what kind of thing it is; commitments of two domains never collide.

    Raises:
        ValueError: a salt of another length.
    """
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt has {SALT_BYTES} bytes, not {len(salt)}")
    name = domain.encode()
    digest = hashlib.sha256(b"highstreet commitment 1\0")
    digest.update(len(name).to_bytes(8, "big") + name + salt + len(value).to_bytes(8, "big") + value)
    return digest.digest()
