from __future__ import annotations

import ast
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2, norm

from highstreet.privacy import discrete_gaussian as sampler
from highstreet.privacy import noise
from highstreet.privacy.discrete_gaussian import discrete_gaussians
from highstreet.privacy.errors import InvalidReleaseError
from highstreet.privacy.noise import SecureNoise, SeededNoise, standard_normals

#: A chi-square or a deviation as rare as this fails: about one seed in two million.
RARE = 5e-7


def pmf(b, reach=12):
    """The definition: exp(-x^2 / 2 sigma^2), normalised by direct summation."""
    x = np.arange(-reach * 2**b, reach * 2**b + 1)
    weights = np.exp(-(x.astype(float) ** 2) / (2 * 4.0**b))
    return x, weights / weights.sum()


def chi_square_over_critical(draws, support, probabilities):
    """The chi-square of the draws over its critical value, cells with less than 10 expected pooled."""
    n = len(draws)
    counts = np.bincount(np.clip(draws, support[0], support[-1]) - support[0], minlength=len(support))
    common = probabilities * n >= 10
    observed = np.append(counts[common], counts[~common].sum())
    expected = np.append(probabilities[common], probabilities[~common].sum()) * n
    statistic = ((observed - expected) ** 2 / expected).sum()
    return statistic / chi2.isf(RARE, len(expected) - 1)


@pytest.mark.parametrize("b", [0, 1, 2, 3, 5])
def test_samples_have_the_exact_distribution(b):
    draws = discrete_gaussians(SeededNoise(11 + b), 300_000, log2_stddev=b)
    assert chi_square_over_critical(draws, *pmf(b)) < 1


def test_a_rounded_normal_is_told_from_a_discrete_gaussian():
    draws = np.rint(standard_normals(SeededNoise(12), 300_000)).astype(np.int64)
    assert chi_square_over_critical(draws, *pmf(0)) > 1


def test_a_stddev_two_percent_off_is_seen():
    # The normal's rounding adds 1/12 to a variance of 64; the twin is otherwise as good as it gets.
    normals = standard_normals(SeededNoise(13), 300_000)
    right = np.rint(normals * math.sqrt(64 - 1 / 12)).astype(np.int64)
    assert chi_square_over_critical(right, *pmf(3)) < 1
    assert chi_square_over_critical(np.rint(normals * 8 * 1.02).astype(np.int64), *pmf(3)) > 1


@pytest.mark.parametrize("b", [10, 17, 24])
def test_at_a_large_stddev_bins_variance_and_kurtosis_are_those_of_a_gaussian(b):
    """Cells end half-way between integers, where normal and sum of integers differ by less than 2^-20."""
    n, cells = 400_000, 200
    scaled = discrete_gaussians(SeededNoise(20 + b), n, log2_stddev=b) / 2.0**b
    edges = (np.floor(norm.ppf(np.arange(1, cells) / cells) * 2**b) + 0.5) / 2**b
    expected = n * np.diff(norm.cdf(edges), prepend=0.0, append=1.0)

    def misfit(values):
        counts = np.bincount(np.searchsorted(edges, values), minlength=cells)
        return ((counts - expected) ** 2 / expected).sum() / chi2.isf(RARE, cells - 1)

    assert misfit(scaled) < 1
    assert misfit(1.02 * scaled) > 1

    # Five standard errors: the variance of x is 1, of x^2 is 2, of x^4 is 105 - 9 = 96.
    assert abs(scaled.mean()) < 5 / math.sqrt(n)
    for power, moment, variance in ((2, 1, 2), (4, 3, 96)):
        tolerance = 5 * math.sqrt(variance / n)
        assert abs((scaled**power).mean() - moment) < tolerance
        assert abs(((1.02 * scaled) ** power).mean() - moment) > tolerance


