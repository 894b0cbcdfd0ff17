"""Hashing to ristretto255: bytes to elements and scalars as RFC 9497 does it with SHA-512, mode VOPRF."""

from __future__ import annotations

import hashlib

from highstreet.privacy.matching.group import Element, Scalar, element_from_uniform, scalar_from_uniform

__all__ = ["CONTEXT_STRING", "expand_message_xmd", "hash_to_group", "hash_to_scalar", "with_length"]

_MODE_VOPRF = 1
#: RFC 9497, section 3.1: "OPRFV1-" || mode || "-" || suite.
CONTEXT_STRING = b"OPRFV1-" + bytes([_MODE_VOPRF]) + b"-ristretto255-SHA512"
_OUT_BYTES = 64
_BLOCK_BYTES = 128


def hash_to_group(message: bytes) -> Element:
    """Return an element nobody knows the logarithm of. Source: RFC 9497, section 4.1."""
    return element_from_uniform(expand_message_xmd(message, b"HashToGroup-" + CONTEXT_STRING))


def hash_to_scalar(message: bytes, separator: bytes = b"HashToScalar-" + CONTEXT_STRING) -> Scalar:
    """Return a scalar; the separator is another one for deriving keys only. Source: RFC 9497, section 4.1."""
    return scalar_from_uniform(expand_message_xmd(message, separator))


def expand_message_xmd(message: bytes, separator: bytes) -> bytes:
    """Return 64 bytes that look uniform: expand_message_xmd with SHA-512, one block. Source: RFC 9380, 5.3.1.

    Args:
        message: any bytes.
        separator: domain separation tag, at most 255 bytes.
    """
    suffixed = separator + bytes([len(separator)])
    padded = bytes(_BLOCK_BYTES) + message + _OUT_BYTES.to_bytes(2, "big") + b"\x00" + suffixed
    return hashlib.sha512(hashlib.sha512(padded).digest() + b"\x01" + suffixed).digest()


def with_length(part: bytes) -> bytes:
    """Return a part behind its length in two bytes, as transcripts of RFC 9497 hold it."""
    return len(part).to_bytes(2, "big") + part
