"""The group ristretto255 (RFC 9496): elements and scalars as their one encoding, arithmetic by libsodium.

libsodium's arithmetic takes the same time whatever the secret scalar. Its Python binding does not report
every failure (an addition of invalid elements gives zeros, the identity counts as valid), and libsodium
1.0.18, which it bundles, overlooks the highest bit of an encoding. So nothing gets into arithmetic here that
`read_element` or `read_scalar` has not seen. Addition may give the identity;
only `read_element` refuses it.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import NewType

import rbcl

from highstreet.privacy.matching.entropy import Entropy, drawn
from highstreet.privacy.matching.errors import MatchingRefusal, MatchingRefusedError
from highstreet.privacy.matching.limits import ELEMENT_BYTES, SCALAR_BYTES

__all__ = [
    "IDENTITY",
    "ORDER",
    "Element",
    "Scalar",
    "add",
    "element_from_uniform",
    "multiply",
    "multiply_base",
    "random_scalar",
    "read_element",
    "read_scalar",
    "scalar_from_uniform",
    "scalar_inverse",
    "scalar_multiply_subtract",
]

#: 32 bytes, canonical (RFC 9496, section 4.3.1); not the identity unless it came out of an addition.
Element = NewType("Element", bytes)
#: 32 bytes, little-endian, below ORDER.
Scalar = NewType("Scalar", bytes)

ORDER = 2**252 + 27742317777372353535851937790883648493
IDENTITY = Element(bytes(ELEMENT_BYTES))
#: The prime below elements' encodings.
_FIELD = 2**255 - 19
_UNIFORM_BYTES = 64


def read_element(encoded: bytes) -> Element:
    """Return an element that arrived.

    Raises:
        MatchingRefusedError: ELEMENT for another length, another encoding than the canonical one, no element
            at all, or the identity, which would give the same output for every key.
    """
    sound = (
        len(encoded) == ELEMENT_BYTES
        and encoded != IDENTITY
        and int.from_bytes(encoded, "little") < _FIELD
        and rbcl.crypto_core_ristretto255_is_valid_point(bytes(encoded))
    )
    if not sound:
        raise MatchingRefusedError(MatchingRefusal.ELEMENT)
    return Element(bytes(encoded))


def read_scalar(encoded: bytes) -> Scalar:
    """Return a scalar that arrived; zero is one.

    Raises:
        MatchingRefusedError: SCALAR for another length, or a value of ORDER or more.
    """
    if len(encoded) != SCALAR_BYTES or int.from_bytes(encoded, "little") >= ORDER:
        raise MatchingRefusedError(MatchingRefusal.SCALAR)
    return Scalar(bytes(encoded))


def element_from_uniform(uniform: bytes) -> Element:
    """Return the element that 64 uniform bytes stand for (RFC 9496, section 4.3.4)."""
    _check_uniform(uniform)
    return Element(rbcl.crypto_core_ristretto255_from_hash(uniform))


def scalar_from_uniform(uniform: bytes) -> Scalar:
    """Return 64 uniform bytes, little-endian, modulo ORDER; not uniform by less than 2^-250."""
    _check_uniform(uniform)
    return Scalar(rbcl.crypto_core_ristretto255_scalar_reduce(uniform))


def random_scalar(entropy: Entropy) -> Scalar:
    """Return a fresh scalar, uniform but for less than 2^-250; it is zero as rarely as that."""
    return scalar_from_uniform(drawn(entropy, _UNIFORM_BYTES))


def multiply(scalar: Scalar, element: Element) -> Element:
    """Return scalar times element; the identity for scalar zero or the identity."""
    return Element(rbcl.crypto_scalarmult_ristretto255_allow_scalar_zero(scalar, element))


def multiply_base(scalar: Scalar) -> Element:
    """Return scalar times the group's generator."""
    return Element(rbcl.crypto_scalarmult_ristretto255_base_allow_scalar_zero(scalar))


def add(first: Element, second: Element) -> Element:
    """Return the sum of two elements."""
    return Element(rbcl.crypto_core_ristretto255_add(first, second))


def scalar_inverse(scalar: Scalar) -> Scalar:
    """Return one over a scalar that is not zero."""
    return Scalar(rbcl.crypto_core_ristretto255_scalar_invert(scalar))


def scalar_multiply_subtract(start: Scalar, first: Scalar, second: Scalar) -> Scalar:
    """Return start - first x second modulo ORDER."""
    product = rbcl.crypto_core_ristretto255_scalar_mul(first, second)
    return Scalar(rbcl.crypto_core_ristretto255_scalar_sub(start, product))


def _check_uniform(uniform: bytes) -> None:
    if len(uniform) != _UNIFORM_BYTES:
        raise ValueError(f"{_UNIFORM_BYTES} uniform bytes are needed, not {len(uniform)}.")


def _remove_unpacked_library() -> None:
    """Unlink the copy of libsodium that rbcl unpacks into the temporary folder on each start and leaves.

    The mapped library stays usable; where a loaded file cannot be removed (Windows) it stays.
    """
    unpacked = str(getattr(rbcl._sodium, "_name", ""))
    if os.path.dirname(unpacked) == tempfile.gettempdir():
        with contextlib.suppress(OSError):
            os.unlink(unpacked)


_remove_unpacked_library()
