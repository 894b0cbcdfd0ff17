"""What one store sends is its cut, rounded sum and one share of the noise; what is no sum is refused."""

from __future__ import annotations

import ast
import inspect
import math

import numpy as np
import pytest

from highstreet.privacy import shared_noise
from highstreet.privacy.discrete_gaussian import discrete_gaussians
from highstreet.privacy.errors import (
    InvalidReleaseError,
    InvalidRowsError,
    NonFiniteRowsError,
    SeededNoiseError,
)
from highstreet.privacy.noise import SecureNoise, SeededNoise, require_secure
from highstreet.privacy.releases import NoisePlacement, release_for_person
from tests.privacy.made_up_mechanism import HALF, PRIME, mechanism


def test_a_store_within_its_capacity_is_not_cut_and_one_beyond_is():
    built = mechanism(dimension=1)
    full = np.array([built.capacity_customers * built.clipping_norm])
    assert built.decode(built.encode(full))[0] == pytest.approx(full[0], abs=built.grid_step)
    over = full * 1.1
    assert built.encode(over)[0] == built.largest_sum


@pytest.mark.parametrize("contributors", [4, 9, 20])
def test_sums_of_shares_have_the_noise_stated_for_so_many(contributors):
    d = 40_000
    built = mechanism(dimension=d)
    source = SeededNoise(contributors)
    clipped = np.zeros(d)
    noise = built.decode(sum(built.share(clipped, source=source) for _ in range(contributors)))
    tolerance = 5 / math.sqrt(2 * d)  # five standard errors of a stddev, relative
    assert abs(noise.std() / built.noise_stddev(contributors=contributors) - 1) < tolerance
    assert abs(noise.std() / built.noise_stddev(contributors=contributors - 1) - 1) > tolerance
    assert abs(noise.mean()) < 5 * built.noise_stddev(contributors=contributors) / math.sqrt(d)


def test_at_the_floor_the_honest_shares_alone_carry_the_promised_noise():
    d = 40_000
    built = mechanism(dimension=d)
    source = SeededNoise(77)
    honest = sum(built.share(np.zeros(d), source=source) for _ in range(built.floor - built.colluders))
    tolerance = 5 / math.sqrt(2 * d)
    promised = built.noise_multiplier * built.sensitivity
    assert abs(honest.std() / promised - 1) < tolerance
    one_short = sum(built.share(np.zeros(d), source=source) for _ in range(built.floor - built.colluders - 1))
    assert abs(one_short.std() / promised - 1) > tolerance


def test_the_surplus_grows_with_the_square_root_of_the_honest_shares():
    built = mechanism()
    four = built.noise_multiplier_with(contributors=5, colluders=1)
    assert four == pytest.approx(1.5 * math.sqrt(4 / 3), rel=1e-6)
    assert built.noise_multiplier_with(contributors=20, colluders=0) > four


@pytest.mark.parametrize(("contributors", "colluders"), [(0, 0), (4, 4), (21, 1), (3, -1)])
def test_a_sum_of_nobody_or_of_too_many_has_no_noise_multiplier(contributors, colluders):
    built = mechanism()
    with pytest.raises(InvalidReleaseError):
        built.noise_multiplier_with(contributors=contributors, colluders=colluders)
    if not 0 < contributors <= built.stores:
        with pytest.raises(InvalidReleaseError):
            built.noise_stddev(contributors=contributors)


def test_full_stores_add_up_without_wrapping_through_the_field():
    built = mechanism(dimension=200)
    full = np.full(200, 1e9)
    source = SecureNoise()
    total = np.zeros(200, dtype=np.int64)
    for _ in range(built.stores):
        total = (total + built.share(full, source=source)) % PRIME
    most = built.stores * built.largest_sum * built.grid_step
    # Nine stddevs in 200 coordinates: once in 10^16.
    assert np.abs(built.decode(total) - most).max() < 9 * built.noise_stddev(contributors=built.stores)
    # Two stores more than there are do not fit any more.
    more = (total + 2 * built.share(full, source=source)) % PRIME
    assert (built.decode(more) < 0).all()


def test_a_share_is_the_cut_rounded_sum_and_one_discrete_gaussian():
    built = mechanism()
    total = np.random.default_rng(3).normal(size=50) * 100
    share = built.share(total, source=SeededNoise(4))
    noise = discrete_gaussians(SeededNoise(4), 50, log2_stddev=built.share_log2_stddev)
    assert np.array_equal(share, built.encode(total) + noise)
    assert share.dtype == np.int64


