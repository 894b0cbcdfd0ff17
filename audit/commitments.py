"""Salted commitments: what the log says of a person, until the salt is destroyed."""

from __future__ import annotations

import hashlib

__all__ = ["SALT_BYTES", "commit"]

SALT_BYTES = 32
_DOMAIN_LIMIT = 255
_PREFIX = b"highstreet/commitment/v1"


def commit(salt: bytes, value: bytes, *, domain: str) -> bytes:
    """Return the 32-byte commitment to a value: SHA-256 over prefix, domain, salt and value.

    Guarantee: who does not hold the salt learns nothing of the value, even of one that can be guessed, as
    long as the salt is 32 bytes from the operating system, is used for one value and is kept secret. Who
    destroys the salt makes the commitment say nothing for ever. Nobody can open one commitment as two values.

    Args:
        salt: 32 bytes.
        value: what is committed to, of any length.
        domain: what it is used for, 1 to 255 ASCII characters; one domain's commitment never passes for
            another's.

    Raises:
        ValueError: the salt or the domain is of another length, or the domain is not ASCII.

    The bytes hashed: `highstreet/commitment/v1`, 0x00, one byte with the length of the domain, the domain,
    the salt, the value. All before the value is of a length that is known, so no two inputs give one string.
    """
    name = domain.encode("ascii") if domain.isascii() else b""
    if not 0 < len(name) <= _DOMAIN_LIMIT:
        raise ValueError("a commitment's domain has 1 to 255 ASCII characters")
    if len(salt) != SALT_BYTES:
        raise ValueError("a commitment's salt has 32 bytes")
    return hashlib.sha256(_PREFIX + b"\x00" + bytes([len(name)]) + name + salt + value).digest()
