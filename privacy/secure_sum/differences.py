"""Values of a polynomial at the points that follow known ones, by differences (Newton).

Vectors are added and subtracted in 32 bits and nothing is multiplied; no step depends on a value.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from highstreet.privacy.secure_sum.field import FieldVector, add, subtract

__all__ = ["extrapolate"]


def extrapolate(
    values: NDArray[np.uint32], following: NDArray[np.uint32], *, spare: FieldVector, modulus: int
) -> None:
    """Continue polynomials of degree below t, one for each coordinate, by the points after t - 1.

    Args:
        values: shape (t, d), the values at 0 .. t - 1, below the modulus; overwritten.
        following: shape (k, d), to be filled with the values at t .. t + k - 1.
        spare: shape (d,), overwritten.
        modulus: the prime, below 2^31.

    >>> squares, next_ones = np.array([[0], [1], [4]], dtype=np.uint32), np.empty((2, 1), dtype=np.uint32)
    >>> extrapolate(squares, next_ones, spare=np.empty(1, dtype=np.uint32), modulus=13)
    >>> next_ones.tolist()  # 9 and 16
    [[9], [3]]
    """
    if len(values) == 1:
        following[:] = values[0]
        return
    table = list(values)
    # Row t - 1 - k becomes the k-th difference that ends at the last point.
    for order in range(1, len(table)):
        for row in range(len(table) - order):
            subtract(table[row + 1], table[row], out=table[row], spare=spare, modulus=modulus)
    for value in following:
        for row in range(1, len(table)):
            sums = table[row] if row < len(table) - 1 else value
            add(table[row], table[row - 1], out=sums, spare=spare, modulus=modulus)
        table[-1] = value
