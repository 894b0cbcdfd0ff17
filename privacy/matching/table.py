"""The table: rows of cells that are summed over the stores, and how counts are read off the sum."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from highstreet.privacy.matching.errors import InvalidTableError
from highstreet.privacy.matching.shape import ELEMENTS, TableShape
from highstreet.privacy.matching.tags import Places, places
from highstreet.privacy.secure_sum.field import MODULUS, centre, encode
from highstreet.privacy.secure_sum.keystream import expand_seed

__all__ = ["masked_table", "read_counts"]

_P = np.uint64(MODULUS)


def masked_table(tags: Sequence[bytes], shape: TableShape, *, mask_seed: bytes) -> NDArray[np.int64]:
    """Return a store's addend: the values of its tags in their cells, and the common mask in every cell.

    Uniform to whoever lacks the seed, whatever the tags.

    Args:
        tags: distinct; a person counts once in a shop.
        shape: the matching's.
        mask_seed: the common mask's.

    Returns:
        Shape (shape.dimension,), int64, centred, as the secure sum takes it.
    """
    if len(set(tags)) != len(tags):
        raise InvalidTableError("A tag would be entered twice; a person counts once in a shop.")
    where = places(tags, shape)
    table = expand_seed(mask_seed, shape.dimension).astype(np.uint64)
    np.add.at(table, where.coordinates, where.values)
    return centre((table % _P).astype(np.uint32))


def read_counts(
    summed: NDArray[np.int64],
    tags: Sequence[bytes],
    shape: TableShape,
    *,
    contributors: int,
    mask_seed: bytes,
) -> NDArray[np.int64]:
    """Return for each tag how many stores entered it, or 0 where that cannot be told.

    Guarantee: if the sum is that of `contributors` addends under this seed, a number from 1 on is the true
    one except with a chance of at most rows (contributors - 1) / (p - 1)^2 for each tag. Somebody who scales
    the sum and the number of contributors alike is not seen here, but by the receipts of
    `MatchedStore.counts`.

    Args:
        summed: shape (shape.dimension,), int64, centred, as the secure sum gives it.
        tags: to be counted.
        shape: the matching's.
        contributors: stores whose tables are in the sum.
        mask_seed: the common mask's.

    Returns:
        Shape (tags,), int64. A number needs one row in which the cell holds the same multiple of both values
        of the tag; if rows hold different ones, it is 0.

    Raises:
        InvalidTableError: another shape or type, a value outside the field, or contributors that cannot be.
    """
    if summed.shape != (shape.dimension,) or summed.dtype != np.int64:
        raise InvalidTableError(f"A summed table must be int64 of shape ({shape.dimension},).")
    if not 1 <= contributors <= shape.stores:
        raise InvalidTableError(f"A table of {shape.stores} stores cannot be the sum of {contributors}.")
    where = places(tags, shape)
    mask = expand_seed(mask_seed, shape.dimension)[where.coordinates].astype(np.uint64)
    cells = encode(summed)[where.coordinates].astype(np.uint64)
    by_row = _multiples(where, (cells + _P - mask * np.uint64(contributors) % _P) % _P, contributors)
    told: NDArray[np.int64] = by_row.max(axis=0)
    return np.where(((by_row == 0) | (by_row == told)).all(axis=0), told, 0)


def _multiples(where: Places, cells: NDArray[np.uint64], contributors: int) -> NDArray[np.int64]:
    """Return by row and tag the k in 1 .. contributors with cell = k times the values, or 0."""
    if cells.shape[2] != ELEMENTS:
        raise InvalidTableError("A table has cells of two elements.")
    multiple = cells[:, :, 0] * _inverse(where.values[:, :, 0]) % _P
    fits = (multiple >= 1) & (multiple <= contributors)
    fits &= multiple * where.values[:, :, 1] % _P == cells[:, :, 1]
    return np.where(fits, multiple, np.uint64(0)).astype(np.int64)


def _inverse(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return one over each value of the field, as its power p - 2 (Fermat)."""
    power, result = values.copy(), np.ones_like(values)
    exponent = MODULUS - 2
    while exponent:
        if exponent & 1:
            result = result * power % _P
        power = power * power % _P
        exponent >>= 1
    return result
