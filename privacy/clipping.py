"""Clipping: the L2 bound on what one customer can add to a sum."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from highstreet.privacy.errors import InvalidReleaseError, InvalidRowsError, NonFiniteRowsError
from highstreet.privacy.summing import compensated_sum

__all__ = ["clip_rows", "clipped_row_sum"]

_UNIT_ROUNDOFF = 2.0**-53
#: Rows added before the compensated sum takes over; keeps the rounding error of a block below 2^-44 of its
#: rows.
_BLOCK_ROWS = 256


def clip_rows(rows: NDArray[np.floating], *, clipping_norm: float) -> NDArray[np.float64]:
    """Scale each row down to a bounded L2 norm; never scale one up, never change the caller's array.

    The bound holds for the exact norm of the floating-point result: rows are shrunk to a target below C by
    more than the rounding of the norm and of the scaling can amount to, (d + 16) units in the last place.

    Args:
        rows: one row per customer, shape (b, d); b may be 0.
        clipping_norm: bound C > 0, in the unit of the rows.

    Returns:
        New rows, float64, shape (b, d), the exact norm of each at most C.

    Raises:
        InvalidRowsError: not two-dimensional.
        NonFiniteRowsError: a row holds NaN or infinity.
        InvalidReleaseError: the clipping norm is not a positive number.

    >>> clip_rows(np.array([[3.0, 4.0], [0.3, 0.4]]), clipping_norm=1.0).round(3).tolist()
    [[0.6, 0.8], [0.3, 0.4]]
    """
    if not (np.isfinite(clipping_norm) and clipping_norm > 0):
        raise InvalidReleaseError("The clipping norm must be a positive number.")
    clipped = np.array(rows, dtype=np.float64)
    if clipped.ndim != 2:
        raise InvalidRowsError("Rows must be a table with one row per customer.")
    if not np.isfinite(clipped).all():
        raise NonFiniteRowsError("A customer's row holds NaN or infinity; nothing was summed.")
    # Dividing by the largest entry first: squares of very large or very small entries neither overflow nor
    # vanish.
    largest = np.max(np.abs(clipped), axis=1, initial=0.0)
    scale = np.where(largest > 0, largest, 1.0)
    relative_norm = np.sqrt(np.square(clipped / scale[:, None]).sum(axis=1))
    target = clipping_norm * (1 - (clipped.shape[1] + 16) * 2 * _UNIT_ROUNDOFF)
    with np.errstate(over="ignore"):
        is_long = relative_norm * scale > target
    # In two steps: one factor from a huge row to a tiny norm could be subnormal, and imprecise.
    clipped[is_long] /= scale[is_long, None]
    clipped[is_long] *= (target / relative_norm[is_long])[:, None]
    return clipped


def clipped_row_sum(
    chunks: Iterable[NDArray[np.floating]], *, dimension: int, clipping_norm: float
) -> NDArray[np.float64]:
    """Clip every row and add them up.

    Adding or removing one row changes the exact sum by at most the clipping norm, whatever the other rows
    are; the floating-point sum is within ROUNDING_SLACK of that (see `summing`).

    Args:
        chunks: tables (b, dimension) of rows, one row per customer; any b, none at all is a sum of zeros.
        dimension: number of columns.
        clipping_norm: bound C > 0 on one row.

    Returns:
        The sum, float64, shape (dimension,).

    Raises:
        InvalidRowsError: a chunk has another number of columns, or there are too many rows.
        NonFiniteRowsError: a row holds NaN or infinity.

    >>> clipped_row_sum([np.array([[3.0, 4.0]]), np.zeros((0, 2))], dimension=2, clipping_norm=5.5).tolist()
    [3.0, 4.0]
    """

    def blocks() -> Iterable[tuple[int, NDArray[np.float64]]]:
        for chunk in chunks:
            if np.ndim(chunk) != 2 or np.shape(chunk)[1] != dimension:
                raise InvalidRowsError(f"Rows must have the {dimension} columns their phase declares.")
            for start in range(0, len(chunk), _BLOCK_ROWS):
                block = clip_rows(chunk[start : start + _BLOCK_ROWS], clipping_norm=clipping_norm)
                yield len(block), block.sum(axis=0)

    return compensated_sum(blocks(), dimension=dimension)
