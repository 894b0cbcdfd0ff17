"""Intervals of ratios of noisy sums, and of their differences: as their equations and worked figures say."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest

from highstreet.audit.bias_intervals import Interval, difference_interval, quantile, ratio_interval
from highstreet.audit.scorecard import scorecard

Z = NormalDist().inv_cdf(0.975)


def test_groups_that_share_the_misses_have_wider_intervals() -> None:
    assert quantile(groups=1) == pytest.approx(1.959964, abs=1e-6)
    # Three groups: a chance of .05 / 6 on either side.
    assert 1 - NormalDist().cdf(quantile(groups=3)) == pytest.approx(0.05 / 6)


def test_the_interval_is_the_scorecards_where_there_is_one_group() -> None:
    """The evaluation's own figure, by its own code."""
    ours = ratio_interval(
        30.0, 100.0, variance=16.0, customers_variance=16.0, spread=(0.0, 1.0, -1.0), bounds=(0.0, 1.0), z=Z
    )
    theirs = scorecard({"all/customers": 100, "all/ranker": 30, "all/popularity": 0, "novel/customers": 0,
                        "novel/ranker": 0, "novel/popularity": 0, "stddev": 4.0})  # fmt: skip
    assert ours.low == pytest.approx(theirs["ndcg_at_10/all/ranker/low"], rel=1e-5)
    assert ours.high == pytest.approx(theirs["ndcg_at_10/all/ranker/high"], rel=1e-5)
    assert ours.value == theirs["ndcg_at_10/all/ranker"]


def _interval(**changes: object) -> Interval:
    usual = {
        "total": 30.0,
        "customers": 100.0,
        "variance": 4.0,
        "customers_variance": 9.0,
        "spread": (0.0, 1.0, -1.0),
        "bounds": (0.0, 1.0),
        "z": Z,
    }
    return ratio_interval(**{**usual, **changes})  # type: ignore[arg-type]  # as above


def test_the_ends_of_an_interval_solve_fiellers_equation() -> None:
    """(total - m customers)^2 = z^2 (v + m^2 vc + customers (a + b m + c m^2)) at both ends."""
    for spread in ((0.0, 1.0, -1.0), (0.25, 0.0, 0.0), (0.81, 0.0, -1.0), (0.1, 0.2, 0.3)):
        found = _interval(spread=spread, bounds=(-2.0, 2.0))
        assert found.low < 0.3 < found.high
        a, b, c = spread
        for m in (found.low, found.high):
            right = Z**2 * (4.0 + 9.0 * m * m + 100 * (a + b * m + c * m * m))
            assert (30.0 - m * 100.0) ** 2 == pytest.approx(right)


def test_an_interval_says_nothing_where_the_number_of_customers_could_be_nought() -> None:
    whole = Interval(value=0.3, low=0.0, high=1.0)
    edge = (100.0 / Z) ** 2
    assert _interval(customers_variance=edge) == whole
    assert _interval(customers_variance=edge * 1.5) == whole
    assert _interval(customers_variance=edge * 0.9).low > 0.0
    assert _interval(customers=0.0) == Interval(value=0.0, low=0.0, high=1.0)
    assert _interval(customers=-5.0, bounds=(0.25, 1.0)) == Interval(value=0.25, low=0.25, high=1.0)
    assert _interval(customers=-5.0, bounds=(-1.0, -0.5)) == Interval(value=-0.5, low=-1.0, high=-0.5)
    # A spread so wide that the parabola turns over.
    assert _interval(spread=(0.0, 0.0, 100.0)) == whole


def test_where_an_interval_begins_to_say_something_is_exact() -> None:
    whole = Interval(value=0.3, low=0.0, high=1.0)
    # Two standard deviations of 50 are the 100 customers; of a little less they are not.
    assert _interval(z=2.0, customers_variance=2500.0) == whole
    assert _interval(z=2.0, customers_variance=2499.0) != whole
    # 100^2 = 2^2 x 100 x 25: the parabola is a line.
    assert _interval(z=2.0, customers_variance=0.0, spread=(0.0, 0.0, 25.0)) == whole
    # One customer without noise is known.
    one = _interval(total=0.5, customers=1.0, variance=0.0, customers_variance=0.0, spread=(0.0, 0.0, 0.0))
    assert one == Interval(value=0.5, low=0.5, high=0.5)


def test_a_sum_beyond_what_can_be_says_no_more_than_the_bound() -> None:
    over, under = _interval(total=150.0), _interval(total=-20.0)
    assert (over, under) == (_interval(total=100.0), _interval(total=0.0))
    assert (over.value, over.high, under.value, under.low) == (1.0, 1.0, 0.0, 0.0)
    assert 0.9 < over.low < 0.99
    assert 0.01 < under.high < 0.1
    least = _interval(total=-150.0, spread=(1.0, 0.0, -1.0), bounds=(-1.0, 1.0))
    assert (least.value, least.low) == (-1.0, -1.0)


def test_the_interval_of_a_difference_is_that_worked_by_hand() -> None:
    found = difference_interval(
        Interval(value=0.5, low=0.4, high=0.8), Interval(value=0.3, low=0.1, high=0.35)
    )
    # Below: sqrt(.1^2 + .05^2); above: sqrt(.3^2 + .2^2).
    assert found.value == pytest.approx(0.2)
    assert found.low == pytest.approx(0.2 - math.sqrt(0.0125))
    assert found.high == pytest.approx(0.2 + math.sqrt(0.13))
