"""How much noise there can be in what is released: the charter says it, and nobody else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from highstreet.audit.charter import Charter
from highstreet.audit.errors import ReleasedNoiseError
from highstreet.audit.released_noise import refuse_other_stddev
from highstreet.audit.requests import MAX_PARTICIPANTS, mechanism_of
from highstreet.models.programme import default_plan
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
