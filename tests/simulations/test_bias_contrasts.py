"""Contrasts: right means, errors that hold persons and seeds, and nothing where there are too few persons."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student_t

from highstreet.models.comparison import InvalidComparisonError, clustered_mean
from highstreet.simulations.bias_contrasts import contrast

EVERYBODY = np.ones(40, dtype=bool)


def test_without_others_and_with_one_seed_it_is_the_clustered_mean() -> None:
    generator = np.random.default_rng(1)
    values, persons = generator.normal(size=(1, 40)), np.arange(40) // 3
    values[0, 5] = np.nan
    found, known = contrast(values, persons, EVERYBODY), clustered_mean(values[0], persons)
    assert found is not None
    assert (found.mean, found.error) == (pytest.approx(known.mean), pytest.approx(known.standard_error))
    assert (found.units, found.persons) == (39, 14)
    assert found.mean + found.reach(0.05) == pytest.approx(known.high)


def test_a_person_on_both_sides_is_compared_with_themselves() -> None:
    people = 400
    generator = np.random.default_rng(2)
    taste = generator.normal(size=people)
    values = np.concatenate([taste, taste])[None, :] + 0.1 * generator.normal(size=(1, 2 * people))
    persons, inside = np.tile(np.arange(people), 2), np.arange(2 * people) < people
    found = contrast(values, persons, inside, ~inside)
    assert found is not None
    truth = np.sqrt(2 * 0.1**2 / people)
    tolerance = 5 * truth / np.sqrt(2 * (people - 1))  # five standard errors of a standard deviation
    assert abs(found.error - truth) < tolerance
    apart = contrast(values, np.arange(2 * people), inside, ~inside)  # as if they were other people
    assert apart is not None
    assert abs(apart.error - truth) > tolerance


def test_seeds_that_differ_widen_the_interval_with_their_own_degrees_of_freedom() -> None:
    shifts = np.array([0.0, 0.1, -0.1, 0.2, -0.2])
    values = np.repeat(shifts[:, None], 40, axis=1)
    found = contrast(values, np.arange(40), EVERYBODY)
    assert found is not None
    assert found.error == pytest.approx(shifts.std(ddof=1) / np.sqrt(5))
    assert found.degrees == pytest.approx(4)
    assert found.reach(0.05) == pytest.approx(student_t.ppf(0.975, 4) * found.error)
    still = contrast(values[:1], np.arange(40), EVERYBODY)
    assert still is not None
    assert still.reach(0.05) == 0.0


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    generator = np.random.default_rng(3)
    runs, misses, narrow = 2_000, 0, 0
    inside = np.arange(60) % 2 == 0
    for _ in range(runs):
        persons = generator.normal(size=30)[np.arange(60) // 2]
        values = (
            1.0 * inside + persons + generator.normal(size=(4, 60)) + generator.normal(size=(4, 1)) * inside
        )
        found = contrast(values, np.arange(60) // 2, inside, ~inside)
        assert found is not None
        misses += abs(found.mean - 1.0) > found.reach(0.05)
        narrow += abs(found.mean - 1.0) > 1.96 * contrast_without_seeds(values, inside)
    tolerance = 5 * np.sqrt(0.05 * 0.95 / runs)
    assert misses / runs < 0.05 + tolerance
    assert narrow / runs > 0.05 + tolerance  # an error that leaves the seeds out misses too often


def contrast_without_seeds(values: np.ndarray, inside: np.ndarray) -> float:
    mean = values.mean(axis=0, keepdims=True)
    found = contrast(mean, np.arange(60) // 2, inside, ~inside)
    assert found is not None
    return found.error


def test_too_few_persons_on_either_side_say_nothing() -> None:
    values, persons = np.arange(40.0)[None, :], np.arange(40) // 2
    few = np.arange(40) < 18
    assert contrast(values, persons, few, fewest_persons=10) is None
    assert contrast(values, persons, ~few, few, fewest_persons=10) is None
    assert contrast(values, persons, few, ~few, fewest_persons=9) is not None
    assert contrast(np.full((1, 40), np.nan), persons, EVERYBODY) is None


@pytest.mark.parametrize(
    ("values", "inside", "outside"),
    [
        (np.zeros(40), EVERYBODY, None),
        (np.zeros((1, 39)), EVERYBODY, None),
        (np.zeros((1, 40)), EVERYBODY, EVERYBODY),
        (np.array([[0.0] * 40, [np.nan] + [0.0] * 39]), EVERYBODY, None),
    ],
)
def test_columns_that_do_not_fit_are_refused(
    values: np.ndarray, inside: np.ndarray, outside: np.ndarray | None
) -> None:
    with pytest.raises(InvalidComparisonError):
        contrast(values, np.arange(40), inside, outside)
