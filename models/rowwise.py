"""Products of rows with a matrix, each row by itself, so that a row's bits do not depend on the others.

A product of many rows at once picks its kernels by how many rows there are: the same row differs in the last
bits when a customer is removed from its chunk. A state with large weights that cancel makes a difference of
any size of those bits, and then one customer moves the rows of others.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["row_products"]


def row_products(rows: NDArray[np.floating], matrix: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return rows (b, k) times matrix (k, n) in double precision, each row on its own."""
    each = np.ascontiguousarray(rows, dtype=np.float64)[:, None, :]
    return np.asarray(np.matmul(each, np.ascontiguousarray(matrix, dtype=np.float64))[:, 0, :])
