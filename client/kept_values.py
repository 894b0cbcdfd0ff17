"""Kept values: what an erased person was known by, in the journal until every file was searched for it.

A search that goes on after a crash has to know what to look for, and must not find its own note of it. So the
journal holds it encrypted, under a key of one erasure in a file of its own that is removed at the end: what
SQLite may still hold of the journal's row then says nothing.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from highstreet.client.errors import ErasureIncompleteError
from highstreet.client.home import StoreHome
from highstreet.files import (
    access_error,
    make_private_folder,
    read_limited,
    remove_leftovers,
    write_private,
)

__all__ = ["forget_unused", "forget_values", "keep_values", "kept_values", "new_key", "unused_keys"]

_KEY_BYTES = 32
#: A key is used for one message.
_NONCE = bytes(12)


def new_key(home: StoreHome, erasure_id: str) -> bytes:
    """Make the key of one erasure, durably, before anything is encrypted under it.

    Raises:
        FileAccessError: it cannot be written; nobody may be erased then.
    """
    make_private_folder(home.rights)
    key = secrets.token_bytes(_KEY_BYTES)
    write_private(_key_file(home, erasure_id), key)
    return key


def keep_values(key: bytes, erasure_id: str, values: Collection[str]) -> str:
    """Return values encrypted, in hex; an empty text for none. A key is for one call."""
    if not values:
        return ""
    plain = json.dumps(sorted(values)).encode()
    return ChaCha20Poly1305(key).encrypt(_NONCE, plain, erasure_id.encode()).hex()


def kept_values(home: StoreHome, erasure_id: str, kept: str) -> list[str]:
    """Return the values that `keep_values` encrypted.

    Raises:
        ErasureIncompleteError: the key is gone or another one, so nobody knows what to look for.
    """
    if not kept:
        return []
    path = _key_file(home, erasure_id)
    try:
        key = read_limited(path, limit_bytes=_KEY_BYTES) if path.exists() else b""
        plain = ChaCha20Poly1305(key).decrypt(_NONCE, bytes.fromhex(kept), erasure_id.encode())
    except (InvalidTag, ValueError) as error:
        raise ErasureIncompleteError(
            f"What an erasure has to look for cannot be read without {path}; no certificate was made.",
            next_step="Put that file back from a copy, then: highstreet store rights finish CUSTOMER",
        ) from error
    return list(json.loads(plain))


def forget_values(home: StoreHome, erasure_id: str) -> None:
    """Remove the key of an erasure that is finished."""
    path = _key_file(home, erasure_id)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise access_error(path, error) from error


def unused_keys(home: StoreHome, used: Collection[str]) -> list[str]:
    """Return the erasures that have a key and are none of these.

    Killed between its key and the journal's entry, an erasure leaves a key that nothing was kept under.
    """
    return sorted(path.stem for path in home.rights.glob("*.key") if path.stem not in used)


def forget_unused(home: StoreHome, used: Collection[str]) -> None:
    """Remove the keys of all erasures but these, and what is left of one that was being written.

    The caller holds the import's lock.
    """
    for unused in unused_keys(home, used):
        forget_values(home, unused)
    remove_leftovers(home.rights, "*.key")


def _key_file(home: StoreHome, erasure_id: str) -> Path:
    return home.rights / f"{erasure_id}.key"
