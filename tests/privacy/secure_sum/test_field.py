from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from highstreet.privacy.secure_sum.errors import InvalidVectorError, SumRefusal, SumRefusedError
from highstreet.privacy.secure_sum.field import (
    HALF,
    MODULUS,
    centre,
    combine,
    encode,
    from_bytes,
    lagrange_coefficients,
    lies_on_combination,
    to_bytes,
)

ELEMENTS = st.integers(0, MODULUS - 1)


@given(st.lists(st.integers(-HALF, HALF), max_size=20))
def test_centring_undoes_encoding(integers):
    vector = np.array(integers, dtype=np.int64)
    encoded = encode(vector)
    assert encoded.dtype == np.uint32
    assert encoded.tolist() == [value % MODULUS for value in integers]
    assert centre(encoded).tolist() == integers


@pytest.mark.parametrize(
    "wrong",
    [
        np.array([HALF + 1]),
        np.array([0, -HALF - 1]),
        np.array([-(2**63)]),
        np.array([0.5]),
        np.array([[1]]),
        np.array([1], dtype=np.int32),
    ],
)
def test_what_does_not_fit_the_field_is_refused_and_not_wrapped(wrong):
    with pytest.raises(InvalidVectorError):
        encode(wrong)


@given(
    st.integers(1, 12).flatmap(
        lambda terms: st.tuples(
            st.lists(ELEMENTS, min_size=terms, max_size=terms),
            st.lists(st.lists(ELEMENTS, min_size=3, max_size=3), min_size=terms, max_size=terms),
        )
    )
)
def test_combining_is_exact(case):
    coefficients, rows = case
    combined = combine(coefficients, [np.array(row, dtype=np.uint32) for row in rows])
    exact = [sum(c * row[k] for c, row in zip(coefficients, rows, strict=True)) % MODULUS for k in range(3)]
    assert combined.tolist() == exact


def test_combining_the_largest_values_does_not_overflow():
    largest = np.full(70_000, MODULUS - 1, dtype=np.uint32)  # more than two parts
    combined = combine([MODULUS - 1] * 9, [largest] * 9)
    assert (combined == 9).all()  # (-1)(-1), nine times
    # The twin: without reducing on the way, 64 bits wrap around.
    with np.errstate(over="ignore"):
        careless = sum(largest.astype(np.uint64) * np.uint64(MODULUS - 1) for _ in range(9))
    assert (careless % np.uint64(MODULUS) != 9).any()


def test_a_single_different_coordinate_anywhere_is_seen():
    vectors = [np.arange(70_000, dtype=np.uint32), np.full(70_000, 5, dtype=np.uint32)]
    combined = combine([3, 4], vectors)
    assert lies_on_combination(combined, [3, 4], vectors)
    for place in (0, 40_000, 69_999):
        changed = combined.copy()
        changed[place] ^= 1
        assert not lies_on_combination(changed, [3, 4], vectors)


def test_lagrange_coefficients_by_hand():
    """f(0) = 3 f(1) - 3 f(2) + f(3) for every parabola; f(4) = -f(0) + ... for cubic sharing by hand."""
    assert lagrange_coefficients([1, 2, 3], at=0) == (3, MODULUS - 3, 1)
    # Through 0, 1, 2, 3 at 4: -1, 4, -6, 4 (the binomials).
    assert lagrange_coefficients([0, 1, 2, 3], at=4) == (MODULUS - 1, 4, MODULUS - 6, 4)


@given(st.lists(ELEMENTS, min_size=1, max_size=9), st.integers(0, 30))
def test_lagrange_coefficients_evaluate_every_polynomial(coefficients, at):
    def value(x):
        return sum(c * x**k for k, c in enumerate(coefficients)) % MODULUS

    points = range(1, len(coefficients) + 1)
    found = sum(c * value(x) for c, x in zip(lagrange_coefficients(points, at=at), points, strict=True))
    assert found % MODULUS == value(at)


def test_bytes_are_little_endian_and_come_back():
    vector = np.array([1, MODULUS - 1], dtype=np.uint32)
    assert to_bytes(vector).hex() == "01000000feffff7f"
    assert from_bytes(to_bytes(vector), dimension=2).tolist() == vector.tolist()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (bytes(7), SumRefusal.BOX_SIZE),
        (bytes(12), SumRefusal.BOX_SIZE),
        (b"\0\0\0\0\xff\xff\xff\x7f", SumRefusal.SHARE_RANGE),  # p
        (b"\0\0\0\0\xff\xff\xff\xff", SumRefusal.SHARE_RANGE),
    ],
)
def test_bytes_that_are_no_vector_are_refused(data, code):
    with pytest.raises(SumRefusedError) as refused:
        from_bytes(data, dimension=2)
    assert refused.value.code is code
