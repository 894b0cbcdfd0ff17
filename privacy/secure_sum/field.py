"""The prime field GF(p), p = 2^31 - 1: vectors of uint32 below p, one per coordinate of a sum.

Every function takes the modulus as an argument, so that tests run the same code over a field small enough to
enumerate. It must be a prime of at most 31 bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from highstreet.privacy.secure_sum.errors import InvalidVectorError, SumRefusal, SumRefusedError

__all__ = [
    "HALF",
    "MODULUS",
    "PART",
    "Buffer",
    "FieldVector",
    "add",
    "bytes_of",
    "centre",
    "encode",
    "from_bytes",
    "lagrange_coefficients",
    "parts",
    "subtract",
    "to_bytes",
]

#: A vector over the field, little-endian, every value below the modulus.
FieldVector = NDArray[np.uint32]

MODULUS = (1 << 31) - 1
#: Largest size of a centred value: the vectors summed are in -HALF .. HALF, and so is the sum.
HALF = (MODULUS - 1) // 2
#: Coordinates worked on at a time, so that what lies between two steps stays in the processor's cache.
PART = 1 << 16
#: What a vector is read from; a view of a message saves a copy of megabytes.
Buffer: TypeAlias = bytes | memoryview


def parts(dimension: int) -> list[slice]:
    """Return slices of at most PART coordinates that cover 0 .. dimension - 1.

    >>> parts(PART + 1)
    [slice(0, 65536, None), slice(65536, 65537, None)]
    """
    return [slice(start, min(start + PART, dimension)) for start in range(0, dimension, PART)]


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
    wrapped = integers.astype(np.uint32)
    encoded: FieldVector = np.minimum(
        wrapped, wrapped + np.uint32(MODULUS)
    )  # negative: 2^32 too much, undone
    return encoded


def centre(vector: FieldVector) -> NDArray[np.int64]:
    """Return elements of the field as integers in -HALF .. HALF; undoes `encode`.

    >>> centre(encode(np.array([HALF, -HALF, 0]))).tolist()
    [1073741823, -1073741823, 0]
    """
    wide = vector.astype(np.int64)
    wide -= (vector > HALF) * np.int64(MODULUS)
    return wide


def add(
    first: FieldVector, second: FieldVector, *, out: FieldVector, spare: FieldVector, modulus: int = MODULUS
) -> None:
    """Write the sum to `out`, which may be one of the two; no step depends on a value.

    Args:
        first: shape (d,), values below the modulus.
        second: the same.
        out: shape (d,).
        spare: shape (d,), none of the others; overwritten.
        modulus: the prime.
    """
    np.add(first, second, out=out)
    np.subtract(out, np.uint32(modulus), out=spare)
    np.minimum(out, spare, out=out)  # p less than a sum below p wraps around to something large


def subtract(
    first: FieldVector, second: FieldVector, *, out: FieldVector, spare: FieldVector, modulus: int = MODULUS
) -> None:
    """Write the difference to `out`; see `add`."""
    np.subtract(first, second, out=out)
    np.add(out, np.uint32(modulus), out=spare)
    np.minimum(out, spare, out=out)  # a negative one wrapped around to something large, and p more wraps back


def to_bytes(vector: FieldVector) -> bytes:
    """Return d x 4 bytes, little-endian."""
    return vector.astype("<u4", copy=False).tobytes()


def bytes_of(vector: FieldVector) -> memoryview:
    """Return what `to_bytes` does, for a vector in one piece; no copy where the machine is little-endian."""
    return vector.astype("<u4", copy=False).view(np.uint8).data


def from_bytes(data: Buffer, *, dimension: int) -> FieldVector:
    """Read what `to_bytes` wrote; what comes back is a view of it.

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
