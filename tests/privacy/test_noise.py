from __future__ import annotations

import copy
import os
import pickle  # noqa: TID251 - to show that it does not work

import numpy as np
import pytest
from scipy.stats import kstest, norm

from highstreet.privacy.errors import ForkedNoiseError, SeededNoiseError
from highstreet.privacy.noise import SecureNoise, SeededNoise, require_secure, standard_normals


def test_the_keystream_is_chacha20_as_published():
    """The first 16 bytes of RFC 8439's keystream for an all-zero key and nonce (appendix A.1, vector 1)."""
    source = SeededNoise(0)
    source._key = bytes(32)
    published = bytes.fromhex("76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7")
    first = source.uint64s(1)
    assert source._key == published  # fast key erasure: the first 32 bytes are the next key
    following = bytes.fromhex("da41597c5157488d")
    assert first.tobytes() == following


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others():
    assert np.array_equal(standard_normals(SeededNoise(3), 9), standard_normals(SeededNoise(3), 9))
    assert not np.array_equal(standard_normals(SeededNoise(3), 9), standard_normals(SeededNoise(4), 9))


def test_numbers_never_come_twice():
    for source in (SecureNoise(), SeededNoise(1)):
        drawn = np.concatenate([source.uint64s(1000), source.uint64s(1000)])
        assert len(np.unique(drawn)) == 2000  # a repeat by chance: one in 9 million million


def test_two_secure_sources_share_nothing():
    assert not np.intersect1d(SecureNoise().uint64s(1000), SecureNoise().uint64s(1000)).size


def test_normals_have_the_right_distribution():
    n = 200_000
    draws = standard_normals(SeededNoise(7), n)
    # Kolmogorov-Smirnov at 5e-7: one seed in two million would fail.
    assert kstest(draws, norm.cdf).pvalue > 5e-7
    # The twin: a stddev that is 4 % off would be seen.
    assert kstest(1.04 * draws, norm.cdf).pvalue < 5e-7


def test_the_stddev_and_the_mean_match():
    n = 400_000
    draws = standard_normals(SeededNoise(8), n)
    tolerance = 5 / np.sqrt(2 * n)  # five standard errors of a stddev
    assert abs(draws.std() - 1) < tolerance
    assert abs(1.02 * draws.std() - 1) > tolerance
    assert abs(draws.mean()) < 5 / np.sqrt(n)
    assert abs(draws.mean() + 0.01) > 5 / np.sqrt(n)


class Tail:
    """A source that returns chosen 64-bit numbers."""

    def __init__(self, *numbers):
        self.numbers = np.array(numbers, dtype=np.uint64)

    def uint64s(self, count):
        return self.numbers[:count]


def test_the_tails_are_finite_symmetric_and_reach_nine_standard_deviations():
    ends = standard_normals(Tail(0, 1, 2**64 - 2, 2**64 - 1), 4)
    assert np.isfinite(ends).all()
    assert ends[0] == -ends[1] == pytest.approx(-norm.ppf(2.0**-65), rel=1e-12)
    assert ends[0] > 9.1
    assert abs(ends[2]) == abs(ends[3]) == 0


def test_no_normals_is_an_answer():
    assert standard_normals(SecureNoise(), 0).shape == (0,)


def test_only_secure_noise_itself_may_protect_customers():
    class Pretender(SecureNoise):
        pass

    source = SecureNoise()
    assert require_secure(source) is source
    for other in (SeededNoise(1), Pretender(), np.random.default_rng(1), None):
        with pytest.raises(SeededNoiseError):
            require_secure(other)


def test_a_secure_source_takes_no_seed_cannot_be_copied_and_does_not_show_its_key():
    with pytest.raises(TypeError):
        SecureNoise(7)  # type: ignore[call-arg]
    source = SecureNoise()
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            attempt(source)
    assert repr(source) == "SecureNoise()"


def test_a_forked_process_does_not_draw_the_parents_noise(monkeypatch):
    source = SecureNoise()
    parent = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: parent + 1)
    with pytest.raises(ForkedNoiseError):
        source.uint64s(1)
