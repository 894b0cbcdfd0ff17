"""Tags and where they go; how many entries are made up."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from highstreet.privacy.matching.errors import InvalidMatchingError
from highstreet.privacy.matching.shape import MAX_DUMMIES, TableShape
from highstreet.privacy.matching.tags import drawn_dummies, made_up_tag, mask_seed, places, tag
from highstreet.privacy.secure_sum.field import MODULUS

SHAPE = TableShape(stores=6, identifiers_per_store=200)


def made_up(count, seed=b"seed"):
    return [made_up_tag(seed.ljust(32), number) for number in range(count)]


def test_a_tag_hangs_on_keys_input_and_every_output_in_order():
    base = (b"k" * 32, b"input", [b"1" * 64, b"2" * 64])
    others = [
        (b"l" * 32, *base[1:]),
        (base[0], b"other", base[2]),
        (base[0], base[1], base[2][::-1]),
        (base[0], base[1], [b"1" * 64, b"3" * 64]),
    ]
    assert len({tag(*case) for case in (base, *others)}) == 5
    expected = b"highstreet/v1/matching-tag\x00" + b"k" * 32 + b"\x00\x05input" + b"1" * 64 + b"2" * 64
    assert tag(*base) == hashlib.sha512(expected).digest()
    assert mask_seed(base[0], base[2]) != mask_seed(others[0][0], base[2])


def test_places_are_in_their_row_and_values_are_never_zero():
    where = places(made_up(500), SHAPE)
    assert len(where.coordinates) == SHAPE.rows
    for row in range(SHAPE.rows):
        assert (where.coordinates[row] >= row * 2 * SHAPE.cells).all()
        assert (where.coordinates[row] < (row + 1) * 2 * SHAPE.cells).all()
    assert (where.coordinates[:, :, 1] == where.coordinates[:, :, 0] + 1).all()
    assert (where.coordinates[:, :, 0] % 2 == 0).all()
    assert where.values.min() >= 1
    assert where.values.max() < MODULUS


def test_rows_share_neither_cells_nor_values_so_that_nobody_can_pair_them():
    where = places(made_up(2000), SHAPE)
    cells = where.coordinates[:, :, 0] // 2 % SHAPE.cells
    # 2,000 pairs of rows fall together with a chance of 1/w each: 0.65 expected, 10 or more in one of 10^8;
    # there are 153 pairs of rows.
    for first, second in itertools.combinations(range(SHAPE.rows), 2):
        assert (cells[first] == cells[second]).sum() < 10
        assert not (where.values[first] == where.values[second]).all(axis=1).any()
    assert (cells[0] == cells[0]).sum() == 2000  # the twin: one cell for both rows would be seen


def test_cells_are_uniform():
    """Chi-square over 64 parts of a row, 20,000 tags; five standard deviations of sqrt(2 x 63)."""
    where = places(made_up(20_000), SHAPE)
    cells = where.coordinates[0, :, 0] // 2

    def chi_square(values):
        counts = np.bincount(values * 64 // SHAPE.cells, minlength=64)
        return ((counts - len(values) / 64) ** 2 / (len(values) / 64)).sum()

    tolerance = 5 * math.sqrt(2 * 63)
    assert abs(chi_square(cells) - 63) < tolerance
    assert chi_square(np.where(np.arange(len(cells)) % 10 == 0, cells // 2, cells)) - 63 > tolerance


def words(values):
    """Entropy that gives 64-bit words in which so many lowest bits are zero."""
    stream = iter(values)

    def entropy(count):
        zeros = next(stream)
        return (0 if zeros == 64 else 1 << zeros).to_bytes(count, "little")

    return entropy


def dummies_distribution():
    """Exact probabilities of `drawn_dummies`, over both geometric draws, from the shipped code."""
    chance = {zeros: Fraction(1, 2 ** min(zeros + 1, 64)) for zeros in range(65)}
    assert sum(chance.values()) == 1
    distribution = Counter()
    for first, one in chance.items():
        for second, other in chance.items():
            distribution[drawn_dummies(words([first, second]))] += one * other
    return distribution


def test_dummies_hide_one_person_up_to_ln_2_and_two_to_the_minus_23():
    """The hockey-stick divergence of the numbers with one person more and one less, exactly."""
    distribution = dummies_distribution()
    assert set(distribution) == set(range(MAX_DUMMIES + 1))

    def delta(epsilon_factor):
        found = []
        for step in (1, -1):
            numbers = range(-1, MAX_DUMMIES + 2)
            excess = (
                distribution.get(number, 0) - epsilon_factor * distribution.get(number - step, 0)
                for number in numbers
            )
            found.append(sum(max(Fraction(0), part) for part in excess))
        return max(found)

    assert delta(2) < Fraction(1, 2**23)
    assert delta(Fraction(19, 10)) > Fraction(1, 100)  # the twin: no smaller epsilon would do


def test_too_few_random_bytes_draw_nothing():
    with pytest.raises(InvalidMatchingError):
        drawn_dummies(lambda count: bytes(count - 1))
