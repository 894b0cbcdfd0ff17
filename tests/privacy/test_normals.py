from __future__ import annotations

import os

import numpy as np
import pytest
from scipy.stats import kstest, norm

from highstreet.privacy import normals as module
from highstreet.privacy.errors import ForkedNoiseError, InvalidRowsError
from highstreet.privacy.noise import SecureNoise, SeededNoise, require_secure
from highstreet.privacy.normals import BLOCK, keyed_normals

MANY = 3 * BLOCK + 12_345


def drawn(source, count, threads=None):
    numbers = np.empty(count, np.float32)
    with keyed_normals(source, threads=threads) as normals:
        normals.fill(numbers)
    return numbers


class Words:
    """A cipher whose keystream is chosen: stands in for AES in the tests of the formula."""

    def __init__(self, words, later):
        self.words, self.later = np.asarray(words, dtype="<u4"), np.asarray(later, dtype="<u4")

    def encryptor(self):
        return self

    def update_into(self, zeros, out):
        out[:] = self.words.tobytes()[: len(zeros)]

    def update(self, zeros):
        return self.later.tobytes()[: len(zeros)]


def from_words(monkeypatch, upper, turns, lower):
    """The normals made of these words, in pairs."""
    monkeypatch.setattr(module, "Cipher", lambda *_: Words(np.concatenate([upper, turns]), lower))
    return drawn(SeededNoise(1), 2 * len(upper), threads=1).reshape(2, -1)


def in_double_precision(upper, turns, lower):
    """The same formula, all in double precision and with 64 bits wherever they were drawn."""
    coarse = (upper < 2**21) | (upper >= 2**32 - 2**21)
    below, above = (upper + 0.5) / 2**32, (2**32 - upper - 0.5) / 2**32
    low = np.zeros(len(upper))
    low[coarse] = lower[: coarse.sum()]
    below = np.where(coarse, (upper + (low + 0.5) / 2**32) / 2**32, below)
    above = np.where(coarse, ((2**32 - 1 - upper) + (2**32 - 0.5 - low) / 2**32) / 2**32, above)
    radius = np.sqrt(np.where(upper < 2**31, -2 * np.log(below), -2 * np.log1p(-above)))
    angle = 2 * np.pi * turns / 2**32
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)])


def test_every_number_is_the_formula_in_double_precision_to_within_6e_6(monkeypatch):
    rng = np.random.default_rng(5)
    words = rng.integers(0, 2**32, (3, 30_000), dtype=np.uint64)
    ends = [0, 1, 2**21 - 1, 2**21, 2**31, 2**32 - 2**21 - 1, 2**32 - 2**21, 2**32 - 1]
    words[0, : len(ends)] = ends
    # A tenth of them near the ends, where 32 bits would not do.
    words[0, 1000:2500] //= 2**11
    words[0, 2500:4000] = 2**32 - 1 - words[0, 2500:4000] // 2**11
    upper, turns, lower = words
    got = from_words(monkeypatch, upper, turns, lower)
    exact = in_double_precision(upper.astype(float), turns.astype(float), lower.astype(float))
    assert np.abs(got - exact).max() < 6e-6
    # The twin: without the further bits the ends are off by far more.
    monkeypatch.setattr(module, "_FEW", np.uint32(0))
    assert np.abs(from_words(monkeypatch, upper, turns, lower) - exact).max() > 1e-3


def test_the_tails_reach_nine_standard_deviations_and_no_number_is_infinite(monkeypatch):
    zero, ones = np.zeros(1, np.uint64), np.full(1, 2**32 - 1, np.uint64)
    assert from_words(monkeypatch, zero, zero, zero)[0, 0] > 9.4
    smallest = from_words(monkeypatch, ones, zero, ones)
    assert np.isfinite(smallest).all()
    assert smallest[0, 0] < 1e-9


def test_normals_have_the_right_distribution():
    draws = drawn(SeededNoise(7), MANY)
    # Kolmogorov-Smirnov at 5e-7: one seed in two million would fail.
    assert kstest(draws, norm.cdf).pvalue > 5e-7
    assert kstest(1.04 * draws, norm.cdf).pvalue < 5e-7  # the twin: a stddev that is 4 % off would be seen


