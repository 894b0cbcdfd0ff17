from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from highstreet.privacy.secure_sum.errors import InvalidVectorError, SumRefusal, SumRefusedError
from highstreet.privacy.secure_sum.field import (
    HALF,
    MODULUS,
    PART,
    add,
    bytes_of,
    centre,
    encode,
    from_bytes,
    lagrange_coefficients,
    subtract,
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


def test_the_ends_of_the_range_are_encoded_and_centred():
    ends = np.array([0, 1, -1, HALF, -HALF])
    assert encode(ends).tolist() == [0, 1, MODULUS - 1, HALF, MODULUS - HALF]
    assert centre(encode(ends)).tolist() == ends.tolist()


@given(
    st.lists(
        st.tuples(
            st.one_of(st.sampled_from([0, 1, MODULUS - 1]), ELEMENTS),
            st.one_of(st.sampled_from([0, 1, MODULUS - 1]), ELEMENTS),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_adding_and_subtracting_are_those_of_the_field(pairs):
    first, second = (np.array(column, dtype=np.uint32) for column in zip(*pairs, strict=True))
    out, spare = np.empty_like(first), np.empty_like(first)
    add(first, second, out=out, spare=spare)
    assert out.tolist() == [(a + b) % MODULUS for a, b in pairs]
    subtract(first, second, out=out, spare=spare)
    assert out.tolist() == [(a - b) % MODULUS for a, b in pairs]
    add(first, second, out=first, spare=spare)  # onto one of the two
    assert first.tolist() == [(a + b) % MODULUS for a, b in pairs]


def test_the_view_of_a_vector_has_the_bytes_of_its_copy():
    matrix = np.arange(12, dtype=np.uint32).reshape(2, 6)
    assert bytes(bytes_of(matrix[1])) == to_bytes(matrix[1])
    assert from_bytes(bytes_of(matrix[1]), dimension=6).tolist() == matrix[1].tolist()


@pytest.mark.parametrize("value", [MODULUS, MODULUS + 1, 2**31, 2**32 - 1])
@pytest.mark.parametrize("place", [0, PART - 1, PART, 2 * PART])
def test_one_value_outside_the_field_is_seen_wherever_it_is(place, value):
    vector = np.full(2 * PART + 1, MODULUS - 1, dtype=np.uint32)
    assert np.array_equal(from_bytes(memoryview(to_bytes(vector)), dimension=len(vector)), vector)
    vector[place] = value
    with pytest.raises(SumRefusedError) as refused:
        from_bytes(memoryview(to_bytes(vector)), dimension=len(vector))
    assert refused.value.code is SumRefusal.SHARE_RANGE


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
