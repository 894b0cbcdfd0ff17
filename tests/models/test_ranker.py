"""The coordinator's steps of the ranker, on losses that are exactly quadratic, where the answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from highstreet.models.features import FEATURE_SCALES, INITIAL_WEIGHTS
from highstreet.models.ranker import apply_curvature, apply_gradient
from highstreet.models.settings import Settings
from highstreet.models.state import SharedState

SIZE = len(INITIAL_WEIGHTS)
SETTINGS = replace(Settings(), step_size=1.0, step_radius=1e3)
CUSTOMERS = 50.0


@pytest.fixture
def hessian() -> np.ndarray:
    """Of a loss summed over customers, well conditioned in scaled features."""
    directions = np.random.default_rng(5).normal(size=(4 * SIZE, SIZE)) / FEATURE_SCALES
    return directions.T @ directions


def curved(hessian: np.ndarray, *, noise_stddev: float = 0.0) -> SharedState:
    upper = np.triu_indices(SIZE)
    scaled = hessian * np.outer(FEATURE_SCALES, FEATURE_SCALES)
    total = scaled[upper] * np.where(upper[0] == upper[1], 1.0, np.sqrt(2.0))
    start = SharedState({"ranker/weights": INITIAL_WEIGHTS, "ranker/variance": np.array([1.0])})
    return apply_curvature(SETTINGS, start, total, denominator=CUSTOMERS, noise_stddev=noise_stddev)


def test_the_curvature_released_is_that_of_the_features_as_they_are(hessian):
    state = curved(hessian)
    belief = SETTINGS.alone_precision * np.eye(SIZE)
    np.testing.assert_allclose(
        state["ranker/curvature"], (hessian + belief) / CUSTOMERS, rtol=1e-8, atol=1e-10
    )
    whitening = state["ranker/whitening"]
    np.testing.assert_allclose(whitening.T @ state["ranker/curvature"] @ whitening, np.eye(SIZE), atol=1e-8)


def test_one_full_step_solves_a_quadratic_and_the_next_stays_there(hessian):
    state = curved(hessian)
    gradient = np.random.default_rng(6).normal(size=SIZE)
    optimum = INITIAL_WEIGHTS - np.linalg.solve(hessian + SETTINGS.alone_precision * np.eye(SIZE), gradient)
    for _ in range(2):
        slope = gradient + hessian @ (state["ranker/weights"] - INITIAL_WEIGHTS)
        total = state["ranker/whitening"].T @ slope
        state = apply_gradient(SETTINGS, state, total, denominator=CUSTOMERS, noise_stddev=0.0)
        np.testing.assert_allclose(state["ranker/weights"], optimum, atol=1e-9)
    # With the whitening turned the other way round the step goes elsewhere.
    wrong = state["ranker/whitening"] @ gradient
    assert np.abs(wrong - state["ranker/whitening"].T @ gradient).max() > 0.01


def test_noise_takes_what_is_curved_less_for_flat_and_steps_shorter_there(hessian):
    quiet, loud = curved(hessian), curved(hessian, noise_stddev=1e3)
    steps = [
        np.linalg.norm(state["ranker/whitening"] / FEATURE_SCALES[:, None], 2) for state in (quiet, loud)
    ]
    assert steps[1] < 0.5 * steps[0]
