"""Figures from noisy sums: right without noise, honest with it, and silent where noise is all there is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from highstreet.audit.scorecard import scorecard
from highstreet.models.evaluation import METRICS


def _sums(customers: float, total: float, stddev: float) -> dict[str, float]:
    return {name: customers if name.endswith("customers") else total for name in METRICS} | {"stddev": stddev}


def test_without_noise_the_interval_is_wilsons() -> None:
    card = scorecard(_sums(100, 20, 0))
    assert card["ndcg_at_10/all/ranker"] == 0.2
    # Wilson's interval for 20 of 100: (.133367, .288829), e.g. Brown, Cai and DasGupta 2001, formula (4).
    assert card["ndcg_at_10/novel/popularity/low"] == pytest.approx(0.133367, abs=1e-5)
    assert card["ndcg_at_10/novel/popularity/high"] == pytest.approx(0.288829, abs=1e-5)


def test_figures_of_weighted_sums_are_those_of_whole_customers_under_more_noise() -> None:
    """Each of 600 customers counted by 1 / 4: sums are a quarter, the noise in them is not."""
    weighted = scorecard(_sums(customers=150, total=45, stddev=10), weight=1 / 4)
    assert weighted == pytest.approx(scorecard(_sums(customers=600, total=180, stddev=40)))
    assert (weighted["customers/all"], weighted["ndcg_at_10/all/ranker"]) == (600, pytest.approx(0.3))
    # The twin: taken for whole customers they would be a quarter as many, with an interval that is too wide.
    careless = scorecard(_sums(customers=150, total=45, stddev=10))
    assert careless["customers/all"] == 150
    width = "ndcg_at_10/all/ranker/high"
    assert careless[width] > weighted[width] + 0.005


def test_a_release_that_was_not_evaluated_has_no_figures() -> None:
    assert scorecard({}) == {}


def test_where_noise_is_all_there_is_only_the_noisy_count_is_given() -> None:
    card = scorecard(_sums(customers=70, total=30, stddev=40))
    assert set(card) == {"noise_stddev", "customers/all", "customers/novel"}
    assert "ndcg_at_10/all/ranker" in scorecard(_sums(customers=80, total=30, stddev=40))


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(0, 1e4))
def test_every_figure_lies_in_its_interval_and_every_interval_in_0_to_1(
    customers: float, total: float, stddev: float
) -> None:
    card = scorecard(_sums(customers, total, stddev))
    for name in (name for name in card if name.endswith(("/ranker", "/popularity"))):
        assert 0.0 <= card[f"{name}/low"] <= card[name] + 1e-9
        assert card[name] - 1e-9 <= card[f"{name}/high"] <= 1.0


def test_the_intervals_hold_the_truth_as_often_as_they_say() -> None:
    draws, customers, truth, stddev = 4_000, 600, 0.3, 40.0
    generator = np.random.default_rng(7)

    def held(stated_stddev: float) -> float:
        count = 0
        for _ in range(draws):
            # Figures of 0 and 1 only: the widest spread that a mean of .3 can have.
            total = generator.binomial(customers, truth) + stddev * generator.standard_normal()
            card = scorecard(_sums(customers + stddev * generator.standard_normal(), total, stated_stddev))
            count += card["ndcg_at_10/all/ranker/low"] <= truth <= card["ndcg_at_10/all/ranker/high"]
        return count / draws

    tolerance = 5 * np.sqrt(0.05 * 0.95 / draws)  # five standard errors
    assert abs(held(stddev) - 0.95) < tolerance
    assert held(stddev / 2) < 0.95 - tolerance  # noise said to be half of what it is would be seen
