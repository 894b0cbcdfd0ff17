"""The table's shape: public, large enough, with receipts enough, and where one person hardly moves others."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from highstreet.privacy.matching.errors import InvalidMatchingError
from highstreet.privacy.matching.shape import CELLS_PER_ENTRY, LEAST_ROWS, MOST_ROWS, RECEIPTS, TableShape
from highstreet.privacy.secure_sum.limits import CONTRIBUTION_LIMIT_BYTES, MAX_DIMENSION

SHAPES = [
    (1, 1),
    (3, 1),
    (3, 5),
    (6, 200),
    (20, 200),
    (108, 200),
    (1024, 60),
    (4, 32_708),
    (2, 65_476),
]


def all_receipts_collide(shape, receipts, *, rows):
    """The chance that no receipt is alone in its cell in any row, the others in as many cells as can be.

    Some receipts come into the others' cells; the rest into free ones, none of which then has exactly one:
    over the sets of cells with one, by inclusion and exclusion. Rows are independent.
    """
    others = shape.entries - receipts
    free = shape.cells - others
    row = sum(
        math.comb(receipts, spared)
        * others ** (receipts - spared)
        * sum(
            (-1) ** singles
            * math.comb(free, singles)
            * math.perm(spared, singles)
            * (free - singles) ** (spared - singles)
            for singles in range(spared + 1)
        )
        for spared in range(receipts + 1)
    )
    return Fraction(row, shape.cells**receipts) ** rows


def expected_changes(entries, cells, rows):
    """How many others are expected to change when one is taken out of so many entries, exactly.

    Another is unknown with the one where each row has one of entries - 1 others in its cell, without where
    each has one of entries - 2; and who is known with the one is known without.
    """
    with_one, without = (1 - (1 - Fraction(1, cells)) ** others for others in (entries - 1, entries - 2))
    return (entries - 1) * (with_one**rows - without**rows)


@pytest.mark.parametrize(("stores", "identifiers"), SHAPES)
def test_all_receipts_collide_with_a_chance_below_two_to_the_minus_20(stores, identifiers):
    shape = TableShape(stores=stores, identifiers_per_store=identifiers)
    assert all_receipts_collide(shape, RECEIPTS, rows=LEAST_ROWS) < Fraction(1, 2**20)
    assert all_receipts_collide(shape, 1, rows=LEAST_ROWS) > Fraction(1, 2**20)  # the twin: one would not do
    assert shape.cells == CELLS_PER_ENTRY * shape.entries
    assert shape.dimension == 2 * shape.rows * shape.cells <= MAX_DIMENSION


@pytest.mark.parametrize(("stores", "identifiers"), SHAPES)
def test_rows_are_as_many_as_there_is_room_for_up_to_the_most_and_from_the_least_on(stores, identifiers):
    shape = TableShape(stores=stores, identifiers_per_store=identifiers)

    def fits(rows):
        dimension = rows * shape.cells * 2
        return dimension <= MAX_DIMENSION and stores * (4 * dimension + 2048) <= CONTRIBUTION_LIMIT_BYTES

    assert LEAST_ROWS <= shape.rows <= MOST_ROWS
    assert shape.rows == MOST_ROWS or not fits(shape.rows + 1)
    assert shape.rows == LEAST_ROWS or fits(shape.rows)


def test_the_largest_table_there_can_be_has_the_fewest_rows_and_one_identifier_more_is_refused():
    shape = TableShape(stores=4, identifiers_per_store=32_708)
    assert (shape.rows, shape.dimension) == (LEAST_ROWS, MAX_DIMENSION)
    with pytest.raises(InvalidMatchingError):
        TableShape(stores=4, identifiers_per_store=32_709)


@pytest.mark.parametrize("rows", [LEAST_ROWS, 12, MOST_ROWS])
@pytest.mark.parametrize("entries", [61, 400])
def test_one_person_changes_others_more_rarely_than_the_bound_says(rows, entries):
    """The exact expectation at full load and below; the twins: a row less, or twice the entries."""
    shape = next(
        shape
        for shape in (TableShape(stores=n, identifiers_per_store=200) for n in range(1, 100))
        if shape.rows == rows
    )
    cells = CELLS_PER_ENTRY * entries
    expected = expected_changes(entries, cells, rows)
    assert expected < shape.influence
    assert all(expected_changes(fewer, cells, rows) < expected for fewer in (2, 10, entries - 1))
    assert expected_changes(entries, cells, rows - 1) > shape.influence
    assert entries < 400 or expected * Fraction(11, 10) > shape.influence  # and it is near
    assert expected_changes(2 * entries, cells, rows) > shape.influence


def test_eighteen_rows_are_the_fewest_for_two_to_the_minus_20():
    shape = TableShape(stores=6, identifiers_per_store=200)
    assert shape.rows == MOST_ROWS
    assert shape.influence < Fraction(1, 2**20)
    assert expected_changes(shape.entries, shape.cells, MOST_ROWS - 1) > Fraction(1, 2**20)
    assert TableShape(stores=40, identifiers_per_store=200).influence > Fraction(1, 2**20)  # ten rows


def test_no_other_number_of_cells_makes_a_table_smaller_by_a_thirtieth():
    """Over rows and cells an entry, at 400 entries: the fewest cells in all whose influence is as small."""
    entries, smallest = 400, math.inf
    for rows in range(4, 40):
        low, high = 1, 64 * entries
        while high - low > 1:
            cells = (low + high) // 2
            taken, without = (
                -math.expm1(others * math.log1p(-1 / cells)) for others in (entries - 1, entries - 2)
            )
            if (entries - 1) * (taken**rows - without**rows) <= 2**-20:
                high = cells
            else:
                low = cells
        smallest = min(smallest, rows * high)
    assert 0.96 * MOST_ROWS * CELLS_PER_ENTRY * entries < smallest <= MOST_ROWS * CELLS_PER_ENTRY * entries


@pytest.mark.parametrize(
    ("stores", "identifiers"), [(0, 1), (1, 0), (1025, 1), (1, 65535), (1024, 65534), (108, 5000)]
)
def test_tables_that_cannot_be_are_refused(stores, identifiers):
    with pytest.raises(InvalidMatchingError):
        TableShape(stores=stores, identifiers_per_store=identifiers)


def test_a_co_op_of_108_shops_with_200_identifiers_each():
    shape = TableShape(stores=108, identifiers_per_store=200)
    assert (shape.entries, shape.cells, shape.dimension) == (28_080, 56_160, 898_560)
