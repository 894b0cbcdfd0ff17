"""The table's shape: public, large enough, and with receipts enough."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from highstreet.privacy.matching.errors import InvalidMatchingError
from highstreet.privacy.matching.shape import RECEIPTS, TableShape
from highstreet.privacy.secure_sum.limits import MAX_DIMENSION

SHAPES = [
    (1, 1),
    (3, 1),
    (3, 5),
    (6, 200),
    (20, 200),
    (108, 200),
    (108, 2000),
    (1024, 60),
    (4, 65534),
    (16, 32708),
]


def all_receipts_collide(shape, receipts):
    """A bound on the chance that no receipt is alone in its cell in either row (docs/matching.md, section 4).

    T of the receipts meet receipts only; at least half of those come into a cell where one was before. The
    others meet one of the other entries. Rows are independent.
    """
    meets_other = Fraction(shape.entries, shape.cells)
    meets_receipt = Fraction(receipts, shape.cells)
    row = Fraction(0)
    for among_themselves in range(receipts + 1):
        later = math.ceil(among_themselves / 2)
        row += (
            math.comb(receipts, among_themselves)
            * meets_other ** (receipts - among_themselves)
            * math.comb(among_themselves, later)
            * meets_receipt**later
        )
    return row**2


@pytest.mark.parametrize(("stores", "identifiers"), SHAPES)
def test_all_receipts_collide_with_a_chance_below_two_to_the_minus_20(stores, identifiers):
    shape = TableShape(stores=stores, identifiers_per_store=identifiers)
    assert all_receipts_collide(shape, RECEIPTS) < Fraction(1, 2**20)
    assert shape.dimension == 4 * shape.cells <= MAX_DIMENSION
    assert shape.cells >= 2 * shape.entries


def test_the_tightest_table_there_can_be_needs_eleven_receipts():
    """Two cells for each entry, the least allowed; the twin: ten would not do, nor one identifier more."""
    shape = TableShape(stores=16, identifiers_per_store=32_708)
    assert shape.cells == 2 * shape.entries == MAX_DIMENSION // 4
    assert all_receipts_collide(shape, 10) > Fraction(1, 2**20)
    assert all_receipts_collide(shape, 11) < Fraction(1, 2**20)
    with pytest.raises(InvalidMatchingError):
        TableShape(stores=16, identifiers_per_store=32_709)


@pytest.mark.parametrize(
    ("stores", "identifiers"), [(0, 1), (1, 0), (1025, 1), (1, 65535), (1024, 65534), (108, 5000)]
)
def test_tables_that_cannot_be_are_refused(stores, identifiers):
    with pytest.raises(InvalidMatchingError):
        TableShape(stores=stores, identifiers_per_store=identifiers)


def test_a_co_op_of_108_shops_with_200_identifiers_each():
    shape = TableShape(stores=108, identifiers_per_store=200)
    assert (shape.entries, shape.cells, shape.dimension) == (28_080, 224_640, 898_560)