def test_the_proposals_alone_are_no_gaussian():
    """Without the last acceptance the samples are Laplace: E x^4 = 24 in place of 3."""
    n = 200_000
    size, _ = sampler._laplace_sizes(SeededNoise(5), n, 12)
    # The eighth moment of a Laplace is 8! = 40,320, so that of x^4 has variance 40,320 - 24^2.
    tolerance = 5 * math.sqrt(40_320 / len(size))
    assert abs(((size / 2.0**12) ** 4).mean() - 24) < tolerance
    assert 24 - tolerance > 3


def test_the_lowest_bits_are_uniform_and_independent_of_the_sign():
    n = 320_000
    draws = discrete_gaussians(SeededNoise(31), n, log2_stddev=14)

    def misfit(values):
        counts = np.bincount((values & 15) * 2 + (values < 0), minlength=32)
        return ((counts - n / 32) ** 2).sum() / (n / 32) / chi2.isf(RARE, 31)

    assert misfit(draws) < 1
    assert misfit(draws >> 1 << 1) > 1  # noise without its last bit


def test_neighbouring_samples_are_independent():
    n = 400_000
    draws = discrete_gaussians(SeededNoise(32), n, log2_stddev=9) / 2.0**9

    def correlations(values):
        return [
            np.mean(values[1:] * values[:-1]),
            np.mean((values[1:] ** 2 - 1) * (values[:-1] ** 2 - 1)) / 2,
            np.mean(values[1:] * np.sign(values[:-1])),
        ]

    assert np.abs(correlations(draws)).max() < 5 / math.sqrt(n)
    sorted_by_pairs = np.sort(draws.reshape(-1, 2), axis=1).ravel()
    assert np.abs(correlations(sorted_by_pairs)).max() > 5 / math.sqrt(n)


