"""Counts read off a sum of tables: exact or unknown, never another number."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from highstreet.privacy.matching.errors import InvalidTableError
from highstreet.privacy.matching.shape import TableShape
from highstreet.privacy.matching.table import masked_table, read_counts
from highstreet.privacy.matching.tags import places
from highstreet.privacy.secure_sum.field import MODULUS, centre

SHAPE = TableShape(stores=8, identifiers_per_store=4)
SEED = b"m" * 32


@dataclass(frozen=True)
class CrowdedShape:
    """Fewer cells than any real table has, so that entries meet."""

    stores: int
    cells: int
    rows: int = 2

    @property
    def dimension(self) -> int:
        return 2 * self.rows * self.cells


def person(number):
    return hashlib.sha512(f"person {number}".encode()).digest()


def wrapped(total):
    return centre((total % MODULUS).astype(np.uint32))


def summed(stores, shape, seed=SEED):
    return wrapped(
        sum(masked_table([person(one) for one in store], shape, mask_seed=seed) for store in stores)
    )


def read(values, people, shape, contributors, seed=SEED):
    tags = [person(one) for one in people]
    return dict(
        zip(
            people,
            read_counts(values, tags, shape, contributors=contributors, mask_seed=seed).tolist(),
            strict=True,
        )
    )


stores_of_people = st.lists(st.sets(st.integers(0, 30), max_size=8), min_size=1, max_size=8)


@settings(max_examples=150, deadline=None)
@given(stores_of_people, st.integers(1, 400), st.integers(1, 20))
def test_a_count_is_the_true_one_or_unknown_however_crowded_the_table(stores, cells, rows):
    shape = CrowdedShape(stores=8, cells=cells, rows=rows)
    truth = Counter(one for store in stores for one in store)
    values = summed(stores, shape)
    counted = read(values, sorted(truth), shape, len(stores))
    assert all(k in (0, truth[one]) for one, k in counted.items())
    for one in truth:
        if is_alone_in_a_row(one, truth, shape):
            assert counted[one] == truth[one]


def is_alone_in_a_row(one, people, shape):
    others = [person(other) for other in people if other != one]
    own, theirs = places([person(one)], shape), places(others, shape)
    return any(own.coordinates[row, 0, 0] not in theirs.coordinates[row, :, 0] for row in range(shape.rows))


@settings(max_examples=40, deadline=None)
@given(stores_of_people)
def test_a_real_table_tells_everybody_who_is_alone_in_a_cell_and_who_is_nowhere(stores):
    truth = Counter(one for store in stores for one in store)
    counted = read(summed(stores, SHAPE), list(range(40)), SHAPE, len(stores))
    assert all(counted[one] in (0, truth[one]) for one in range(40))
    assert all(counted[one] == 0 for one in range(31, 40))
    assert sum(counted[one] == truth[one] for one in truth) == sum(
        is_alone_in_a_row(one, truth, SHAPE) for one in truth
    )


def changed_by_one(rows, *, people, draws):
    """How many others are read otherwise without one person of a full table, in all draws."""
    shape = CrowdedShape(stores=2, cells=2 * people, rows=rows)
    changed = 0
    for draw in range(draws):
        others = list(range(1_000 * draw + 1, 1_000 * draw + people))
        with_one, without = (
            read(summed([{*others, *one}, others[::3]], shape), others, shape, 2)
            for one in ({1_000 * draw}, set())
        )
        assert all(with_one[one] in (without[one], 0) for one in others)  # nobody is known by the person
        changed += sum(with_one[one] != without[one] for one in others)
    return changed


def test_one_person_changes_what_is_read_of_others_as_rarely_as_the_rows_say():
    """Expected are draws (N - 1) (q^R - q'^R), q and q' the chances that N - 1 and N - 2 fill a cell.

    In each row at most one other changes, who is alone there but for the person: at most R in a draw, so that
    the variance is at most R times the expected number.
    """
    people, draws = 40, 300

    def expected(rows):
        full, less = (1 - (1 - 1 / (2 * people)) ** others for others in (people - 1, people - 2))
        return draws * (people - 1) * (full**rows - less**rows)

    def allowed(rows):
        return 5 * (rows * expected(rows)) ** 0.5

    for rows in (2, 5):
        found = changed_by_one(rows, people=people, draws=draws)
        assert abs(found - expected(rows)) < allowed(rows)
    # The twin: two rows are over what five allow.
    assert changed_by_one(2, people=people, draws=draws) > expected(5) + allowed(5)


def test_in_a_table_of_its_own_shape_one_person_changes_nothing_of_others():
    """Eighteen rows: one table in a million would fail here, also where all places are taken."""
    shape = TableShape(stores=2, identifiers_per_store=40)
    others = list(range(1, 2 * (40 + 60)))
    with_one, without = (
        read(summed([{*others, *one}, others[::3]], shape), others, shape, 2) for one in ({0}, set())
    )
    assert with_one == without
    assert 0 not in without.values()


def test_a_person_in_one_shop_less_changes_no_other_count_either():
    """Its tag stays in its cells, so that who shares one with it reads as much or as little as before."""
    shape = CrowdedShape(stores=2, cells=30, rows=3)
    others = list(range(1, 40))
    twice, once = (read(summed([{0, *others}, two], shape), others, shape, 2) for two in ({0}, set()))
    assert twice == once
    assert 0 in once.values()  # the table is so crowded that it would show


def test_two_people_in_one_cell_of_each_row_are_both_unknown():
    shape = CrowdedShape(stores=3, cells=1)
    assert read(summed([{1, 2}, {1}], shape), [1, 2], shape, 2) == {1: 0, 2: 0}
    assert read(summed([{1}, {1}], shape), [1], shape, 2) == {1: 2}  # the twin: alone it is told


def test_rows_that_tell_different_numbers_tell_nothing():
    """Only who knows the tag can make this table; the count is unknown then, and not one of the two."""
    values = summed([{1}, {1}], SHAPE)
    assert read(values, [1], SHAPE, 2) == {1: 2}
    where = places([person(1)], SHAPE)
    altered = values.copy()
    altered[where.coordinates[0, 0]] -= where.values[0, 0].astype(np.int64)
    assert read(wrapped(altered), [1], SHAPE, 2) == {1: 0}
    others = where.coordinates[1:, 0]
    altered[others] -= where.values[1:, 0].astype(np.int64)
    assert read(wrapped(altered), [1], SHAPE, 2) == {1: 1}  # the twin: all rows tell the lower one


def test_one_element_alone_never_tells():
    """Two elements make a chance hit one in p^2: with one of them changed nothing is read."""
    values = summed([{1}], SHAPE)
    where = places([person(1)], SHAPE)
    for element in range(2):
        altered = values.copy()
        altered[where.coordinates[:, 0, element]] += 1
        assert read(wrapped(altered), [1], SHAPE, 1) == {1: 0}


def test_wrong_multiples_fit_as_rarely_as_the_bound_says():
    """By enumeration over a field of 101: foreign values that are j times the own, j = 1 .. n - 1."""
    prime, contributors = 101, 8
    value = (17, 60)
    hits = sum(
        any((first, second) == (j * value[0] % prime, j * value[1] % prime) for j in range(1, contributors))
        for first in range(1, prime)
        for second in range(1, prime)
    )
    assert Fraction(hits, (prime - 1) ** 2) == Fraction(contributors - 1, (prime - 1) ** 2)


def test_another_mask_another_number_of_contributors_or_a_scaled_table_tells_nothing():
    stores = [{1, 2, 3}, {1, 2}, {1}, {4}]
    people = [1, 2, 3, 4]
    values = summed(stores, SHAPE)
    assert read(values, people, SHAPE, 4) == {1: 3, 2: 2, 3: 1, 4: 1}
    nothing = dict.fromkeys(people, 0)
    assert read(values, people, SHAPE, 4, seed=b"n" * 32) == nothing
    for contributors in (1, 2, 3, 5, 8):
        assert read(values, people, SHAPE, contributors) == nothing
    for factor in (0, 2, 3, (MODULUS + 1) // 2, MODULUS - 1):
        assert read(wrapped(values * factor % MODULUS), people, SHAPE, 4) == nothing


def test_without_the_mask_key_a_sum_of_tables_is_uniform():
    """64 parts of the field over a whole table; chi-square within five deviations of sqrt(2 x 63)."""

    def excess(values):
        counts = np.bincount(((values % MODULUS) * 64 // MODULUS), minlength=64)
        expected = len(values) / 64
        return (((counts - expected) ** 2 / expected).sum() - 63) / math.sqrt(2 * 63)

    shape = TableShape(stores=6, identifiers_per_store=100)
    people = range(100)
    several = summed([people, people, set(people) - {5}], shape)
    assert abs(excess(several)) < 5
    assert abs(excess(summed([set()], shape))) < 5
    masks = 3 * masked_table([], shape, mask_seed=SEED)
    assert excess(wrapped(several - masks)) > 5  # the twin: without the mask occupied cells stand out


def test_one_cell_is_uniform_over_mask_keys_whatever_it_holds():
    """One cell, full or empty, under 4,000 mask keys: uniform both times; the twin keeps one mask."""
    shape = CrowdedShape(stores=1, cells=2)
    seeds = [hashlib.sha256(f"mask {number}".encode()).digest() for number in range(4000)]
    for people in ([person(1)], []):
        values = np.array([masked_table(people, shape, mask_seed=seed) for seed in seeds])
        for coordinate in range(shape.dimension):
            counts = np.bincount((values[:, coordinate] % MODULUS) * 16 // MODULUS, minlength=16)
            chi_square = ((counts - 250) ** 2 / 250).sum()
            assert chi_square < 15 + 5 * math.sqrt(30)
    fixed = np.array([masked_table([person(1)], shape, mask_seed=SEED)] * 4000)
    counts = np.bincount((fixed[:, 0] % MODULUS) * 16 // MODULUS, minlength=16)
    assert ((counts - 250) ** 2 / 250).sum() > 15 + 5 * math.sqrt(30)


def test_a_person_twice_in_one_shop_is_refused():
    with pytest.raises(InvalidTableError):
        masked_table([person(1), person(1)], SHAPE, mask_seed=SEED)


@pytest.mark.parametrize(
    "values",
    [np.zeros(3, dtype=np.int64), np.zeros(SHAPE.dimension), np.zeros((SHAPE.dimension, 1), dtype=np.int64)],
)
def test_tables_of_another_size_or_type_are_refused(values):
    with pytest.raises(InvalidTableError):
        read(values, [1], SHAPE, 1)


@pytest.mark.parametrize("contributors", [0, -1, 9])
def test_impossible_numbers_of_contributors_are_refused(contributors):
    with pytest.raises(InvalidTableError):
        read(summed([{1}], SHAPE), [1], SHAPE, contributors)


def test_a_table_leaves_its_arguments_as_they_were():
    values = summed([{1}], SHAPE)
    before = values.copy()
    read(values, [1], SHAPE, 1)
    assert np.array_equal(values, before)