def test_noise_beyond_the_field_is_reduced_and_cancels_in_the_sum(monkeypatch):
    built = mechanism(dimension=3)
    noise = np.array([2**31 - 10, -(2**31) + 9, 5])
    monkeypatch.setattr(shared_noise, "discrete_gaussians", lambda *_, **__: noise)
    share = built.share(np.zeros(3), source=SecureNoise())
    assert np.all(np.abs(share) <= HALF)
    assert np.all((share - noise) % PRIME == 0)
    assert np.array_equal(built.decode(share - noise), np.zeros(3))


def test_decoding_takes_the_sum_modulo_the_prime_or_not():
    built = mechanism(dimension=3)
    total = np.array([-HALF, -1, HALF])
    exact = total * built.grid_step
    assert np.array_equal(built.decode(total), exact)
    assert np.array_equal(built.decode(total % PRIME), exact)
    assert np.array_equal(built.decode(total + 3 * PRIME), exact)


@pytest.mark.parametrize("total", [np.zeros(2, dtype=np.int64), np.zeros(3), np.zeros(3, dtype=np.uint64)])
def test_a_total_of_another_shape_or_kind_is_refused(total):
    with pytest.raises(InvalidRowsError):
        mechanism(dimension=3).decode(total)


@pytest.mark.parametrize(
    ("total", "error"),
    [
        (np.zeros(2), InvalidRowsError),
        (np.zeros((3, 1)), InvalidRowsError),
        (np.array([0.0, np.nan, 0.0]), NonFiniteRowsError),
        (np.array([0.0, np.inf, 0.0]), NonFiniteRowsError),
    ],
)
def test_a_sum_that_is_no_sum_is_refused(total, error):
    built = mechanism(dimension=3)
    with pytest.raises(error):
        built.share(total, source=SecureNoise())


def test_a_huge_sum_is_cut_and_not_refused():
    built = mechanism(dimension=2, clipping_norm=1e-100)
    assert built.encode(np.array([1e300, -1e300])).tolist() == [built.largest_sum, -built.largest_sum]


def test_single_precision_sums_are_divided_in_double_precision():
    built = mechanism(dimension=100)
    total = np.linspace(1000.1, 2000.2, 100, dtype=np.float32)
    exact = [round(float(value) / built.grid_step) for value in total]
    assert built.encode(total).tolist() == exact
    assert np.rint(total / np.float32(built.grid_step)).tolist() != exact


@pytest.mark.parametrize(
    "wrong",
    [
        {"noise_multiplier": 0.0},
        {"noise_multiplier": math.nan},
        {"clipping_norm": 0.0},
        {"clipping_norm": math.inf},
        {"dimension": 0},
        {"colluders": 4},
        {"colluders": -1},
        {"stores": 3},
        {"clients_per_store": 0},
        {"shops_per_person": 0},
        {"shops_per_person": 21},
    ],
)
def test_numbers_that_describe_no_mechanism_are_refused(wrong):
    with pytest.raises(InvalidReleaseError):
        mechanism(**wrong)


def test_the_grid_is_the_same_bits_everywhere():
    """Written down once; a machine that differs in a bit would decode another sum."""
    found = [
        (built.share_log2_stddev, built.grid_step.hex(), built.largest_sum)
        for built in (
            mechanism(),
            mechanism(dimension=10_000, clipping_norm=1 / 3),
            mechanism(dimension=465, noise_multiplier=math.pi, floor=20, stores=150),
        )
    ]
    assert found == [
        (12, "0x1.4d607e83ff6ebp-12", 53679619),
        (14, "0x1.2976dfbc11911p-16", 53654810),
        (11, "0x1.172637c2529b4p-11", 7156872),
    ]


def test_the_grid_uses_nothing_that_machines_round_differently():
    correctly_rounded = {"sqrt", "isqrt", "isfinite", "pi"}
    source = inspect.getsource(shared_noise)

    def used(text):
        return {
            node.attr
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "math"
        }

    assert used(source) <= correctly_rounded
    assert not used("math.log(2)") <= correctly_rounded


def test_shares_take_either_source_and_real_ones_are_for_the_caller_to_require():
    built = mechanism()
    total = np.zeros(50)
    seeded = [built.share(total, source=SeededNoise(1)) for _ in range(2)]
    assert np.array_equal(*seeded)
    source = require_secure(SecureNoise())
    secure = [built.share(total, source=source) for _ in range(2)]
    assert not np.array_equal(*secure)
    with pytest.raises(SeededNoiseError):
        built.share(total, source=require_secure(SeededNoise(1)))


def test_the_release_is_the_promise_and_extends_to_a_person_with_the_noise_once():
    release = mechanism().release(sampling_rate=0.5)
    assert (release.noise_multiplier, release.sampling_rate, release.steps) == (1.5, 0.5, 1)
    person = release_for_person(release, stores=4, placement=NoisePlacement.ONCE_IN_SUM)
    assert person.contributions == 4
