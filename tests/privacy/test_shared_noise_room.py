"""The promised noise is reached at the floor, and grid and capacity have room for it in the field."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from highstreet.privacy.discreteness import EPSILON_EXTRA_LIMIT, departure
from highstreet.privacy.errors import InvalidReleaseError
from highstreet.privacy.shared_noise import DistributedMechanism
from highstreet.privacy.summing import ROUNDING_SLACK
from tests.privacy.made_up_mechanism import HALF, mechanism, mechanisms


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
