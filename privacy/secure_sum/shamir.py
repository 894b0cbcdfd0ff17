"""Shamir's sharing of whole vectors, packed into seeds where the polynomial leaves a free choice.

Source: Shamir 1979, "How to share a secret". Departure: of the m shares, those at positions 1 .. t - 1 are
chosen (uniform, so a seed can stand for each) and fix the polynomial together with the secret at 0; only the
m - t + 1 others are computed. The joint distribution of all shares is Shamir's.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from highstreet.privacy.secure_sum.combination import combine, lies_on_combination
from highstreet.privacy.secure_sum.differences import extrapolate
from highstreet.privacy.secure_sum.field import (
    MODULUS,
    PART,
    FieldVector,
    encode,
    lagrange_coefficients,
    parts,
)
from highstreet.privacy.secure_sum.keystream import SeededVector

__all__ = ["OpenedShares", "complete_seeded_shares", "complete_shares", "open_shares"]


@dataclass(frozen=True, slots=True)
class OpenedShares:
    """A secret put together from shares, and the positions whose shares were wrong.

    Attributes:
        secret: shape (d,).
        wrong: positions that are off the polynomial all others lie on.
    """

    secret: FieldVector
    wrong: frozenset[int]


def complete_shares(
    secret: FieldVector, chosen: Sequence[FieldVector], *, shares: int, modulus: int = MODULUS
) -> NDArray[np.uint32]:
    """Return the shares at positions t .. m of the polynomial of degree t - 1 through secret and chosen ones.

    Guarantee: if the chosen vectors are independent, uniform and used once, any t - 1 of the m shares are
    independent, uniform and say nothing about the secret; any t determine it.

    Args:
        secret: shape (d,), the value at 0.
        chosen: t - 1 vectors of shape (d,), the values at 1 .. t - 1.
        shares: m, at least t and below the modulus.
        modulus: the prime.

    Returns:
        Shape (m - t + 1, d).
    """
    known = [secret, *chosen]

    def fill(where: slice, values: NDArray[np.uint32]) -> None:
        for row, vector in zip(values, known, strict=True):
            row[:] = vector[where]

    return _completed(fill, len(secret), threshold=len(known), shares=shares, modulus=modulus)


def complete_seeded_shares(
    integers: NDArray[np.int64], seeds: Sequence[bytes], *, shares: int
) -> NDArray[np.uint32]:
    """Return what `complete_shares` does for a vector and the vectors that seeds stand for.

    One pass over the coordinates, part by part: no expanded seed is ever whole in memory.

    Args:
        integers: shape (d,), int64, the secret; see `encode`.
        seeds: t - 1, used once.
        shares: m, at least t.

    Raises:
        InvalidVectorError: see `encode`.
    """
    chosen = [SeededVector(seed) for seed in seeds]

    def fill(where: slice, values: NDArray[np.uint32]) -> None:
        values[0] = encode(integers[where])
        for row, vector in zip(values[1:], chosen, strict=True):
            vector.read_into(row)

    return _completed(fill, len(integers), threshold=len(seeds) + 1, shares=shares, modulus=MODULUS)


def _completed(
    fill: Callable[[slice, NDArray[np.uint32]], None],
    dimension: int,
    *,
    threshold: int,
    shares: int,
    modulus: int,
) -> NDArray[np.uint32]:
    """Return the values at t .. m of what is filled in, part after part, as those at 0 .. t - 1."""
    completed = np.empty((shares - threshold + 1, dimension), dtype=np.uint32)
    room = np.empty((threshold + 1, min(PART, dimension)), dtype=np.uint32)
    for where in parts(dimension):
        values, spare = room[:-1, : where.stop - where.start], room[-1, : where.stop - where.start]
        fill(where, values)
        extrapolate(values, completed[:, where], spare=spare, modulus=modulus)
    return completed


def open_shares(
    shares: Mapping[int, FieldVector], *, threshold: int, modulus: int = MODULUS
) -> OpenedShares | None:
    """Return the secret, finding wrong shares where there are enough others; None when they contradict.

    With a shares, up to e = (a - t) // 2 wrong ones are found for certain: two sets of a - e shares have
    at least t in common, so only one polynomial of degree below t passes through a - e of them. With t shares
    nothing can be checked.

    Args:
        shares: position -> vector of shape (d,), at least `threshold` of them.
        threshold: t.
        modulus: the prime.
    """
    for count in range((len(shares) - threshold) // 2 + 1):
        for wrong in itertools.combinations(sorted(shares), count):
            rest = {position: share for position, share in shares.items() if position not in wrong}
            if _on_one_polynomial(rest, threshold, modulus):
                secret = _value_at(0, _first(rest, threshold), modulus)
                return OpenedShares(secret=secret, wrong=frozenset(wrong))
    return None


def _first(shares: Mapping[int, FieldVector], count: int) -> dict[int, FieldVector]:
    return {position: shares[position] for position in sorted(shares)[:count]}


def _value_at(at: int, shares: Mapping[int, FieldVector], modulus: int) -> FieldVector:
    coefficients = lagrange_coefficients(list(shares), at=at, modulus=modulus)
    return combine(coefficients, list(shares.values()), modulus=modulus)


def _on_one_polynomial(shares: Mapping[int, FieldVector], threshold: int, modulus: int) -> bool:
    known = _first(shares, threshold)
    points, vectors = list(known), list(known.values())
    return all(
        lies_on_combination(
            share, lagrange_coefficients(points, at=position, modulus=modulus), vectors, modulus=modulus
        )
        for position, share in shares.items()
        if position not in known
    )
