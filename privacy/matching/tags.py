"""Tags: what a person is called in one matching; known to the shops that have the same identifier."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from highstreet.privacy.matching.entropy import Entropy, drawn
from highstreet.privacy.matching.hash_to_group import with_length
from highstreet.privacy.matching.shape import ELEMENTS, MAX_DUMMIES, TableShape
from highstreet.privacy.secure_sum.field import MODULUS

__all__ = ["Places", "drawn_dummies", "made_up_tag", "mask_seed", "places", "tag"]

_MEAN_DUMMIES = MAX_DUMMIES // 2
_WORD_BITS = 64


@dataclass(frozen=True, slots=True)
class Places:
    """Where tags go in a table, and with what.

    Attributes:
        coordinates: shape (rows, tags, elements), int64: indices into the table's vector.
        values: the same shape, uint64, in 1 .. p - 1: what one shop with this customer adds there.
    """

    coordinates: NDArray[np.int64]
    values: NDArray[np.uint64]


def tag(keys_sha256: bytes, message: bytes, outputs: Sequence[bytes]) -> bytes:
    """Return a person's tag, 64 bytes, from every holder's output for the same input.

    To whoever lacks one holder's output it is uniform (SHA-512 as a random oracle).
    """
    return hashlib.sha512(
        b"highstreet/v1/matching-tag\x00" + keys_sha256 + with_length(message) + b"".join(outputs)
    ).digest()


def mask_seed(keys_sha256: bytes, outputs: Sequence[bytes]) -> bytes:
    """Return the common mask's seed, 32 bytes, from every holder's output for the label."""
    return hashlib.sha256(b"highstreet/v1/matching-mask\x00" + keys_sha256 + b"".join(outputs)).digest()


def made_up_tag(seed: bytes, number: int) -> bytes:
    """Return a tag that belongs to nobody, from a store's own secret seed."""
    return hashlib.sha512(b"highstreet/v1/matching-dummy\x00" + seed + number.to_bytes(4, "big")).digest()


def places(tags: Sequence[bytes], shape: TableShape) -> Places:
    """Return where tags go: in each row a cell of its own and values of its own, all independent."""
    rows, cells = shape.rows, shape.cells
    coordinates = np.empty((rows, len(tags), ELEMENTS), dtype=np.int64)
    values = np.empty((rows, len(tags), ELEMENTS), dtype=np.uint64)
    for row in range(rows):
        domain = b"highstreet/v1/matching-cell\x00" + bytes([row])
        for number, one in enumerate(tags):
            expanded = hashlib.sha512(domain + one).digest()
            cell = int.from_bytes(expanded[:16], "big") % cells
            for element in range(ELEMENTS):
                # 16 bytes modulo p - 1 are uniform but for less than 2^-96.
                at = 16 * (element + 1)
                values[row, number, element] = 1 + int.from_bytes(expanded[at : at + 16], "big") % (
                    MODULUS - 1
                )
                coordinates[row, number, element] = (row * cells + cell) * ELEMENTS + element
    return Places(coordinates, values)


def drawn_dummies(entropy: Entropy = os.urandom) -> int:
    """Return how many made-up entries a store adds, receipts not counted: 0 .. 48, around 24.

    Guarantee: who sees how many people and dummies there are together learns with (ln 2, 2^-23)-differential
    privacy whether one person is among them (add or remove one): the difference of two geometric numbers has
    probabilities that halve with each step, exactly, and it is cut at 24 with a chance of 2^-24.6.

    Source: Ghosh, Roughgarden and Sundararajan 2009, "Universally utility-maximizing privacy mechanisms".
    """
    noise = _geometric(entropy) - _geometric(entropy)
    return min(max(0, _MEAN_DUMMIES + noise), MAX_DUMMIES)


def _geometric(entropy: Entropy) -> int:
    """Return how many zeros a stream of fair bits starts with; 64 stands for more."""
    word = int.from_bytes(drawn(entropy, _WORD_BITS // 8), "little")
    return (word & -word).bit_length() - 1 if word else _WORD_BITS
