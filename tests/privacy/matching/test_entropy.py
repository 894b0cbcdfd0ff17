"""Choices by chance: uniform, complete, from the given bytes alone."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest

from highstreet.privacy.matching.entropy import drawn, drawn_below, drawn_sample
from highstreet.privacy.matching.errors import InvalidMatchingError


def test_a_source_that_gives_another_number_of_bytes_is_refused():
    for wrong in (lambda count: bytes(count - 1), lambda count: bytes(count + 1)):
        with pytest.raises(InvalidMatchingError):
            drawn(wrong, 8)


def test_numbers_below_a_bound_are_exactly_uniform():
    """Every value of the one byte that decides, tried in turn: those over the bound are drawn anew."""
    for bound in (1, 2, 3, 5, 8, 100, 255, 256):
        counts = Counter()
        for byte in range(256):
            stream = iter([byte, 0])
            try:
                counts[drawn_below(lambda count, stream=stream: bytes([next(stream)]), bound)] += 1
            except StopIteration:
                continue
        first_tries = Counter({value: 256 // 2 ** max(1, (bound - 1).bit_length()) for value in range(bound)})
        rejected = 256 - sum(first_tries.values())
        first_tries[0] += rejected  # the second byte here is always 0
        assert counts == first_tries


def test_samples_of_two_from_four_are_equally_likely_in_every_order():
    generator = np.random.default_rng(5)
    draws = 24_000
    seen = Counter(tuple(drawn_sample(generator.bytes, "abcd", 2)) for _ in range(draws))
    assert set(seen) == set(itertools.permutations("abcd", 2))
    # 12 outcomes: chi-square with 11 degrees of freedom, five standard deviations.
    chi_square = sum((count - draws / 12) ** 2 / (draws / 12) for count in seen.values())
    assert chi_square < 11 + 5 * math.sqrt(22)
    biased = Counter(tuple(sorted(pair)) for pair in seen.elements())
    assert sum((biased[pair] - draws / 12) ** 2 / (draws / 12) for pair in seen) > 11 + 5 * math.sqrt(22)
