"""Sums whose rounding error is small enough to be part of the stated sensitivity.

A sum of n clipped vectors is built from blocks of at most 256, added up with Neumaier's compensation. Its
error, as a vector, is at most (256 + 4) * 2^-53 * n * C: below 2^-20 C for n up to 2^24 customers. A
customer's vector is also computed anew when another customer is gone, in a batch of another shape, and may
then differ by the rounding of its own computation. The slack allows for that much: 2^-24 C (single precision)
for each of 8,192 customers, or 2^-35 C for each of 2^24. ROUNDING_SLACK = 2^-10 covers both errors on both
sides of a neighbouring pair.

With weights in [0, 1] the blocks are themselves such sums, times a weight: one more product and one more
compensated sum. The error is at most (256 + 4 + 1 + 4) * 2^-53 * n * C, still below 2^-20 C. Weights 1 / k
are rounded, each by at most 2^-53 of itself: k of them add up to at most 1 + 2^-53, which is covered as well.
For a person in several shops the errors of all these shops count: the 8,192 (or 2^24) are then customers by
weight in all of them together.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from highstreet.privacy.errors import InvalidRowsError, NonFiniteRowsError

__all__ = ["MAX_CUSTOMERS", "ROUNDING_SLACK", "compensated_sum"]

#: Relative amount by which the floating-point sum may exceed the exact sensitivity.
ROUNDING_SLACK = 2.0**-10
#: Customers in one sum up to which ROUNDING_SLACK is proven.
MAX_CUSTOMERS = 2**24


def compensated_sum(
    blocks: Iterable[tuple[int, NDArray[np.float64]]], *, dimension: int
) -> NDArray[np.float64]:
    """Add vectors with an error that does not grow with their number.

    Args:
        blocks: (number of customers in it, sum of their vectors), each vector of shape (dimension,).
        dimension: length of the vectors.

    Returns:
        The sum, float64; zeros when there are no blocks.

    Raises:
        InvalidRowsError: a vector of another length, or more than MAX_CUSTOMERS customers.
        NonFiniteRowsError: a vector holds NaN or infinity.

    Source: Neumaier 1974, ZAMM 54, 39-51.

    >>> compensated_sum([(1, np.array([1e16])), (1, np.array([1.0])), (1, np.array([-1e16]))], dimension=1)
    array([1.])
    """
    total = np.zeros(dimension)
    lost = np.zeros(dimension)
    customers = 0
    for count, vector in blocks:
        customers += count
        if vector.shape != (dimension,) or customers > MAX_CUSTOMERS:
            raise InvalidRowsError(
                f"A sum takes vectors of length {dimension} of at most {MAX_CUSTOMERS} customers."
            )
        if not np.isfinite(vector).all():
            raise NonFiniteRowsError("A customer's row or gradient is not finite; nothing was summed.")
        raised = total + vector
        lost += np.where(
            np.abs(total) >= np.abs(vector), (total - raised) + vector, (vector - raised) + total
        )
        total = raised
    return total + lost
