from functools import partial

import numpy as np
import pytest

from highstreet.privacy.noise import SeededNoise
from highstreet.privacy.secure_sum.errors import BelowFloorError
from highstreet.privacy.secure_sum.field import MODULUS
from highstreet.privacy.shared_noise import DistributedMechanism
from highstreet.simulations.errors import TooFewStoresError
from highstreet.simulations.secure_sums import OneProcessCoop, round_terms

STORES, FLOOR, COLLUDERS = 6, 4, 1
ROUNDS = round_terms(STORES, floor=FLOOR, colluders=COLLUDERS)
HALF = (MODULUS - 1) // 2


def centred(integers):
    return (integers % MODULUS + HALF) % MODULUS - HALF


def held(vectors, *, round_number=0):
    """Hold one round over vectors by store."""
    coop = OneProcessCoop(STORES, ROUNDS)
    addends = {store: partial(lambda one: one, vector) for store, vector in vectors.items()}
    return coop.add(addends, round_number=round_number, dimension=len(next(iter(vectors.values()))))


@pytest.mark.parametrize("contributors", [FLOOR, STORES])
def test_opened_sum_is_the_plain_sum_modulo_p_to_the_last_digit(contributors):
    draws = np.random.default_rng(contributors)
    # Vectors over the whole field, so that sums wrap around.
    vectors = {store: draws.integers(-HALF, HALF + 1, size=500) for store in range(contributors)}
    opened = held(vectors)
    plain = np.sum(list(vectors.values()), axis=0, dtype=np.int64)
    np.testing.assert_array_equal(opened.values, centred(plain))
    assert len(opened.contributors) == contributors
    assert (np.abs(plain) > HALF).any()
    assert (opened.values != centred(plain - vectors[0])).any()  # one store less is another sum


def test_every_round_has_another_committee():
    coop = OneProcessCoop(12, round_terms(12))
    drawn = {tuple(m.member_id for m in coop.context(number, 3).committee.members) for number in range(5)}
    assert len(drawn) == 5  # 12! / 6! orders: a repetition among five has a chance of 2 in 100,000


def test_nothing_is_opened_below_the_floor():
    with pytest.raises(BelowFloorError):
        held({store: np.ones(3, dtype=np.int64) for store in range(FLOOR - 1)})


@pytest.fixture(scope="module")
def mechanism():
    return DistributedMechanism(
        dimension=20_000,
        clipping_norm=1.0,
        noise_multiplier=4.0,
        floor=FLOOR,
        colluders=COLLUDERS,
        stores=STORES,
        clients_per_store=75,
    )


@pytest.mark.parametrize("contributors", [FLOOR, STORES])
def test_noise_of_an_opened_sum_has_the_stddev_it_says(mechanism, contributors):
    source, nothing = SeededNoise(11 + contributors), np.zeros(mechanism.dimension)
    shares = {store: mechanism.share(nothing, source=source) for store in range(contributors)}
    noise = mechanism.decode(held(shares).values)
    stated = mechanism.noise_stddev(contributors=contributors)
    tolerance = 5 * stated / np.sqrt(2 * noise.size)  # five standard errors, 2.5 % of stated
    assert abs(noise.std() - stated) < tolerance
    # Twins: a share too few, and a share too many, would be seen (9 % and more of the stddev).
    for wrong in (contributors - 1, contributors + 1):
        assert abs(noise.std() - stated * np.sqrt(wrong / contributors)) > tolerance


@pytest.mark.parametrize("contributors", [FLOOR, STORES])
def test_noise_without_the_colluders_share_is_what_is_promised_at_the_floor_and_more_above(
    mechanism, contributors
):
    source, nothing = SeededNoise(29 + contributors), np.zeros(mechanism.dimension)
    shares = {store: mechanism.share(nothing, source=source) for store in range(contributors)}
    unknown = centred(held(shares).values - shares[0])  # store 0 tells its own share
    promised = mechanism.noise_multiplier * mechanism.sensitivity
    expected = promised * np.sqrt((contributors - COLLUDERS) / (FLOOR - COLLUDERS))
    tolerance = 5 * expected / np.sqrt(2 * unknown.size)
    assert abs(unknown.std() - expected) < tolerance
    assert unknown.std() > promised - tolerance
    # Twin: shares meant for a floor without colluders would leave too little.
    assert abs(unknown.std() * np.sqrt((FLOOR - COLLUDERS) / FLOOR) - expected) > tolerance


@pytest.mark.parametrize(("stores", "floor"), [(3, 3), (4, 4), (5, 4), (6, 5), (35, 28), (108, 87)])
def test_floor_is_80_percent_of_the_shops_rounded_up(stores, floor):
    assert round_terms(stores).cohort_floor == floor


@pytest.mark.parametrize(
    ("stores", "floor", "colluders"),
    [(2, None, 1), (5, 6, 1), (5, 2, 1), (5, 3, 3), (20, None, 6), (5, 3, -1)],
)
def test_terms_no_secure_sum_can_be_held_under_are_refused(stores, floor, colluders):
    with pytest.raises(TooFewStoresError):
        round_terms(stores, floor=floor, colluders=colluders)
