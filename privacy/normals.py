"""Single-precision normal numbers from a keystream, made on all cores.

For noise over large tables, where `noise.standard_normals` (double precision, one core, the inverse
distribution function) would take longer than the step it protects. The source's type decides as before
whether the numbers may protect anybody: see `noise.require_secure`.

**No keystream is used twice, whatever the threads do.** The output is cut into blocks of BLOCK numbers.
Before any thread starts, the source is asked once for 256 fresh bits per block; they become that block's
AES-256 key. Within a block one encryptor counts up from zero and is thrown away, so that no (key, counter)
pair comes twice within a block; two blocks have independent keys, because the source never repeats its
stream (fast key erasure, `noise`), and n blocks ever drawn share a key with probability below n^2 / 2^257. A
block reads at most 6 * BLOCK bytes, 3 * 2^13 cipher blocks, so that AES in counter mode is told from random
with advantage below 2^-98 (the birthday bound of the PRP/PRF switch). Keys belong to blocks and not to
threads: the numbers are the same for any number of threads, and two threads never share an encryptor.

**How good the normals are.** Box and Muller 1958, Ann. Math. Stat. 29: radius sqrt(-2 ln u), angle 2 pi v. v
has 32 bits. u has 32 bits, and 64 where single precision would be too coarse (u below 2^-11 or above 1 -
2^-11), so that the radius reaches 9.5 standard deviations (a float32 uniform, as in torch.randn, ends at
5.8). Every number is within 6e-6 of the same formula in double precision. The values are floating-point
numbers: which ones can occur after rounding may tell of what they were added to (Mironov 2012, CCS), so that
what leaves a shop is noised on a grid (`mechanism`), not by this.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CTR
from numpy.typing import NDArray

from highstreet.privacy.errors import InvalidRowsError
from highstreet.privacy.noise import NoiseSource

__all__ = ["BLOCK", "KeyedNormals", "keyed_normals"]

#: Numbers made under one key; 256 KiB of keystream, so that a block stays in a core's cache.
BLOCK = 1 << 16
_PAIRS = BLOCK // 2
_KEY_WORDS = 4
_START = bytes(16)
_ZEROS = memoryview(bytes(4 * BLOCK))
_ANGLE = np.float32(2 * np.pi / 2**32)
_UNIT = np.float32(2.0**-32)
_HALF = np.float32(0.5)
#: Words from which a uniform on (0, 1) in single precision would give too coarse a radius.
_FEW = np.uint32(1 << 21)
_MANY = np.uint32(2**32 - (1 << 21))


class KeyedNormals:
    """Fills arrays with independent standard normal numbers; made by `keyed_normals`."""

    def __init__(self, source: NoiseSource, workers: ThreadPoolExecutor) -> None:
        self._source = source
        self._workers = workers
        self._scratch = threading.local()

    def fill(self, numbers: NDArray[np.float32]) -> None:
        """Overwrite a contiguous array with fresh standard normals.

        Raises:
            InvalidRowsError: the array is not contiguous float32.
            ForkedNoiseError: as for the source.
        """
        if numbers.dtype != np.float32 or not numbers.flags.c_contiguous:
            raise InvalidRowsError("Fast normals fill contiguous arrays of single precision only.")
        flat = numbers.reshape(-1)
        blocks = -(-len(flat) // BLOCK)
        keys = self._source.uint64s(_KEY_WORDS * blocks).reshape(blocks, _KEY_WORDS)
        pieces = (flat[start : start + BLOCK] for start in range(0, len(flat), BLOCK))
        for _ in self._workers.map(self._fill_block, (key.tobytes() for key in keys), pieces):
            pass

    def _fill_block(self, key: bytes, numbers: NDArray[np.float32]) -> None:
        """Fill at most BLOCK numbers under one key: radii from the first words, angles from the rest."""
        words, radius = self._buffers()
        pairs = (len(numbers) + 1) // 2
        stream = Cipher(AES256(key), CTR(_START)).encryptor()
        stream.update_into(_ZEROS[: 8 * pairs], words[: 2 * pairs].view(np.uint8).data)
        upper, turns, radius = words[:pairs], words[pairs : 2 * pairs], radius[:pairs]
        _radii(upper, stream, radius)
        rest = len(numbers) - pairs
        first, second = numbers[:pairs], numbers[pairs:]
        # Signed words: angles from -pi to pi, whose rounding is half that of 0 to 2 pi.
        np.multiply(turns.view(np.int32), _ANGLE, out=first, casting="unsafe", dtype=np.float32)
        np.sin(first[:rest], out=second)
        np.cos(first, out=first)
        first *= radius
        second *= radius[:rest]

    def _buffers(self) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
        """Return this thread's own working memory."""
        if not hasattr(self._scratch, "words"):
            self._scratch.words = np.empty(BLOCK, np.uint32)
            self._scratch.radius = np.empty(_PAIRS, np.float32)
        return self._scratch.words, self._scratch.radius


@contextmanager
def keyed_normals(source: NoiseSource, *, threads: int | None = None) -> Iterator[KeyedNormals]:
    """Give a maker of single-precision normals, for the length of a `with`; its threads end with it.

    Args:
        source: where the keys come from; `SecureNoise` for real customers.
        threads: how many; by default as many as this process may use cores. The numbers do not depend on it.

    >>> from highstreet.privacy.noise import SeededNoise
    >>> numbers = np.empty(3, np.float32)
    >>> with keyed_normals(SeededNoise(1)) as normals:
    ...     normals.fill(numbers)
    >>> bool(np.isfinite(numbers).all())
    True
    """
    count = threads or len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(count, thread_name_prefix="normals") as workers:
        yield KeyedNormals(source, workers)


def _radii(upper: NDArray[np.uint32], stream: CipherContext, radius: NDArray[np.float32]) -> None:
    """Write sqrt(-2 ln u) of u = (upper + 1/2) / 2^32, with 32 further bits of u where it is near 0 or 1."""
    np.add(upper, _HALF, out=radius, casting="unsafe", dtype=np.float32)
    np.multiply(radius, _UNIT, out=radius)
    np.log(radius, out=radius)
    np.multiply(radius, np.float32(-2), out=radius)
    np.sqrt(radius, out=radius)
    # One comparison for both ends: the sum wraps around.
    coarse = np.flatnonzero(upper + _FEW < _FEW + _FEW)
    if len(coarse):
        lower = np.frombuffer(stream.update(bytes(4 * len(coarse))), dtype="<u4")
        radius[coarse] = _fine_radii(upper[coarse], lower)


def _fine_radii(upper: NDArray[np.uint32], lower: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Return sqrt(-2 ln u) of u = (upper * 2^32 + lower + 1/2) / 2^64, in double precision on both ends."""
    below = (upper * 2.0**32 + lower + 0.5) * 2.0**-64
    above = ((~upper) * 2.0**32 + (~lower) + 0.5) * 2.0**-64  # 1 - u, without cancellation
    near_zero = upper < _MANY
    least = np.where(near_zero, below, above)
    logarithm: NDArray[np.float64] = np.where(near_zero, np.log(least), np.log1p(-least))
    return np.sqrt(-2 * logarithm)
