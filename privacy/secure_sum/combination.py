"""Linear combinations of vectors over the field, with which sums are opened and answers checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from highstreet.privacy.secure_sum.field import MODULUS, PART, FieldVector, parts

__all__ = ["combine", "lies_on_combination"]

#: What 64 bits hold less than.
_ROOM = 1 << 64


@dataclass(frozen=True, slots=True)
class _Step:
    """Products whose sum 64 bits hold.

    Attributes:
        products: places of vectors, with coefficients mod 2^64.
        offset: a multiple of the modulus that makes up for negative coefficients.
    """

    products: tuple[tuple[int, np.uint64], ...]
    offset: np.uint64


class _Combination:
    """The sum of coefficients[k] * vectors[k], coordinate by coordinate, of one part after the other.

    Coefficients are taken in -p/2 .. p/2. Those between neighbouring points of a polynomial are small there,
    so that a whole sum fits 64 bits and is reduced once; where it does not, it is reduced as often as needed.
    """

    def __init__(self, coefficients: Sequence[int], vectors: Sequence[FieldVector], modulus: int) -> None:
        self._modulus = np.uint64(modulus)
        self._steps = _steps(coefficients, modulus)
        self._vectors = vectors
        self._room = np.empty((2, min(PART, len(vectors[0]))), dtype=np.uint64)

    def part(self, where: slice) -> NDArray[np.uint64]:
        """Return the part, reduced; it is good until the next one is asked for."""
        room = self._room[:, : where.stop - where.start]
        total: NDArray[np.uint64] = room[0]
        product = room[1]
        total[:] = 0
        for step in self._steps:
            for place, coefficient in step.products:
                np.multiply(self._vectors[place][where], coefficient, out=product)
                total += product
            total += step.offset
            np.floor_divide(total, self._modulus, out=product)  # several times as fast as the remainder
            product *= self._modulus
            total -= product
        return total


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
    combination = _Combination(coefficients, vectors, modulus)
    for where in parts(len(combined)):
        combined[where] = combination.part(where)
    return combined


def lies_on_combination(
    vector: FieldVector,
    coefficients: Sequence[int],
    vectors: Sequence[FieldVector],
    *,
    modulus: int = MODULUS,
) -> bool:
    """Say whether a vector equals the combination; see `combine`. Stops at the first part that differs."""
    combination = _Combination(coefficients, vectors, modulus)
    return all(np.array_equal(combination.part(where), vector[where]) for where in parts(len(vector)))


def _steps(coefficients: Sequence[int], modulus: int) -> list[_Step]:
    """Split a sum where 64 bits would not hold it, with what is left of the steps before it."""
    groups: list[list[tuple[int, int]]] = [[]]
    reach = modulus
    for place, coefficient in enumerate(coefficients):
        near = coefficient - modulus if 2 * coefficient > modulus else coefficient
        if reach + abs(near) * modulus > _ROOM:
            groups.append([])
            reach = modulus
        groups[-1].append((place, near))
        reach += abs(near) * modulus
    return [_step(group, modulus) for group in groups]


def _step(group: Sequence[tuple[int, int]], modulus: int) -> _Step:
    below = sum(-coefficient for _, coefficient in group if coefficient < 0)
    return _Step(
        products=tuple((place, np.uint64(coefficient % _ROOM)) for place, coefficient in group),
        offset=np.uint64(below * modulus),
    )
