from __future__ import annotations

import hashlib

import numpy as np
import plain_secure_sum as plain
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from scipy.stats import chi2

from highstreet.privacy.secure_sum import keystream
from highstreet.privacy.secure_sum.errors import SumRefusal, SumRefusedError
from highstreet.privacy.secure_sum.field import MODULUS
from highstreet.privacy.secure_sum.keystream import SeededVector, expand_seed

#: Found by search: word 561 of its keystream is p once its highest bit is cleared.
SEED_WITH_A_DROPPED_WORD = hashlib.sha256(b"highstreet dropped word 931843").digest()


def test_the_keystream_is_chacha20_as_published():
    """RFC 8439, appendix A.1, test vector 1: key, nonce and counter zero."""
    published = bytes.fromhex("76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7")
    words = np.frombuffer(published, dtype="<u4") & 0x7FFFFFFF
    assert expand_seed(bytes(32), 8).tolist() == words.tolist()


def test_a_longer_vector_goes_on_where_a_shorter_one_ends():
    long = expand_seed(bytes([7]) * 32, 100_001)
    for dimension in (1, 65_535, 65_536, 65_537, 100_000):
        assert np.array_equal(expand_seed(bytes([7]) * 32, dimension), long[:dimension])


def test_a_word_equal_to_p_is_dropped_and_the_next_one_taken():
    keystream = (
        Cipher(ChaCha20(SEED_WITH_A_DROPPED_WORD, bytes(16)), mode=None).encryptor().update(bytes(4 * 601))
    )
    words = np.frombuffer(keystream, dtype="<u4") & 0x7FFFFFFF
    assert words[561] == MODULUS
    expected = [*words[:561], *words[562:]]
    assert expand_seed(SEED_WITH_A_DROPPED_WORD, 600).tolist() == expected
    assert expand_seed(SEED_WITH_A_DROPPED_WORD, 562)[561] == words[562]


@pytest.mark.parametrize("sizes", [[600], [561, 39], [562, 38], [560, 1, 1, 38], [1] * 600, [100] * 6])
def test_a_vector_read_in_pieces_is_the_whole_one_also_where_a_word_is_dropped(sizes):
    vector, pieces = SeededVector(SEED_WITH_A_DROPPED_WORD), []
    for size in sizes:
        piece = np.empty(size, dtype=np.uint32)
        vector.read_into(piece)
        pieces += piece.tolist()
    assert pieces == plain.expanded(SEED_WITH_A_DROPPED_WORD, 600)


@pytest.mark.parametrize("part", [1, 7, 64, 561, 562])
def test_where_the_parts_end_changes_nothing(monkeypatch, part):
    whole = expand_seed(SEED_WITH_A_DROPPED_WORD, 600)
    monkeypatch.setattr(keystream, "PART", part)
    assert np.array_equal(expand_seed(SEED_WITH_A_DROPPED_WORD, 600), whole)


def test_values_are_uniform_on_the_field():
    cells, count = 256, 1 << 18
    limit = chi2.isf(5e-7, cells - 1)  # one seed in two million

    def statistic(values):
        seen = np.bincount(values.astype(np.int64) * cells // MODULUS, minlength=cells)
        return ((seen - count / cells) ** 2 / (count / cells)).sum()

    values = expand_seed(bytes([9]) * 32, count)
    assert statistic(values) < limit
    # The twin: values over nine tenths of the field would be seen.
    assert statistic(values // 10 * 9) > limit


@pytest.mark.parametrize("seed", [b"", bytes(31), bytes(33)])
def test_a_seed_of_another_size_is_refused(seed):
    with pytest.raises(SumRefusedError) as refused:
        expand_seed(seed, 3)
    assert refused.value.code is SumRefusal.BOX_SIZE
