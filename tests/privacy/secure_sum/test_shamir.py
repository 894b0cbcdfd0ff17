from __future__ import annotations

import hashlib
import itertools
from collections import Counter

import numpy as np
import plain_secure_sum as plain
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from highstreet.privacy.secure_sum import field, keystream, shamir
from highstreet.privacy.secure_sum.combination import combine
from highstreet.privacy.secure_sum.errors import InvalidVectorError
from highstreet.privacy.secure_sum.field import HALF, MODULUS, PART, encode, lagrange_coefficients
from highstreet.privacy.secure_sum.keystream import expand_seed
from highstreet.privacy.secure_sum.shamir import complete_seeded_shares, complete_shares, open_shares


def column(*values):
    return np.array(values, dtype=np.uint32)


def shared(secret, chosen, *, shares, modulus=MODULUS):
    """All shares, position -> vector."""
    computed = complete_shares(secret, chosen, shares=shares, modulus=modulus)
    return dict(enumerate([*chosen, *computed], start=1))


SHARINGS = st.integers(2, 9).flatmap(
    lambda m: st.tuples(
        st.just(m),
        st.integers(2, m),
        st.integers(0, MODULUS - 1),
        st.lists(st.integers(0, MODULUS - 1), min_size=m, max_size=m),
        st.randoms(use_true_random=False),
    )
)


@given(SHARINGS)
def test_any_t_shares_open_the_secret_and_fit_one_polynomial(sharing):
    m, t, secret, chosen, random = sharing
    shares = shared(column(secret), [column(value) for value in chosen[: t - 1]], shares=m)
    assert len(shares) == m
    some = random.sample(sorted(shares), t)
    opened = open_shares({position: shares[position] for position in some}, threshold=t)
    assert opened.secret.tolist() == [secret]
    assert opened.wrong == frozenset()
    assert open_shares(shares, threshold=t).secret.tolist() == [secret]


SEED_WITH_A_DROPPED_WORD = hashlib.sha256(b"highstreet dropped word 931843").digest()


@pytest.mark.parametrize(("m", "t"), [(3, 2), (3, 3), (5, 4), (6, 4), (9, 6), (9, 5)])
@pytest.mark.parametrize("part", [64, 600, PART])
def test_shares_of_seeds_are_those_of_the_second_implementation(monkeypatch, m, t, part):
    """Whatever the parts, with a word dropped in the middle of one, and with the ends of the range."""
    for module in (field, keystream, shamir):
        monkeypatch.setattr(module, "PART", part)
    integers = np.random.default_rng(m * t).integers(-HALF, HALF + 1, 600)
    integers[[0, 63, 64, 599]] = 0, HALF, -HALF, -1
    seeds = [SEED_WITH_A_DROPPED_WORD, *(bytes([k]) * 32 for k in range(t - 2))]
    expected = plain.all_shares(integers.tolist(), seeds, m)
    found = complete_seeded_shares(integers, seeds, shares=m)
    assert found.tolist() == [expected[position] for position in range(t, m + 1)]


def test_long_shares_of_seeds_are_right_at_every_seam():
    """Some 200,000 coordinates: those around the seams and some others, each interpolated on its own."""
    d, t, m = 3 * PART + 7, 4, 6
    generator = np.random.default_rng(3)
    integers = generator.integers(-HALF, HALF + 1, d)
    seeds = [generator.bytes(32) for _ in range(t - 1)]
    found = complete_seeded_shares(integers, seeds, shares=m)
    expanded = [expand_seed(seed, d) for seed in seeds]
    whole = complete_shares(encode(integers), expanded, shares=m)
    assert np.array_equal(found, whole)
    seams = [place for k in range(4) for place in (k * PART - 1, k * PART, k * PART + 1) if place >= 0]
    for place in [*seams, d - 1, *generator.integers(0, d, 200).tolist()]:
        known = {0: int(integers[place]) % MODULUS} | {
            x: int(vector[place]) for x, vector in enumerate(expanded, start=1)
        }
        at = [plain.interpolated(known, position) for position in range(t, m + 1)]
        assert found[:, place].tolist() == at


def test_a_value_outside_the_field_anywhere_is_refused_and_not_shared():
    integers = np.zeros(2 * PART + 1, dtype=np.int64)
    for place in (0, PART, 2 * PART):
        wrong = integers.copy()
        wrong[place] = HALF + 1
        with pytest.raises(InvalidVectorError):
            complete_seeded_shares(wrong, [bytes(32)], shares=3)


def test_shares_by_hand():
    """f(x) = 7 + 2x + x^2: shares 10, 15, 22, 31."""
    shares = shared(column(7), [column(10), column(15)], shares=4)
    assert [share.tolist() for share in shares.values()] == [[10], [15], [22], [31]]


