from __future__ import annotations

import ast
import inspect
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.signal import fftconvolve
from scipy.stats import norm

from highstreet.privacy import shared_noise
from highstreet.privacy.accountant import epsilon as accounted_epsilon
from highstreet.privacy.discrete_gaussian import discrete_gaussians
from highstreet.privacy.discreteness import EPSILON_EXTRA_LIMIT, departure
from highstreet.privacy.errors import (
    InvalidReleaseError,
    InvalidRowsError,
    NonFiniteRowsError,
    SeededNoiseError,
)
from highstreet.privacy.noise import SecureNoise, SeededNoise, require_secure
from highstreet.privacy.releases import NoisePlacement, release_for_person
from highstreet.privacy.shared_noise import DistributedMechanism
from highstreet.privacy.summing import ROUNDING_SLACK

PRIME = 2**31 - 1
HALF = (PRIME - 1) // 2


def mechanism(**changes):
    usual = {
        "dimension": 50,
        "clipping_norm": 1.5,
        "noise_multiplier": 1.5,
        "floor": 4,
        "colluders": 1,
        "stores": 20,
        "clients_per_store": 500,
    }
    return DistributedMechanism(**{**usual, **changes})


@st.composite
def mechanisms(draw):
    floor = draw(st.integers(1, 20))
    try:
        return DistributedMechanism(
            dimension=draw(st.sampled_from([1, 3, 30, 465, 10_000, 100_000, 1 << 24])),
            clipping_norm=draw(st.floats(1e-6, 1e6)),
            noise_multiplier=draw(st.floats(0.05, 64.0)),
            floor=floor,
            colluders=draw(st.integers(0, floor - 1)),
            stores=draw(st.integers(floor, 200)),
            clients_per_store=draw(st.integers(1, 5000)),
            shops_per_person=draw(st.integers(1, floor)),
        )
    except InvalidReleaseError:
        assume(False)


@given(mechanisms())
def test_the_noise_promised_is_reached_exactly_at_the_floor(built):
    reached = built.noise_multiplier_with(contributors=built.floor, colluders=built.colluders)
    # In exact arithmetic: tau^2 >= (z sensitivity)^2 with sensitivity from the stated grid step.
    sensitivity = Fraction(built.clipping_norm) * Fraction(1 + ROUNDING_SLACK) / Fraction(built.grid_step)
    rounding = Fraction(math.sqrt(built.dimension)) * (1 + Fraction(1, 2**20))
    sensitivity += built.shops_per_person * rounding
    tau_squared = (built.floor - built.colluders) * 4**built.share_log2_stddev - Fraction(1, 12)
    multiplier_squared = tau_squared / sensitivity**2
    assert multiplier_squared >= Fraction(built.noise_multiplier) ** 2
    assert multiplier_squared <= Fraction(built.noise_multiplier) ** 2 * (1 + Fraction(1, 2**36))
    assert reached == pytest.approx(built.noise_multiplier, rel=1e-10)


@given(mechanisms())
def test_rounding_room_and_departure_are_as_the_docstring_says(built):
    assert built.rounding_share <= 0.251  # a quarter, times the slack of the clipping norm
    assert built.capacity_customers >= 4 * built.clients_per_store
    assert built.capacity_customers <= built.largest_sum * built.grid_step / built.clipping_norm
    assert 0 < built.departure.epsilon_extra < EPSILON_EXTRA_LIMIT
    assert built.departure.delta_extra(epsilon=20.0, delta=1e-5) < 1e-5 * 2.0**-19


@given(mechanisms())
def test_no_coordinate_of_the_sum_wraps_but_once_in_two_to_the_forty(built):
    room = HALF - built.stores * built.largest_sum
    # ln of d times 2 exp(-T^2 / (2 n 4^b)), the sub-Gaussian tail
    variance = built.stores * 4.0**built.share_log2_stddev
    log_probability = math.log(2 * built.dimension) - room**2 / (2 * variance)
    assert log_probability < -40 * math.log(2)


def test_the_room_for_noise_is_no_larger_than_it_needs_to_be():
    built = mechanism(stores=4, clients_per_store=1000)
    room = built._noise_room(built.share_log2_stddev)
    variance = built.stores * 4.0**built.share_log2_stddev
    needed = math.log(2 * built.dimension) + 40 * math.log(2)
    assert room**2 / (2 * variance) > needed
    assert (0.95 * room) ** 2 / (2 * variance) < needed


