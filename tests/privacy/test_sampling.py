from __future__ import annotations

import numpy as np
import pytest

from highstreet.privacy.errors import InvalidReleaseError
from highstreet.privacy.noise import SecureNoise, SeededNoise
from highstreet.privacy.sampling import poisson_sample


def test_everybody_takes_part_at_rate_one_and_nothing_is_drawn():
    source, untouched = SeededNoise(1), SeededNoise(1)
    assert poisson_sample(4, sampling_rate=1.0, source=source).tolist() == [0, 1, 2, 3]
    assert source.uint64s(1) == untouched.uint64s(1)


def test_each_customer_takes_part_at_the_stated_rate_and_on_its_own():
    n, rate = 400_000, 0.25
    drawn = np.zeros(n, dtype=bool)
    drawn[poisson_sample(n, sampling_rate=rate, source=SeededNoise(5))] = True
    tolerance = 5 * np.sqrt(rate * (1 - rate) / n)
    assert abs(drawn.mean() - rate) < tolerance
    assert abs(drawn.mean() - 1.02 * rate) > tolerance
    neighbours = np.mean(drawn[1:] & drawn[:-1])
    assert abs(neighbours - rate**2) < 5 * np.sqrt(3 * rate**2 / n)


def test_the_number_drawn_varies_as_a_poisson_sample_must():
    # Fixed-size sampling would have variance 0; a binomial has n q (1 - q) = 18.75, here from 4,000 draws.
    source, rounds = SeededNoise(6), 4000
    sizes = np.array([len(poisson_sample(100, sampling_rate=0.25, source=source)) for _ in range(rounds)])
    expected = 100 * 0.25 * 0.75
    tolerance = 5 * expected * np.sqrt(2 / rounds)
    assert abs(sizes.var() - expected) < tolerance
    assert abs(0 - expected) > tolerance


def test_an_empty_shop_and_an_empty_sample_are_answers():
    assert len(poisson_sample(0, sampling_rate=0.5, source=SecureNoise())) == 0
    assert len(poisson_sample(5, sampling_rate=2.0**-64, source=SeededNoise(2))) == 0


class Fixed:
    def __init__(self, value):
        self.value = value

    def uint64s(self, count):
        return np.full(count, self.value, dtype=np.uint64)


def test_the_chance_is_the_rate_rounded_down_to_the_last_of_64_bits():
    half = 2**63
    assert len(poisson_sample(1, sampling_rate=0.5, source=Fixed(half - 1))) == 1
    assert len(poisson_sample(1, sampling_rate=0.5, source=Fixed(half))) == 0
    almost = float(np.nextafter(1.0, 0.0))
    assert len(poisson_sample(1, sampling_rate=almost, source=Fixed(2**64 - 1))) == 0


@pytest.mark.parametrize("rate", [0.0, -0.1, 1.1, float("nan")])
def test_a_rate_out_of_range_is_refused(rate):
    with pytest.raises(InvalidReleaseError):
        poisson_sample(3, sampling_rate=rate, source=SecureNoise())
