"""A row's bits do not depend on which rows are beside it."""

from __future__ import annotations

import numpy as np
import pytest

from highstreet.models.popularity import unit_rows
from highstreet.models.rowwise import row_products


@pytest.mark.parametrize("width", [1, 7, 50, 150])
def test_a_row_is_the_same_bits_alone_in_a_chunk_and_at_any_place(width: int) -> None:
    generator = np.random.default_rng(width)
    # Columns that cancel: the last bits are what is left.
    matrix = generator.permuted(np.where(np.arange(width) % 2, 0.7, -0.7)[:, None].repeat(width, 1), axis=0)
    matrix = (matrix * 1e16).astype(np.float32)
    rows = generator.random((64, width)) + 1.0
    whole = row_products(rows, matrix)
    for start, stop in ((0, 1), (1, 64), (5, 36), (63, 64), (0, 31), (2, 2)):
        assert np.array_equal(row_products(rows[start:stop], matrix), whole[start:stop])
    assert np.allclose(whole, rows @ matrix.astype(np.float64), atol=1e16 * width * 1e-14)


def test_unit_rows_are_the_same_bits_alone_whatever_the_order_in_memory() -> None:
    rows = np.asfortranarray(np.random.default_rng(0).random((33, 301)))
    whole = unit_rows(rows)
    for row in range(33):
        assert np.array_equal(unit_rows(rows[row : row + 1]), whole[row : row + 1])
