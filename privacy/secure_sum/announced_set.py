"""An announced set: the contributors of one sum, named by one hash that the coordinator signs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

__all__ = ["announcement", "set_sha256"]


def set_sha256(header_sha256s: Iterable[bytes]) -> bytes:
    """Return the SHA-256 over the sorted header hashes: the order they come in does not matter."""
    return hashlib.sha256(b"".join(sorted(header_sha256s))).digest()


def announcement(request_sha256: bytes, member_id: str, set_hash: bytes) -> bytes:
    """Return what the coordinator signs for one committee member: all of fixed length.

    The hash of the set stands for every header, and each header for its boxes.
    """
    return request_sha256 + member_id.encode() + set_hash
