"""The pseudorandom generator of the sharing: a 32-byte seed stands for a uniform vector over the field."""

from __future__ import annotations

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

from highstreet.privacy.secure_sum.errors import SumRefusal, SumRefusedError
from highstreet.privacy.secure_sum.field import MODULUS, PART, Buffer, FieldVector
from highstreet.privacy.secure_sum.limits import SEED_BYTES

__all__ = ["SeededVector", "expand_seed"]

_NONCE = bytes(16)
#: What the keystream is added to.
_ZEROS = memoryview(bytes(4 * PART))


class SeededVector:
    """The vector that a seed stands for, read from its first coordinate on; uniform if the seed is.

    The ChaCha20 keystream (RFC 8439; key = seed, nonce and counter zero) is read as little-endian 32-bit
    words, the highest bit of each is cleared, and words equal to p are dropped: one in 2^31, so that what is
    left is exactly uniform on 0 .. p - 1 if the keystream is uniform.

    Args:
        seed: 32 bytes.

    Raises:
        SumRefusedError: BOX_SIZE when the seed is not 32 bytes.
    """

    def __init__(self, seed: Buffer) -> None:
        if len(seed) != SEED_BYTES:
            raise SumRefusedError(SumRefusal.BOX_SIZE)
        self._keystream = Cipher(ChaCha20(seed, _NONCE), mode=None).encryptor()

    def read_into(self, part: FieldVector) -> None:
        """Fill an array in one piece with the coordinates that come next."""
        filled = 0
        while filled < len(part):
            words = part[filled : filled + PART]
            raw = words.view(np.uint8).data
            self._keystream.update_into(_ZEROS[: len(raw)], raw)
            np.bitwise_and(words.view("<u4"), np.uint32(MODULUS), out=words)
            if words.max() == MODULUS:
                kept = words[words != MODULUS]
                words[: len(kept)] = kept
                filled += len(kept)
            else:
                filled += len(words)


def expand_seed(seed: Buffer, dimension: int) -> FieldVector:
    """Return the vector of shape (dimension,) that a seed stands for; see `SeededVector`.

    Raises:
        SumRefusedError: BOX_SIZE when the seed is not 32 bytes.
    """
    vector = np.empty(dimension, dtype=np.uint32)
    SeededVector(seed).read_into(vector)
    return vector