def test_the_two_numbers_of_a_pair_and_of_neighbouring_blocks_are_independent():
    draws = drawn(SeededNoise(8), 2 * BLOCK)
    halves = draws.reshape(4, -1)
    tolerance = 5 / np.sqrt(halves.shape[1])  # five standard errors of a correlation of nothing
    for moments in (halves, halves**2, np.abs(halves)):
        correlation = np.corrcoef(moments) - np.eye(4)
        assert np.abs(correlation).max() < tolerance
    # The twin: one key for two blocks gives the same numbers twice.
    twice = np.concatenate([draws[:BLOCK], draws[:BLOCK]]).reshape(4, -1)
    assert np.abs(np.corrcoef(twice) - np.eye(4)).max() > tolerance


def test_the_tails_hold_as_many_as_they_should():
    draws = drawn(SeededNoise(9), 1 << 22)
    for size in (3.0, 4.0):
        expected = len(draws) * 2 * norm.sf(size)
        found = np.count_nonzero(np.abs(draws) > size)
        assert abs(found - expected) < 5 * np.sqrt(expected)  # a Poisson count, five standard deviations
    assert abs(np.count_nonzero(np.abs(draws) > 2.9) - len(draws) * 2 * norm.sf(3)) > 5 * np.sqrt(expected)


def test_the_numbers_do_not_depend_on_the_threads():
    one = drawn(SeededNoise(3), MANY, threads=1)
    assert np.array_equal(one, drawn(SeededNoise(3), MANY, threads=5))
    assert not np.array_equal(one, drawn(SeededNoise(4), MANY, threads=1))


def test_no_key_is_used_twice_by_any_thread_or_draw(monkeypatch):
    keys = []
    real = module.AES256
    monkeypatch.setattr(module, "AES256", lambda key: keys.append(key) or real(key))
    source = SecureNoise()
    with keyed_normals(source, threads=4) as normals:
        for _ in range(5):
            normals.fill(np.empty(MANY, np.float32))
    assert len(keys) == 5 * 4
    assert len(set(keys)) == len(keys)
    assert all(len(key) == 32 for key in keys)


def test_numbers_never_come_twice():
    numbers = drawn(SecureNoise(), MANY)
    again = drawn(SecureNoise(), MANY)
    whole = (
        numbers[: 4 * BLOCK // 4 * 4].view(np.uint64) if len(numbers) % 2 == 0 else numbers[:-1].view("u8")
    )
    # Neighbouring numbers as one 48-bit pattern: about 100,000 of them repeat by chance less than once.
    assert len(np.unique(whole)) >= len(whole) - 3
    assert np.count_nonzero(numbers == again) < 100


@pytest.mark.parametrize("count", [0, 1, 2, 3, BLOCK - 1, BLOCK, BLOCK + 1])
def test_every_length_is_filled_to_the_end(count):
    numbers = np.full(count + 1, np.nan, np.float32)
    with keyed_normals(SeededNoise(2)) as normals:
        normals.fill(numbers[:count])
    assert np.isfinite(numbers[:count]).all()
    assert np.isnan(numbers[count])


def test_the_source_still_decides_whether_the_numbers_may_protect_customers():
    source = SecureNoise()
    with keyed_normals(require_secure(source)) as normals:
        normals.fill(np.empty(3, np.float32))


def test_a_forked_process_draws_nothing(monkeypatch):
    source, parent = SecureNoise(), os.getpid()
    with keyed_normals(source) as normals:
        monkeypatch.setattr(os, "getpid", lambda: parent + 1)
        with pytest.raises(ForkedNoiseError):
            normals.fill(np.empty(3, np.float32))


def test_other_arrays_than_contiguous_single_precision_are_refused():
    with keyed_normals(SeededNoise(1)) as normals:
        for array in (np.empty(4), np.empty((4, 4), np.float32)[:, ::2]):
            with pytest.raises(InvalidRowsError):
                normals.fill(array)
