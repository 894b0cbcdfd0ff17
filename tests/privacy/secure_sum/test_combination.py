from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from highstreet.privacy.secure_sum.combination import combine, lies_on_combination
from highstreet.privacy.secure_sum.field import MODULUS, PART

ELEMENTS = st.one_of(
    st.sampled_from([0, 1, MODULUS // 2, MODULUS // 2 + 1, MODULUS - 1]), st.integers(0, MODULUS - 1)
)


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
    largest = np.full(2 * PART + 9, MODULUS - 1, dtype=np.uint32)  # more than two parts
    combined = combine([MODULUS - 1] * 9, [largest] * 9)
    assert (combined == 9).all()  # (-1)(-1), nine times
    # The twin: without reducing on the way, 64 bits wrap around.
    with np.errstate(over="ignore"):
        careless = sum(largest.astype(np.uint64) * np.uint64(MODULUS - 1) for _ in range(9))
    assert (careless % np.uint64(MODULUS) != 9).any()


def test_a_single_different_coordinate_anywhere_is_seen():
    d = 2 * PART + 9
    vectors = [np.arange(d, dtype=np.uint32), np.full(d, 5, dtype=np.uint32)]
    combined = combine([3, 4], vectors)
    assert lies_on_combination(combined, [3, 4], vectors)
    for place in (0, PART, d - 1):
        changed = combined.copy()
        changed[place] ^= 1
        assert not lies_on_combination(changed, [3, 4], vectors)


def test_coefficients_near_zero_from_both_sides_are_exact_at_the_ends_of_the_field():
    """-c is p - c: those a sharing among neighbouring points has."""
    largest, smallest = np.full(5, MODULUS - 1, dtype=np.uint32), np.zeros(5, dtype=np.uint32)
    coefficients = [MODULUS - 126, 126, MODULUS - 1]
    assert (combine(coefficients, [largest, smallest, smallest]) == 126).all()
    assert (combine(coefficients, [smallest, largest, smallest]) == MODULUS - 126).all()
    assert (combine(coefficients, [largest, largest, largest]) == 1).all()
