"""The prime field GF(p), p = 2^31 - 1: vectors of uint32 below p, one per coordinate of a sum.

Every function takes the modulus as an argument, so that tests run the same code over a field small enough to
enumerate. It must be a prime of at most 31 bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from highstreet.privacy.secure_sum.errors import InvalidVectorError, SumRefusal, SumRefusedError

__all__ = [
    "HALF",
    "MODULUS",
    "FieldVector",
    "centre",
    "combine",
    "encode",
    "from_bytes",
    "lagrange_coefficients",
    "lies_on_combination",
    "to_bytes",
]

#: A vector over the field, little-endian, every value below the modulus.
FieldVector = NDArray[np.uint32]

MODULUS = (1 << 31) - 1
#: Largest size of a centred value: the vectors summed are in -HALF .. HALF, and so is the sum.
HALF = (MODULUS - 1) // 2
#: Coordinates worked on at a time, so that temporary arrays stay in the processor's cache.
_CHUNK = 1 << 15


def encode(integers: NDArray[np.int64]) -> FieldVector:
    """Return integers in -HALF .. HALF as elements of the field.

    Raises:
        InvalidVectorError: another type or shape, or a value out of range. It is not cut here: a value that
            would wrap around must be limited before, where its effect on the guarantee is known.

    >>> encode(np.array([1, -1])).tolist()
    [1, 2147483646]
    """
    if integers.ndim != 1 or integers.dtype != np.int64:
        raise InvalidVectorError("A vector to be summed must be int64 of shape (d,).")
    if integers.size and (integers.min() < -HALF or integers.max() > HALF):
        raise InvalidVectorError(
            "A vector to be summed holds a value outside the field; nothing was shared.",
            next_step="Limit the values before they are shared.",
        )
    return np.where(integers < 0, integers + MODULUS, integers).astype(np.uint32)


def centre(vector: FieldVector) -> NDArray[np.int64]:
    """Return elements of the field as integers in -HALF .. HALF; undoes `encode`.

    >>> centre(encode(np.array([HALF, -HALF, 0]))).tolist()
    [1073741823, -1073741823, 0]
    """
    wide = vector.astype(np.int64)
    return np.where(wide > HALF, wide - MODULUS, wide)


def to_bytes(vector: FieldVector) -> bytes:
    """Return d x 4 bytes, little-endian."""
    return vector.astype("<u4", copy=False).tobytes()


def from_bytes(data: bytes, *, dimension: int) -> FieldVector:
    """Read what `to_bytes` wrote.

    Raises:
        SumRefusedError: BOX_SIZE for another length, SHARE_RANGE for a value of p or more.
    """
    if len(data) != 4 * dimension:
        raise SumRefusedError(SumRefusal.BOX_SIZE)
    vector = np.frombuffer(data, dtype="<u4")
    if dimension and vector.max() >= MODULUS:
        raise SumRefusedError(SumRefusal.SHARE_RANGE)
    return vector


def lagrange_coefficients(points: Sequence[int], *, at: int, modulus: int = MODULUS) -> tuple[int, ...]:
    """Return the c_k with f(at) = sum of c_k f(points[k]), for every f of degree below len(points).

    Args:
        points: distinct, each in 0 .. modulus - 1.
        at: where the polynomial is wanted.
        modulus: the prime.

    >>> lagrange_coefficients([1, 2, 3], at=0)  # 3, -3, 1
    (3, 2147483644, 1)
    """
    coefficients = []
    for point in points:
        above, below = 1, 1
        for other in points:
            if other != point:
                above = above * (at - other) % modulus
                below = below * (point - other) % modulus
        coefficients.append(above * pow(below, -1, modulus) % modulus)
    return tuple(coefficients)


def combine(
    coefficients: Sequence[int], vectors: Sequence[FieldVector], *, modulus: int = MODULUS
) -> FieldVector:
    """Return the sum of coefficients[k] * vectors[k], coordinate by coordinate, in the field.

    Args:
        coefficients: at least one, each in 0 .. modulus - 1.
        vectors: as many, all of shape (d,), values below the modulus.
        modulus: the prime.
    """
    combined = np.empty(len(vectors[0]), dtype=np.uint32)
    for where, part in _combined_parts(coefficients, vectors, modulus):
        combined[where] = part
    return combined


def lies_on_combination(
    vector: FieldVector,
    coefficients: Sequence[int],
    vectors: Sequence[FieldVector],
    *,
    modulus: int = MODULUS,
) -> bool:
    """Say whether a vector equals the combination; see `combine`. Stops at the first part that differs."""
    parts = _combined_parts(coefficients, vectors, modulus)
    return all(bool((vector[where] == part).all()) for where, part in parts)


def _combined_parts(
    coefficients: Sequence[int], vectors: Sequence[FieldVector], modulus: int
) -> Iterator[tuple[slice, NDArray[np.uint64]]]:
    """Give the combination part by part. Products are added up unreduced as long as 64 bits hold them."""
    at_once = (2**64 - 1) // (modulus - 1) ** 2 - 1  # one place is kept for the reduced total so far
    terms = list(zip(coefficients, vectors, strict=True))
    for start in range(0, len(vectors[0]), _CHUNK):
        where = slice(start, min(start + _CHUNK, len(vectors[0])))
        total = np.zeros(where.stop - start, dtype=np.uint64)
        for first in range(0, len(terms), at_once):
            for coefficient, vector in terms[first : first + at_once]:
                total += vector[where] * np.uint64(coefficient)
            total %= np.uint64(modulus)
        yield where, total
