"""How much noise there can be in what is released: the charter says it, and nobody else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from highstreet.audit.charter import Charter
from highstreet.audit.errors import ReleasedNoiseError
from highstreet.audit.released_noise import refuse_other_noise, refuse_other_stddev
from highstreet.audit.requests import MAX_PARTICIPANTS, mechanism_of
from highstreet.models.programme import apply_sum, default_plan, initial_state
from highstreet.models.state import SharedState
from highstreet.privacy.releases import PrivacyUnit, Weighting


@pytest.fixture
def charter(charter_with: Callable[..., Charter]) -> Charter:
    # Three parts: so long a sum has a coarser grid from some number of stores on.
    measured = ("history", "age_band", "exposure")
    return charter_with(
        plan=default_plan(noise_multiplier=9.0, params={"holdout_days": 14}, measured=measured)
    )


def _noise(charter: Charter, *, asked: int, contributors: int) -> float:
    mechanism = mechanism_of(charter.plan.phases[-1], charter, participants=asked)
    return mechanism.noise_stddev(contributors=contributors)


def _check(charter: Charter, stddev: float, participants: int = 3) -> None:
    refuse_other_stddev(charter, "bias", stddev, participants=participants)


@pytest.mark.parametrize(("asked", "contributors"), [(3, 3), (20, 7), (564, 500), (MAX_PARTICIPANTS, 1000)])
def test_the_noise_of_any_number_of_stores_is_accepted(
    charter: Charter, asked: int, contributors: int
) -> None:
    _check(charter, _noise(charter, asked=asked, contributors=contributors))


@pytest.mark.parametrize("stddev", [0.0, -1.0, 1e-300, 1.0, 1e6, 1e200, float("inf"), float("nan")])
def test_any_other_noise_is_refused(charter: Charter, stddev: float) -> None:
    with pytest.raises(ReleasedNoiseError, match="noise"):
        _check(charter, stddev)


def test_less_noise_than_at_the_floor_is_refused(charter: Charter) -> None:
    assert charter.rounds.cohort_floor == 3
    for participants in (1, 2, 3):
        with pytest.raises(ReleasedNoiseError):
            _check(charter, _noise(charter, asked=3, contributors=2), participants)


def test_sums_of_weighted_customers_carry_the_noise_of_whole_ones(charter: Charter) -> None:
    terms = replace(
        charter.privacy,
        privacy_unit=PrivacyUnit.PERSON,
        weighting=Weighting.ONE_OVER_MOST,
        shops_per_person=4,
    )
    weighted = replace(charter, privacy=terms)
    noise = _noise(weighted, asked=9, contributors=5)
    _check(weighted, 4 * noise)
    with pytest.raises(ReleasedNoiseError):
        _check(weighted, noise)


def test_without_a_phase_that_measures_no_noise_fits(charter: Charter) -> None:
    stddev = _noise(charter, asked=3, contributors=3)
    with pytest.raises(ReleasedNoiseError):
        _check(replace(charter, plan=default_plan(noise_multiplier=9.0)), stddev)


def _trained(charter: Charter, *, contributors: dict[str, int]) -> SharedState:
    """What a training over nobody leaves, with so many contributors to each phase that tells its noise."""
    state = initial_state(charter.plan)
    for phase in charter.plan.phases:
        stores = contributors.get(phase.name, 5)
        mechanism = mechanism_of(phase, charter, participants=9)
        state = apply_sum(
            charter.plan,
            phase,
            state,
            np.zeros(phase.dimension),
            stores=stores,
            noise_stddev=mechanism.noise_stddev(contributors=stores),
        )
    return state


@pytest.mark.parametrize("weighting", [Weighting.WHOLE, Weighting.ONE_OVER_MOST])
def test_a_model_of_an_honest_training_tells_the_noise_of_its_charter(
    charter: Charter, weighting: Weighting
) -> None:
    if weighting is not Weighting.WHOLE:
        terms = replace(
            charter.privacy, privacy_unit=PrivacyUnit.PERSON, weighting=weighting, shops_per_person=4
        )
        charter = replace(charter, privacy=terms)
    state = _trained(charter, contributors={"popularity": 9, "evaluation": 4, "bias": 7})
    refuse_other_noise(charter, state, participants=4)
    with pytest.raises(ReleasedNoiseError, match="phase evaluation"):  # fewer than any sum is said to hold
        refuse_other_noise(charter, state, participants=5)


@pytest.mark.parametrize("name", ["popularity/key_stddev", "evaluation/stddev", "bias/stddev"])
@pytest.mark.parametrize("value", [0.0, 1e-300, 1.0, 1e13])
def test_a_model_that_tells_other_noise_is_refused(charter: Charter, name: str, value: float) -> None:
    state = _trained(charter, contributors={}).updated({name: np.array([value])})
    with pytest.raises(ReleasedNoiseError, match=f"phase {name.partition('/')[0]} "):
        refuse_other_noise(charter, state, participants=3)


def test_a_charter_without_noise_releases_nothing_that_is_believed(charter: Charter) -> None:
    silent = replace(charter, plan=default_plan(noise_multiplier=0.0))
    with pytest.raises(ReleasedNoiseError):
        refuse_other_noise(silent, _trained(charter, contributors={}), participants=3)