def views(secret, *, m, t, prime, positions, degree=None):
    """How often each view of some positions comes up, over every choice of the free shares."""
    free = t - 1 if degree is None else degree
    seen = Counter()
    for chosen in itertools.product(range(prime), repeat=free):
        shares = shared(column(secret), [column(value) for value in chosen], shares=m, modulus=prime)
        seen[tuple(int(shares[position][0]) for position in positions)] += 1
    return seen


@pytest.mark.parametrize(("m", "t", "prime"), [(3, 3, 5), (4, 3, 7), (5, 4, 7), (4, 4, 5)])
def test_fewer_than_t_shares_are_uniform_whatever_the_secret(m, t, prime):
    """Exact: every t - 1 positions, every secret, every choice; the shipped code over a small field."""
    for positions in itertools.combinations(range(1, m + 1), t - 1):
        for secret in range(prime):
            seen = views(secret, m=m, t=t, prime=prime, positions=positions)
            assert set(seen.values()) == {1}
            assert len(seen) == prime ** (t - 1)
    # The twin: t shares are not.
    whole = [views(secret, m=m, t=t, prime=prime, positions=range(1, t + 1)) for secret in (0, 1)]
    assert not whole[0].keys() & whole[1].keys()


def test_the_exact_test_sees_a_degree_too_low():
    """The twin: with one free share fewer, t - 1 shares tell the secret."""
    seen = [views(secret, m=4, t=3, prime=7, positions=(1, 2), degree=1) for secret in range(7)]
    assert all(not one.keys() & other.keys() for one, other in itertools.combinations(seen, 2))


def chi_square(cells):
    """Of 64 cells, each of which a uniform vector over the field fills with probability 1/64, up to 2^-29."""
    expected = len(cells) / 64
    return ((np.bincount(cells, minlength=64) - expected) ** 2 / expected).sum()


def joint_statistic(shares):
    """The two highest bits of three share vectors, together."""
    return chi_square(sum((v.astype(np.int64) >> 29) * 4**k for k, v in enumerate(shares.values())))


def guess_statistic(shares):
    """The six highest bits of what three members get who open the sum as if they were enough."""
    guess = combine(lagrange_coefficients(list(shares), at=0), list(shares.values()))
    return chi_square(guess.astype(np.int64) >> 25)


@pytest.mark.parametrize("positions", list(itertools.combinations(range(1, 6), 3)))
def test_real_shares_are_jointly_uniform_for_a_constant_vector(positions):
    """m = 5, t = 4: what any three members hold of a vector of zeros, or of ones, looks like nothing."""
    count = 1 << 16
    limit = chi2.isf(2.5e-7, 63)  # two statistics: one seed in two million
    seeds = [bytes([k]) * 32 for k in (1, 2, 3)]

    def of_three(secret, seeds):
        shares = shared(secret, [expand_seed(seed, count) for seed in seeds], shares=5)
        return {position: shares[position] for position in positions}

    for constant in (0, 1):
        secret = np.full(count, constant, dtype=np.uint32)
        held = of_three(secret, seeds)
        assert joint_statistic(held) < limit
        assert guess_statistic(held) < limit
        # The first twin: a polynomial of a degree too low opens for three.
        assert guess_statistic(of_three(secret, seeds[:2])) > limit
        # The second twin: one seed for the positions 2 and 3 makes their shares equal.
        if {2, 3} <= set(positions):
            assert joint_statistic(of_three(secret, [seeds[0], seeds[1], seeds[1]])) > limit


@given(SHARINGS, st.integers(1, MODULUS - 1))
def test_wrong_shares_are_found_with_two_surplus_ones_for_each(sharing, error):
    m, t, secret, chosen, random = sharing
    shares = shared(column(secret, 1), [column(value, 2) for value in chosen[: t - 1]], shares=m)
    wrong = random.sample(sorted(shares), (m - t) // 2)
    for position in wrong:
        shares[position] = (shares[position].astype(np.uint64) + np.uint64(error)) % np.uint64(MODULUS)
        shares[position] = shares[position].astype(np.uint32)
    opened = open_shares(shares, threshold=t)
    assert opened.secret.tolist() == [secret, 1]
    assert opened.wrong == frozenset(wrong)


def test_one_surplus_share_shows_that_one_is_wrong_but_not_which():
    shares = shared(column(7), [column(10), column(15)], shares=4)
    assert open_shares(shares, threshold=3) is not None
    for position in shares:
        assert open_shares({**shares, position: column(99)}, threshold=3) is None


def test_without_surplus_a_wrong_share_goes_unnoticed():
    """Said in docs/secure-sum.md: exactly t answers check nothing."""
    shares = shared(column(7), [column(10), column(15)], shares=3)
    opened = open_shares({**shares, 3: column(23)}, threshold=3)
    assert opened.wrong == frozenset()
    assert opened.secret.tolist() != [7]
