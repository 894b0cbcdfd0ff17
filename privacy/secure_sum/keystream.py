"""The pseudorandom generator of the sharing: a 32-byte seed stands for a uniform vector over the field."""

from __future__ import annotations

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

from highstreet.privacy.secure_sum.errors import SumRefusal, SumRefusedError
from highstreet.privacy.secure_sum.field import MODULUS, FieldVector
from highstreet.privacy.secure_sum.limits import SEED_BYTES

__all__ = ["expand_seed"]

_NONCE = bytes(16)
#: Bytes of keystream made at a time: a multiple of a word, small enough for the processor's cache.
_BLOCK = bytes(1 << 17)


def expand_seed(seed: bytes, dimension: int) -> FieldVector:
    """Return the vector of shape (dimension,) that a seed stands for; uniform if the seed is.

    The ChaCha20 keystream (RFC 8439; key = seed, nonce and counter zero) is read as little-endian 32-bit
    words, the highest bit of each is cleared, and words equal to p are dropped: one in 2^31, so that what is
    left is exactly uniform on 0 .. p - 1 if the keystream is uniform.

    Raises:
        SumRefusedError: BOX_SIZE when the seed is not 32 bytes.
    """
    if len(seed) != SEED_BYTES:
        raise SumRefusedError(SumRefusal.BOX_SIZE)
    keystream = Cipher(ChaCha20(seed, _NONCE), mode=None).encryptor()
    vector = np.empty(dimension, dtype=np.uint32)
    filled = 0
    while filled < dimension:
        block = memoryview(_BLOCK)[: 4 * (dimension - filled)]
        words = np.frombuffer(keystream.update(block), dtype="<u4") & np.uint32(MODULUS)
        if words.max() == MODULUS:
            words = words[words != MODULUS]
        vector[filled : filled + len(words)] = words
        filled += len(words)
    return vector