def test_the_grid_is_the_finest_wanted_and_coarser_only_for_want_of_room():
    roomy = mechanism(dimension=30, stores=5, clients_per_store=100)
    assert roomy.rounding_share <= 2.0**-9 * (1 + ROUNDING_SLACK)
    crowded = mechanism(dimension=30, stores=200, clients_per_store=2000)
    assert crowded.share_log2_stddev < roomy.share_log2_stddev
    finer = crowded._grid(crowded.share_log2_stddev + 1)
    assert finer.capacity_customers < 4 * 2000 <= crowded.capacity_customers


def sound_exponents(built_with):
    """Every b with room, cheap rounding and half the departure allowed, from the statements themselves."""
    honest = built_with["floor"] - built_with["colluders"]
    d, stores = built_with["dimension"], built_with["stores"]
    rounding = built_with["shops_per_person"] * math.sqrt(d)
    found = []
    for b in range(2, 25):
        room = math.sqrt(honest * 4.0**b - 1 / 12) / built_with["noise_multiplier"] - rounding
        noise_room = math.sqrt(2 * stores * 4.0**b * (42 + d.bit_length()) * math.log(2))
        sound = (
            rounding <= 0.2499 * room
            and (HALF - noise_room) / stores / room > 4.0001 * built_with["clients_per_store"] + 1
            and departure(dimension=d, shares=honest, log2_stddev=b).epsilon_extra < EPSILON_EXTRA_LIMIT / 2
        )
        if sound:
            found.append(b)
    return found


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from([1, 26, 351, 11_325, 77_834, 1 << 24]),
    st.floats(0.05, 150.0),
    st.integers(3, 1024),
    st.floats(0.02, 1.0),
    st.integers(0, 3),
    st.integers(1, 20),
    st.integers(1, 3000),
)
def test_numbers_are_refused_only_where_no_width_of_a_share_is_sound(
    dimension, multiplier, stores, share, colluders, shops, clients
):
    floor = max(colluders + 1, math.ceil(share * stores))
    assume(floor <= stores)
    numbers = {
        "dimension": dimension,
        "clipping_norm": 1.0,
        "noise_multiplier": multiplier,
        "floor": floor,
        "colluders": colluders,
        "stores": stores,
        "clients_per_store": clients,
        "shops_per_person": min(shops, stores),
    }
    sound = sound_exponents(numbers)
    try:
        built = DistributedMechanism(**numbers)
    except InvalidReleaseError:
        assert not sound
        return
    assert built.departure.epsilon_extra < EPSILON_EXTRA_LIMIT


def test_two_hundred_stores_sum_popularity_with_little_noise_in_small_shares():
    """At epsilon 8; shares as wide as one store alone would need left no room for it."""
    numbers = {
        "dimension": 77_834,
        "clipping_norm": 1.0,
        "noise_multiplier": 1.1,
        "stores": 200,
        "clients_per_store": 75,
    }
    crowded = DistributedMechanism(floor=120, colluders=3, **numbers)
    assert crowded.departure.epsilon_extra < EPSILON_EXTRA_LIMIT
    alone = departure(dimension=77_834, shares=1, log2_stddev=crowded.share_log2_stddev)
    assert alone.epsilon_extra > EPSILON_EXTRA_LIMIT
    # The twin: a grid on which a share alone is wide enough has no room for four times the customers.
    assert departure(dimension=77_834, shares=1, log2_stddev=11).epsilon_extra < EPSILON_EXTRA_LIMIT
    assert crowded._grid(11).capacity_customers < 4 * 75


def test_a_sum_there_is_no_room_for_is_refused_with_what_to_do():
    with pytest.raises(InvalidReleaseError) as refused:
        mechanism(dimension=100_000, stores=200, clients_per_store=5000)
    assert "no room for 200 stores with 5000 clients" in refused.value.for_user()
    assert "Lower the coordinates" in refused.value.for_user()


