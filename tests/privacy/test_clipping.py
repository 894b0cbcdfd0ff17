from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from highstreet.privacy.clipping import clip_rows, clipped_row_sum
from highstreet.privacy.errors import InvalidReleaseError, InvalidRowsError, NonFiniteRowsError
from highstreet.privacy.summing import MAX_CUSTOMERS, ROUNDING_SLACK, compensated_sum

FINITE = st.floats(allow_nan=False, allow_infinity=False)
TABLES = hnp.arrays(np.float64, st.tuples(st.integers(0, 6), st.integers(1, 5)), elements=FINITE)
NORMS = st.floats(1e-100, 1e100)


def exact_norm_squared(row):
    return sum(Fraction(float(entry)) ** 2 for entry in row)


@settings(max_examples=300, deadline=None)
@given(TABLES, NORMS)
def test_no_clipped_row_is_longer_than_the_clipping_norm_not_even_by_rounding(rows, clipping_norm):
    for row in clip_rows(rows, clipping_norm=clipping_norm):
        assert exact_norm_squared(row) <= Fraction(clipping_norm) ** 2


def test_ordinary_rows_end_within_a_rounding_of_the_clipping_norm():
    rows = np.random.default_rng(7).normal(size=(500, 40))
    clipped = clip_rows(rows, clipping_norm=0.7)
    for row in clipped:
        assert Fraction(0.7) ** 2 * (1 - Fraction(1, 10**12)) <= exact_norm_squared(row) <= Fraction(0.7) ** 2
    # The twin: plain scaling by C / norm does go over the bound in some of these rows.
    plain = rows * (0.7 / np.linalg.norm(rows, axis=1))[:, None]
    assert any(exact_norm_squared(row) > Fraction(0.7) ** 2 for row in plain)


@settings(max_examples=100, deadline=None)
@given(TABLES, NORMS)
def test_short_rows_are_left_alone_and_the_caller_keeps_its_array(rows, clipping_norm):
    before = rows.copy()
    clipped = clip_rows(rows, clipping_norm=clipping_norm)
    assert np.array_equal(rows, before)
    for row, kept in zip(rows, clipped, strict=True):
        if exact_norm_squared(row) <= (Fraction(clipping_norm) * (1 - Fraction(1, 2**45))) ** 2:
            assert np.array_equal(row, kept)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_row_that_is_not_finite_is_refused(value):
    rows = np.zeros((3, 2))
    rows[1, 1] = value
    with pytest.raises(NonFiniteRowsError):
        clip_rows(rows, clipping_norm=1.0)


@pytest.mark.parametrize("clipping_norm", [0.0, -1.0, np.nan, np.inf])
def test_a_clipping_norm_that_bounds_nothing_is_refused(clipping_norm):
    with pytest.raises(InvalidReleaseError):
        clip_rows(np.zeros((1, 2)), clipping_norm=clipping_norm)


def test_rows_of_another_shape_are_refused():
    with pytest.raises(InvalidRowsError):
        clip_rows(np.zeros(3), clipping_norm=1.0)
    with pytest.raises(InvalidRowsError):
        clipped_row_sum([np.zeros((2, 3))], dimension=2, clipping_norm=1.0)


def test_no_rows_sum_to_zeros():
    for chunks in ([], [np.zeros((0, 3))]):
        assert clipped_row_sum(chunks, dimension=3, clipping_norm=1.0).tolist() == [0, 0, 0]


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(np.float64, st.tuples(st.integers(1, 12), st.just(4)), elements=st.floats(-1e6, 1e6)),
    st.floats(1e-3, 1e3),
    st.integers(1, 5),
)
def test_removing_any_row_moves_the_sum_by_at_most_the_clipping_norm(rows, clipping_norm, chunk):
    def total(table):
        chunks = [table[i : i + chunk] for i in range(0, len(table), chunk)]
        return clipped_row_sum(chunks, dimension=4, clipping_norm=clipping_norm)

    whole = total(rows)
    for gone in range(len(rows)):
        change = np.linalg.norm(whole - total(np.delete(rows, gone, axis=0)))
        assert change <= clipping_norm * (1 + ROUNDING_SLACK)


def test_the_sum_does_not_lose_small_rows_among_large_ones():
    # 5,000 rows of 1e-12 beside one of 1: a running float64 sum rounds each of them to a multiple of 2.2e-16.
    chunks = [np.full((1, 1), 1.0), *[np.full((1, 1), 1e-12)] * 5_000]
    total = clipped_row_sum(chunks, dimension=1, clipping_norm=2.0)[0]
    assert abs((total - 1) - 5e-9) < 3e-16
    plain = 0.0
    for chunk in chunks:
        plain += float(chunk[0, 0])
    assert abs((plain - 1) - 5e-9) > 1e-14


def test_a_sum_over_more_customers_than_proven_for_is_refused():
    with pytest.raises(InvalidRowsError):
        compensated_sum([(MAX_CUSTOMERS, np.zeros(1)), (1, np.zeros(1))], dimension=1)


def test_a_sum_that_is_not_finite_is_refused():
    with pytest.raises(NonFiniteRowsError):
        compensated_sum([(1, np.array([np.nan]))], dimension=1)
