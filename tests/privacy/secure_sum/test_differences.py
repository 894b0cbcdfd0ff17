from __future__ import annotations

import numpy as np
import plain_secure_sum as plain
import pytest
from hypothesis import given
from hypothesis import strategies as st

from highstreet.privacy.secure_sum.differences import extrapolate
from highstreet.privacy.secure_sum.field import MODULUS

#: Zero, the ends of the field, and where 31 and 32 bits are on the edge of wrapping.
EDGES = [0, 1, 2, MODULUS // 2, MODULUS // 2 + 1, MODULUS - 2, MODULUS - 1]
ELEMENTS = st.one_of(st.sampled_from(EDGES), st.integers(0, MODULUS - 1))


def followed(rows, count, *, modulus=MODULUS):
    values = np.array(rows, dtype=np.uint32)
    following = np.empty((count, values.shape[1]), dtype=np.uint32)
    extrapolate(values, following, spare=np.empty(values.shape[1], dtype=np.uint32), modulus=modulus)
    return following.tolist()


@given(
    st.integers(1, 9).flatmap(
        lambda t: st.lists(st.lists(ELEMENTS, min_size=3, max_size=3), min_size=t, max_size=t)
    ),
    st.integers(1, 8),
)
def test_values_that_follow_are_those_of_the_interpolating_polynomial(rows, count):
    columns = [dict(enumerate(column)) for column in zip(*rows, strict=True)]
    points = range(len(rows), len(rows) + count)
    assert followed(rows, count) == [[plain.interpolated(each, at) for each in columns] for at in points]


@pytest.mark.parametrize("prime", [2, 3, 5, 13])
def test_small_fields_are_continued_too(prime):
    """Every line: f(2) = 2 f(1) - f(0) and f(3) = 3 f(1) - 2 f(0)."""
    starts = [first for first in range(prime) for _ in range(prime)]
    seconds = list(range(prime)) * prime
    pairs = list(zip(starts, seconds, strict=True))
    assert followed([starts, seconds], 2, modulus=prime) == [
        [(2 * b - a) % prime for a, b in pairs],
        [(3 * b - 2 * a) % prime for a, b in pairs],
    ]


def test_all_pairs_of_edges_are_continued_exactly():
    firsts, seconds = zip(*((a, b) for a in EDGES for b in EDGES), strict=True)
    expected = [(2 * b - a) % MODULUS for a, b in zip(firsts, seconds, strict=True)]
    assert followed([firsts, seconds], 1) == [expected]
    # The twin: without bringing results back below p, 32 bits give something else.
    with np.errstate(over="ignore"):
        careless = 2 * np.array(seconds, dtype=np.uint32) - np.array(firsts, dtype=np.uint32)
    assert (careless % np.uint32(MODULUS)).tolist() != expected