def change_in_steps(built, one, other):
    return np.linalg.norm((built.encode(one) - built.encode(other)).astype(float))


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([1, 2, 17, 400]),
    st.sampled_from([0.0, 1e-6, 1e-3, 1.0]),
    st.sampled_from([0.0, 1.0, 0.999]),
)
def test_neighbouring_sums_stay_within_the_sensitivity_after_cutting_and_rounding(seed, d, spread, size):
    """Sums near half steps, where rounding jumps, near 0 and near and over the cut."""
    built = mechanism(dimension=d, stores=200, clients_per_store=2000)
    generator = np.random.default_rng(seed)
    whole = np.rint(generator.normal(size=d) * 50) + np.rint(size * built.largest_sum)
    one = (whole + 0.5 - spread * generator.random(d)) * built.grid_step
    direction = generator.choice([1.0, generator.normal()], size=d) if seed % 2 else np.ones(d)
    if not np.any(direction):
        return
    other = one + direction / np.linalg.norm(direction) * built.clipping_norm
    assert change_in_steps(built, one, other) <= built.sensitivity


def test_no_pair_on_a_fine_lattice_of_two_coordinates_exceeds_the_sensitivity():
    """Exhaustively: every place within a step in sixteenths, every direction in 128ths of a turn."""
    built = mechanism(dimension=2, stores=200, clients_per_store=1200, noise_multiplier=0.25)
    places = np.arange(16) / 16 * built.grid_step
    turns = np.arange(128) / 128 * 2 * np.pi
    ones = np.stack(np.meshgrid(places, places), axis=-1).reshape(-1, 2)
    largest = 0.0
    for one in ones:
        start = built.encode(one)
        for turn in turns:
            end = built.encode(one + built.clipping_norm * np.array([np.cos(turn), np.sin(turn)]))
            largest = max(largest, float(np.hypot(*(end - start))))
    assert largest <= built.sensitivity
    # The search is a sharp one: it comes past what the sensitivity would be without rounding.
    assert largest > built.clipping_norm * (1 + ROUNDING_SLACK) / built.grid_step


def test_without_the_term_for_rounding_the_sensitivity_would_be_exceeded():
    built = mechanism(dimension=400, stores=200, clients_per_store=2000)
    below = np.full(400, 0.5 - 1e-6) * built.grid_step
    # The step that fills up to the next half in every coordinate, at most the clipping norm long.
    steps = np.floor(built.clipping_norm / 20 / built.grid_step - 1e-3) + 2e-6
    change = change_in_steps(built, below, below + steps * built.grid_step)
    exact = steps * 20
    assert exact * built.grid_step <= built.clipping_norm
    assert exact + 0.99 * 20 < change <= built.sensitivity
    without = built.clipping_norm * (1 + ROUNDING_SLACK) / built.grid_step
    assert change > without


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.sampled_from([1, 17, 400]))
def test_a_person_with_weights_moves_all_stores_together_within_the_sensitivity(seed, shops, d):
    built = mechanism(dimension=d, stores=200, clients_per_store=200, shops_per_person=shops)
    generator = np.random.default_rng(seed)
    weights = generator.dirichlet(np.ones(shops))
    moved = np.zeros(d)
    for weight in weights:
        one = (np.rint(generator.normal(size=d) * 50) + 0.5 - 1e-6) * built.grid_step
        direction = generator.choice([1.0, generator.normal()], size=d) if seed % 2 else np.ones(d)
        change = weight * built.clipping_norm * direction / max(np.linalg.norm(direction), 1e-9)
        moved += built.encode(one + change) - built.encode(one)
    assert np.linalg.norm(moved) <= built.sensitivity


def test_with_the_rounding_of_one_store_only_a_person_with_weights_would_exceed_the_sensitivity():
    """The worst case of rounding in one store, in five of them at once."""
    shops = 5
    one, five = (
        mechanism(dimension=400, stores=200, clients_per_store=2000, shops_per_person=k) for k in (1, shops)
    )

    def moved(built):
        below = np.full(400, 0.5 - 1e-6) * built.grid_step
        steps = np.floor(built.clipping_norm / shops / 20 / built.grid_step - 1e-3) + 2e-6
        assert shops * steps * 20 * built.grid_step <= built.clipping_norm
        return shops * change_in_steps(built, below, below + steps * built.grid_step)

    assert moved(five) <= five.sensitivity
    assert moved(one) > one.sensitivity
    assert five.noise_multiplier_with(contributors=4, colluders=1) == pytest.approx(1.5, rel=1e-10)


