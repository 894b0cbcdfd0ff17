"""Noise: normal numbers nobody outside can predict; the reproducible ones of tests are another type.

Both come from a ChaCha20 keystream (RFC 8439); the operating system's generator gives the key of the secure
one. Before a draw is used, the first 32 bytes of its stream replace the key (fast key erasure, Bernstein
2017), so that what is in memory afterwards says nothing about noise already drawn.
"""

from __future__ import annotations

import hashlib
import os
from typing import NoReturn, Protocol

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from numpy.typing import NDArray
from scipy.special import ndtri

from highstreet.privacy.errors import ForkedNoiseError, SeededNoiseError

__all__ = ["NoiseSource", "SecureNoise", "SeededNoise", "require_secure", "standard_normals"]

_KEY_BYTES = 32
_NONCE = bytes(16)
#: Numbers turned into normals at a time, so that temporary arrays stay in the processor's cache.
_CHUNK = 1 << 16


class NoiseSource(Protocol):
    """Independent, uniform 64-bit numbers."""

    def uint64s(self, count: int) -> NDArray[np.uint64]:
        """Return `count` fresh numbers, uniform on 0 .. 2^64 - 1."""
        ...


class SecureNoise:
    """Numbers from a keystream whose key comes from the operating system; the only source for real customers.

    Assumes ChaCha20 is a pseudorandom function. Cannot be seeded, copied or pickled, and refuses to work in a
    forked process, where parent and child would draw the same noise.
    """

    __slots__ = ("_key", "_process")

    def __init__(self) -> None:
        self._key = os.urandom(_KEY_BYTES)
        self._process = os.getpid()

    def uint64s(self, count: int) -> NDArray[np.uint64]:
        """Return fresh numbers, uniform on 0 .. 2^64 - 1.

        Raises:
            ForkedNoiseError: this process is not the one that made the source.
        """
        if os.getpid() != self._process:
            raise ForkedNoiseError(
                "A noise source was carried into another process; nothing was drawn.",
                next_step="Make a new SecureNoise after the fork.",
            )
        self._key, numbers = _draw(self._key, count)
        return numbers

    def __repr__(self) -> str:
        """Say the type only; never the key."""
        return "SecureNoise()"

    def __reduce__(self) -> NoReturn:
        """Refuse to be copied or pickled: a copy would draw the same noise again."""
        raise TypeError("A noise source cannot be copied or pickled.")


class SeededNoise:
    """Reproducible numbers for tests and the lab. Whoever knows the seed can subtract the noise."""

    __slots__ = ("_key",)

    def __init__(self, seed: int) -> None:
        self._key = hashlib.sha256(f"highstreet seeded noise {seed}".encode()).digest()

    def uint64s(self, count: int) -> NDArray[np.uint64]:
        """Return the next numbers, uniform on 0 .. 2^64 - 1.

        >>> bool((SeededNoise(7).uint64s(3) == SeededNoise(7).uint64s(3)).all())
        True
        """
        self._key, numbers = _draw(self._key, count)
        return numbers


def require_secure(source: object) -> SecureNoise:
    """Return the source if it may protect real customers; refuse every other type, subclasses included.

    Raises:
        SeededNoiseError: the source is anything but SecureNoise itself.
    """
    if type(source) is not SecureNoise:
        raise SeededNoiseError(
            "Noise for real customers must come from the operating system; a seeded source gives it away.",
            next_step="Remove the seed from the configuration.",
        )
    return source


def standard_normals(source: NoiseSource, count: int) -> NDArray[np.float64]:
    """Return independent standard normal numbers.

    Inverse distribution function on both tails: 63 bits give the probability of the tail, one the sign. The
    smallest tail is 2^-64, so numbers reach 9.1 standard deviations and small tails keep 53 significant bits
    (53-bit uniforms on (0, 1) would end at 8.2 with the last steps visibly apart).

    >>> standard_normals(SeededNoise(1), 0).shape
    (0,)
    """
    normals = np.empty(count)
    for start in range(0, count, _CHUNK):
        bits = source.uint64s(min(_CHUNK, count - start))
        tail = ((bits >> np.uint64(1)).astype(np.float64) + 0.5) * 2.0**-64
        size = ndtri(tail)
        normals[start : start + len(bits)] = np.where(bits & np.uint64(1), size, -size)
    return normals


def _draw(key: bytes, count: int) -> tuple[bytes, NDArray[np.uint64]]:
    """Return the next key and `count` numbers of the keystream."""
    stream = bytearray(_KEY_BYTES + 8 * count)
    Cipher(ChaCha20(key, _NONCE), mode=None).encryptor().update_into(bytes(len(stream)), stream)
    return bytes(stream[:_KEY_BYTES]), np.frombuffer(stream, dtype="<u8", offset=_KEY_BYTES)