@pytest.mark.parametrize("q", [1, 7, 49])
def test_exponential_trials_succeed_as_often_as_the_exponential_says(q):
    n = 200_000
    for eighths in (0, 1, 4, 7, 8):
        numerators = np.full(n, (eighths << q) // 8, dtype=np.uint64)
        expected = math.exp(-float(numerators[0]) / 2**q)
        share = sampler._exponential_trials(SeededNoise(eighths), numerators, q).mean()
        # Five standard errors; where the answer is certain there is no error at all.
        assert abs(share - expected) <= 5 * math.sqrt(expected * (1 - expected) / n)
        assert abs(share - expected + 0.01) > 5 * math.sqrt(expected * (1 - expected) / n)


def test_a_factor_of_one_over_e_is_one_over_e():
    n = 400_000
    share = sampler._inverse_e_trials(SeededNoise(6), n).mean()
    tolerance = 5 * math.sqrt(math.exp(-1) * (1 - math.exp(-1)) / n)
    assert abs(share - math.exp(-1)) < tolerance
    assert abs(share - 3 / 8) > tolerance  # the series cut after four terms


class Words:
    """A source that returns chosen 64-bit numbers, each once, in arrays nobody can write to."""

    def __init__(self, *numbers):
        self.numbers = list(numbers)

    def uint64s(self, count):
        taken, self.numbers = self.numbers[:count], self.numbers[count:]
        assert len(taken) == count
        return np.frombuffer(np.array(taken, dtype="<u8").tobytes(), dtype="<u8")


@pytest.mark.parametrize("denominator", [2, 3, 5 << 7, 7 << 49, (1 << 63) - 25])
def test_a_ratio_trial_counts_exactly_its_share_of_the_words(denominator):
    """The words that succeed are 0 .. a unit - 1, those drawn anew start at unit * denominator."""
    unit = 2**64 // denominator
    for a in (0, 1, denominator // 2, denominator - 1, denominator):
        cases = [
            (0, a > 0),
            (a * unit - 1, True),
            (a * unit, False),
            (unit * denominator - 1, a == denominator),
        ]
        for word, succeeds in cases:
            if 0 <= word < unit * denominator:
                trial = sampler._ratio_trials(Words(word), np.array([a], dtype=np.uint64), denominator)
                assert trial.tolist() == [succeeds]


def test_words_beyond_the_last_multiple_are_drawn_anew_until_they_fit():
    end = 2**64 // 3 * 3
    assert end == 2**64 - 1
    source = Words(end, 0, end, end, 2**63)
    # The first word is replaced three times; with it kept, or reduced, it would count as a success.
    trials = sampler._ratio_trials(source, np.array([1, 1], dtype=np.uint64), 3)
    assert trials.tolist() == [False, True]
    assert source.numbers == []


def test_sizes_beyond_int64_are_dropped_and_never_wrap(monkeypatch):
    monkeypatch.setattr(sampler, "_geometrics", lambda _, count: np.full(count, 2**38))
    size, _ = sampler._laplace_sizes(SeededNoise(1), 1000, 24)
    assert size.size == 0
    monkeypatch.setattr(sampler, "_geometrics", lambda _, count: np.full(count, 127))
    size, _ = sampler._laplace_sizes(SeededNoise(1), 1000, 24)
    assert size.size > 500  # exp(-U / t) keeps 63 %
    assert 127 * 2**24 <= size.min() <= size.max() < 2**31


def test_the_largest_exponent_is_computed_without_overflow(monkeypatch):
    largest = 2**31 - 1
    seen = []
    monkeypatch.setattr(
        sampler, "_laplace_sizes", lambda *_: (np.array([largest, 0]), np.array([False, False]))
    )
    monkeypatch.setattr(
        sampler, "_exponential_trials", lambda _, a, q: (seen.extend([*a.tolist(), q]), a >= 0)[1]
    )
    monkeypatch.setattr(sampler, "_inverse_e_trials", lambda _, n: (seen.append(n), np.ones(n, bool))[1])
    assert sampler._accepted(SeededNoise(1), 2, 24).tolist() == [largest, 0]
    exponent = (largest - 2**24) ** 2
    assert seen[:3] == [exponent % 2**49, 2**48, 49]
    assert len(seen) - 3 == exponent // 2**49  # one factor of 1/e for each whole unit


def test_the_sampler_holds_no_floating_point():
    floating = {"exp", "log", "log2", "sqrt", "float64", "float32", "random", "normal", "ndtri", "float"}

    def uses(path):
        for node in ast.walk(ast.parse(Path(path).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, float):
                yield node.value
            if isinstance(node, ast.Div):
                yield "/"
            name = getattr(node, "attr", getattr(node, "id", None))
            if name in floating:
                yield name

    assert list(uses(sampler.__file__)) == []
    assert {"ndtri", "float64", 0.5} <= set(uses(noise.__file__))  # the twin: what the check can see


@pytest.mark.parametrize("count", [0, 1, 2, (1 << 16) + 1])
def test_as_many_integers_come_as_were_asked_for(count):
    for source in (SecureNoise(), SeededNoise(3)):
        draws = discrete_gaussians(source, count, log2_stddev=4)
        assert draws.shape == (count,)
        assert draws.dtype == np.int64


def test_the_same_seed_gives_the_same_noise_and_secure_noise_never():
    one, other = (discrete_gaussians(SeededNoise(4), 50, log2_stddev=20) for _ in range(2))
    assert np.array_equal(one, other)
    source = SecureNoise()
    drawn = [discrete_gaussians(source, 50, log2_stddev=20) for _ in range(2)]
    # Two noises of 50 numbers at sigma 2^20 are equal with probability below 2^-1000.
    assert not np.array_equal(*drawn)


@pytest.mark.parametrize(("count", "b"), [(1, -1), (1, 25), (-1, 3)])
def test_a_stddev_or_a_count_out_of_range_is_refused(count, b):
    with pytest.raises(InvalidReleaseError):
        discrete_gaussians(SecureNoise(), count, log2_stddev=b)