@given(
    st.lists(st.floats(-1e9, 1e9), min_size=3, max_size=3),
    st.lists(st.floats(-1e9, 1e9), min_size=3, max_size=3),
)
def test_cutting_brings_no_two_sums_further_apart(one, other):
    built = mechanism(dimension=3)
    one, other = np.array(one), np.array(other)
    apart = np.abs(one - other) / built.grid_step
    cut = np.abs(built.encode(one) - built.encode(other))
    # One step for rounding; double precision may lose 2^-50 of a quotient that is far over the cut.
    assert np.all(cut <= apart * (1 + 1e-12) + 1)
    assert np.all(np.abs(built.encode(one)) <= built.largest_sum)


def test_wrapping_in_place_of_cutting_would_tear_neighbours_apart():
    built = mechanism(dimension=1)
    edge = built.largest_sum * built.grid_step
    near, far = np.array([edge]), np.array([edge + built.clipping_norm])
    assert change_in_steps(built, near, far) <= built.sensitivity
    limit = 2 * built.largest_sum + 1
    wrapped = [(round(float(x[0]) / built.grid_step) + built.largest_sum) % limit for x in (near, far)]
    assert abs(wrapped[0] - wrapped[1]) > built.sensitivity


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


# The accounting, in one dimension: the probabilities of the sum of the honest shares by direct summation.


def honest_pmf(built, shares):
    """P(k) of a sum of shares, each out to 14 sigma; absolute error below 1e-14."""
    reach = 14 * 2**built.share_log2_stddev
    x = np.arange(-reach, reach + 1, dtype=float)
    one = np.exp(-(x**2) / (2 * 4.0**built.share_log2_stddev))
    one /= one.sum()
    total = one
    for _ in range(shares - 1):
        total = fftconvolve(total, one)
    return np.maximum(total, 0.0)


def exact_epsilon(pmf, shift, delta):
    """The least epsilon with sum over k of max(0, P(k) - e^epsilon P(k - shift)) <= delta."""
    here = np.pad(pmf, (0, shift))
    there = np.pad(pmf, (shift, 0))
    low, high = 0.0, 50.0
    for _ in range(50):
        middle = (low + high) / 2
        fits = np.maximum(here - math.exp(middle) * there, 0).sum() <= delta
        low, high = (low, middle) if fits else (middle, high)
    return high


