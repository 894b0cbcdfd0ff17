"""Neighbouring sums stay within the sensitivity on the grid, after cutting and rounding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from highstreet.privacy.summing import ROUNDING_SLACK
from tests.privacy.made_up_mechanism import mechanism


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