@pytest.mark.parametrize("noise_multiplier", [0.6, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("delta", [1e-5, 1e-8])
def test_the_exact_privacy_profile_agrees_with_the_accountant(noise_multiplier, delta):
    built = mechanism(dimension=1, noise_multiplier=noise_multiplier)
    shares = built.floor - built.colluders
    pmf = honest_pmf(built, shares)
    shift = math.floor(built.sensitivity)  # the largest change of an integer
    exact = exact_epsilon(pmf, shift, delta)
    accounted = accounted_epsilon([built.release()], delta=delta)
    # The integer shift is up to 1/513 short of the sensitivity, and the accountant is within 0.1 %.
    assert exact <= (accounted + built.departure.epsilon_extra) * (1 + 1e-6)
    assert exact >= 0.99 * accounted
    # The twin: one share withheld more than promised for is seen.
    assert exact_epsilon(honest_pmf(built, shares - 1), shift, delta) > 1.05 * accounted


def crowded():
    """As many small shares as are added, on the coarsest grid that the departure allows."""
    return DistributedMechanism(
        dimension=1,
        clipping_norm=1.0,
        noise_multiplier=1.0,
        floor=120,
        colluders=3,
        stores=200,
        clients_per_store=15_000,
    )


@pytest.mark.parametrize("delta", [1e-5, 1e-8])
def test_the_exact_privacy_profile_of_many_small_shares_agrees_too(delta):
    built = crowded()
    assert built.share_log2_stddev == 3  # a share of stddev 8; alone it would depart 117^2 times as far
    pmf = honest_pmf(built, 117)
    shift = math.floor(built.sensitivity)
    accounted = accounted_epsilon([built.release()], delta=delta)
    assert exact_epsilon(pmf, shift, delta) <= (accounted + built.departure.epsilon_extra) * (1 + 1e-6)
    assert exact_epsilon(pmf, shift, delta) >= 0.98 * accounted  # the integer shift is up to 1/87 short
    # The twin: a tenth of the shares withheld is seen.
    assert exact_epsilon(honest_pmf(built, 105), shift, delta) > 1.03 * accounted


def test_many_small_shares_as_stores_draw_them_carry_the_noise_promised():
    """The statistics of what 117 honest stores send, all with sums of zero."""
    built = DistributedMechanism(
        dimension=2000,
        clipping_norm=1.0,
        noise_multiplier=1.0,
        floor=120,
        colluders=3,
        stores=200,
        clients_per_store=1000,
    )
    total = sum(built.share(np.zeros(2000), source=SeededNoise(seed)) for seed in range(117))
    promised = built.noise_multiplier * built.sensitivity
    tolerance = 5 / math.sqrt(2 * 2000)  # five standard errors of the ratio of stddevs
    assert abs(total.std() / promised - 1) < tolerance
    assert abs(total.mean()) < 5 * promised / math.sqrt(2000)
    fewer = sum(built.share(np.zeros(2000), source=SeededNoise(seed)) for seed in range(80))
    assert abs(fewer.std() / promised - 1) > tolerance  # the twin: a third of the shares withheld


def test_renyi_divergences_stay_below_those_of_the_gaussian():
    """Zero-concentrated privacy with rho = shift^2 / (2 variance), as Canonne et al. 2020 prove for N_Z."""
    b, shares, shift = 3, 3, 11
    reach = 100 * 2**b  # order 32 moves the weight by 32 shifts: 352
    x = np.arange(-reach, reach + 1, dtype=float)
    log_one = -(x**2) / (2 * 4.0**b)
    # With three shares at sigma = 8 the sum is N_Z(0, 3 * 64) up to e^-600 (see `discreteness`).
    log_pmf = -(x**2) / (2 * shares * 4.0**b)
    log_pmf -= np.logaddexp.reduce(log_pmf)
    convolved = np.exp(log_one - np.logaddexp.reduce(log_one))
    summed = np.convolve(np.convolve(convolved, convolved, "same"), convolved, "same")
    centre = slice(reach - 100, reach + 101)
    assert np.abs(np.log(summed[centre]) - log_pmf[centre]).max() < 1e-9
    rho = shift**2 / (2 * shares * 4.0**b)
    for order in (1.5, 2.0, 8.0, 32.0):
        here, there = log_pmf[shift:], log_pmf[:-shift]
        divergence = np.logaddexp.reduce(order * here + (1 - order) * there) / (order - 1)
        assert divergence <= order * rho * (1 + 1e-9)
        assert divergence > order * rho * 0.99  # the twin: the bound of a noise 1 % larger is broken


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_privacy_loss_in_many_dimensions_is_the_gaussians(seed):
    """For an integer shift v the loss is normal with mean |v|^2 / 2 sigma^2 and twice that as variance."""
    d, draws = 12, 100_000
    built = mechanism(dimension=d, stores=200, clients_per_store=5000)
    generator = np.random.default_rng(seed)
    direction = generator.normal(size=d)
    shift = np.trunc(direction / np.linalg.norm(direction) * built.sensitivity).astype(np.int64)
    shares = built.floor - built.colluders
    b = built.share_log2_stddev
    noise = sum(
        discrete_gaussians(SeededNoise(100 * seed + i), draws * d, log2_stddev=b) for i in range(shares)
    ).reshape(draws, d)
    variance = shares * 4.0**b
    # log P(x) - log P(x + v) for the discrete Gaussian the sum is within e^-1000 of
    loss = ((noise + shift) ** 2 - noise**2).sum(axis=1) / (2 * variance)
    size = float(shift @ shift) / variance
    assert 0.97 < math.sqrt(size) * built.noise_multiplier <= 1 + 1e-9

    assert abs(loss.mean() - size / 2) < 5 * math.sqrt(size / draws)
    assert abs(loss.var() / size - 1) < 5 * math.sqrt(2 / draws)
    assert abs(loss.var() / (1.05 * size) - 1) > 5 * math.sqrt(2 / draws)  # the twin: 5 % off

    # delta at epsilon 1, whose terms max(0, 1 - e^(epsilon - loss)) lie in [0, 1]
    terms = np.maximum(0, -np.expm1(1 - loss))
    mu = math.sqrt(size)
    expected = norm.cdf(mu / 2 - 1 / mu) - math.e * norm.cdf(-mu / 2 - 1 / mu)
    tolerance = 5 * terms.std() / math.sqrt(draws)
    assert abs(terms.mean() - expected) < tolerance
    promised = 1 / built.noise_multiplier
    most = norm.cdf(promised / 2 - 1 / promised) - math.e * norm.cdf(-promised / 2 - 1 / promised)
    assert terms.mean() <= most + tolerance
