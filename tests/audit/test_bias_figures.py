"""Figures and intervals from noisy sums: by hand without noise, and as often right as they say with it."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, fields, replace
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_sums import EXPOSED, history, rule, sums_of

from highstreet.audit.bias_figures import NoisySums, figures_of
from highstreet.audit.bias_intervals import Interval, difference_interval, ratio_interval
from highstreet.audit.bias_rules import Comparison, Metric

Z = NormalDist().inv_cdf(0.975)
Z_OF_TWO = NormalDist().inv_cdf(1 - 0.05 / 4)


def test_sums_are_scaled_to_whole_customers() -> None:
    sums = NoisySums.of(["b", "a"], [2.0, 5.0], stddev=3.0, weight=0.25)
    assert (dict(sums.values), list(sums.values), sums.stddev) == ({"a": 20.0, "b": 8.0}, ["a", "b"], 12.0)
    with pytest.raises(ValueError, match="shorter"):
        NoisySums.of(["a", "b"], [1.0], stddev=1.0, weight=1.0)


def test_without_noise_a_groups_interval_is_wilsons_with_the_misses_shared() -> None:
    found = figures_of(rule(), sums_of(**history()), minimum_group=50)
    little, much = found.cells
    assert (little.cell, much.cell, found.withheld) == ("little", "much", ("unknown",))
    assert (little.interval.value, much.interval.value) == (pytest.approx(0.2), pytest.approx(0.4))

    def wilson(p: float, n: float) -> list[float]:
        square = Z_OF_TWO**2
        half = Z_OF_TWO * math.sqrt(p * (1 - p) / n + square / (4 * n * n))
        return [
            (p + square / (2 * n) - half) / (1 + square / n),
            (p + square / (2 * n) + half) / (1 + square / n),
        ]

    assert [little.interval.low, little.interval.high] == pytest.approx(wilson(0.2, 100))
    assert [much.interval.low, much.interval.high] == pytest.approx(wilson(0.4, 300))


def test_against_popularity_the_same_customers_are_compared() -> None:
    found = figures_of(rule(comparison=Comparison.POPULARITY), sums_of(**history()), minimum_group=50)
    little, much = (each.interval for each in found.cells)
    assert (little.value, much.value) == (pytest.approx(0.05), pytest.approx(0.2))
    # (x - y)^2 <= x + y: the spread is at most .35 and .6, so the ends are z sqrt(spread / n) away.
    assert little.high - little.value == pytest.approx(Z_OF_TWO * math.sqrt(0.35 / 100))
    assert much.value - much.low == pytest.approx(Z_OF_TWO * math.sqrt(0.6 / 300))


def test_the_noise_of_both_lists_is_in_a_paired_difference() -> None:
    noisy = sums_of(stddev=2.0, **history())
    found = figures_of(rule(comparison=Comparison.POPULARITY), noisy, minimum_group=50)
    little = found.cells[0].interval
    spread = (35.0 + Z_OF_TWO * math.sqrt(8.0)) / 100
    for m in (little.low, little.high):
        right = Z_OF_TWO**2 * (8.0 + 4.0 * m * m + 100 * spread)
        assert (5.0 - m * 100.0) ** 2 == pytest.approx(right)


def test_where_both_figures_are_large_the_difference_spreads_as_far_as_it_can() -> None:
    high = history(history__little__all__ranker=80.0, history__little__all__popularity=70.0)
    found = figures_of(rule(comparison=Comparison.POPULARITY), sums_of(**high), minimum_group=50)
    little = found.cells[0].interval
    for m in (little.low, little.high):
        assert (10.0 - m * 100.0) ** 2 == pytest.approx(Z_OF_TWO**2 * 100 * (1 - m * m))


def test_others_are_all_but_the_group_unknown_ones_included() -> None:
    values = history(history__unknown__all__customers=100.0, history__unknown__all__ranker=80.0)
    found = figures_of(rule(comparison=Comparison.OTHERS), sums_of(**values), minimum_group=50)
    by_cell = {each.cell: each.interval for each in found.cells}
    assert list(by_cell) == ["little", "much", "unknown"]
    assert by_cell["little"].value == pytest.approx(0.2 - 200 / 400)
    assert by_cell["much"].value == pytest.approx(0.4 - 100 / 200)
    assert by_cell["unknown"].value == pytest.approx(0.8 - 140 / 400)
    z = NormalDist().inv_cdf(1 - 0.05 / 6)
    parts = [
        ratio_interval(t, n, variance=0, customers_variance=0, spread=(0, 1, -1), bounds=(0, 1), z=z)
        for t, n in ((20, 100), (200, 400))
    ]
    wanted = difference_interval(*parts)
    assert (by_cell["little"].low, by_cell["little"].high) == (
        pytest.approx(wanted.low),
        pytest.approx(wanted.high),
    )


def test_a_group_whose_others_are_too_few_is_withheld() -> None:
    lonely = history(history__much__all__customers=10.0, history__much__all__ranker=4.0)
    found = figures_of(rule(comparison=Comparison.OTHERS), sums_of(**lonely), minimum_group=50)
    # The two are merged, and nobody is left to compare them with.
    assert found.cells == ()
    assert set(found.withheld) == {"little+much", "unknown"}


def test_against_the_release_before_both_errors_count() -> None:
    before = sums_of(stddev=1.0, **history(history__little__all__ranker=30.0))
    now = sums_of(stddev=2.0, **history())
    found = figures_of(rule(comparison=Comparison.PREVIOUS), now, previous=before, minimum_group=50)
    assert found.cells[0].interval.value == pytest.approx(-0.1)

    def part(total: float, stddev: float) -> Interval:
        return ratio_interval(total, 100.0, variance=stddev**2, customers_variance=stddev**2,
                              spread=(0, 1, -1), bounds=(0, 1), z=Z_OF_TWO)  # fmt: skip

    wanted = difference_interval(part(20.0, 2.0), part(30.0, 1.0))
    assert found.cells[0].interval.low == pytest.approx(wanted.low)
    assert found.cells[0].interval.high == pytest.approx(wanted.high)


def test_groups_too_small_in_the_release_before_are_merged_in_both() -> None:
    before = sums_of(**history(history__little__all__customers=10.0, history__little__all__ranker=1.0))
    found = figures_of(
        rule(comparison=Comparison.PREVIOUS), sums_of(**history()), previous=before, minimum_group=50
    )
    assert [each.cell for each in found.cells] == ["little+much"]
    assert found.cells[0].interval.value == pytest.approx(140 / 400 - 121 / 310)


def test_the_smaller_of_both_releases_says_which_neighbour_is_smaller() -> None:
    def ages(under_25: float) -> NoisySums:
        sizes = {"under_25": under_25, "25_34": 10.0, "35_44": 60.0}
        sizes |= dict.fromkeys(("45_54", "55_64", "65_plus"), 90.0)
        return sums_of(**{f"age_band__{cell}__all__customers": size for cell, size in sizes.items()})

    asked = rule(groups="age_band", comparison=Comparison.PREVIOUS)
    for now, before in ((100.0, 55.0), (55.0, 100.0)):
        found = figures_of(asked, ages(now), previous=ages(before), minimum_group=50)
        assert [each.cell for each in found.cells][:2] == ["under_25+25_34", "35_44"]
    found = figures_of(asked, ages(100.0), previous=ages(100.0), minimum_group=50)
    assert [each.cell for each in found.cells][:2] == ["under_25", "25_34+35_44"]


def test_a_release_before_says_nothing_where_it_is_not_compared_with() -> None:
    nobody = sums_of()
    found = figures_of(rule(), sums_of(**history()), previous=nobody, minimum_group=50)
    assert found == figures_of(rule(), sums_of(**history()), minimum_group=50)
    assert len(found.cells) == 2


def test_a_group_by_itself_shares_its_misses_with_nobody() -> None:
    alone = history(history__much__all__customers=10.0, history__much__all__ranker=4.0)
    (only,) = figures_of(rule(), sums_of(**alone), minimum_group=50).cells
    p, n = 24 / 110, 110
    for m in (only.interval.low, only.interval.high):
        assert (p * n - m * n) ** 2 == pytest.approx(Z**2 * n * m * (1 - m))


def test_a_paired_difference_of_few_or_of_nobody_is_as_wide_as_it_must_be() -> None:
    asked = rule(comparison=Comparison.POPULARITY)
    one = sums_of(
        history__little__all__customers=1.0,
        history__little__all__ranker=0.02,
        history__little__all__popularity=0.01,
    )
    little = figures_of(asked, one, minimum_group=1).cells[0].interval
    # Of one customer too the sum of both figures, .03, bounds the spread.
    assert little.high - little.value == pytest.approx(Z * math.sqrt(0.03))
    nobody = figures_of(asked, sums_of(), minimum_group=0).cells[0].interval
    assert nobody == Interval(value=0.0, low=-1.0, high=1.0)


def test_figures_that_add_up_to_one_spread_as_far_as_they_can() -> None:
    even = history(history__little__all__ranker=50.0, history__little__all__popularity=50.0)
    found = figures_of(rule(comparison=Comparison.POPULARITY), sums_of(**even), minimum_group=50)
    little = found.cells[0].interval
    for m in (little.low, little.high):
        assert (100.0 * m) ** 2 == pytest.approx(Z_OF_TWO**2 * 100 * (1 - m * m))
    assert little.low < 0 < little.high


def test_no_release_before_is_no_comparison() -> None:
    with pytest.raises(ValueError, match="none"):
        figures_of(rule(comparison=Comparison.PREVIOUS), sums_of(**history()), minimum_group=50)


def test_novel_figures_come_from_novel_sums() -> None:
    values = history(history__little__novel__customers=80.0, history__little__novel__ranker=8.0)
    found = figures_of(rule(metric=Metric.NDCG_NOVEL), sums_of(**values), minimum_group=50)
    (only,) = found.cells  # much has no novel customers and is merged
    assert (only.cell, only.interval.value) == ("little+much", pytest.approx(0.1))


@pytest.mark.parametrize(("stddev", "held"), [(0.0, True), (10.0, True), (25.5, True), (25.52, False)])
def test_a_group_counts_only_when_it_surely_has_enough_customers(stddev: float, held: bool) -> None:
    """100 less 1.96 times 25.51 is 50."""
    sums = sums_of(stddev=stddev, **history())
    cells = [each.cell for each in figures_of(rule(), sums, minimum_group=50).cells]
    assert cells == (["little", "much"] if held else ["little+much"])


def test_exactly_the_minimum_is_enough() -> None:
    sums = sums_of(**history(history__little__all__customers=50.0))
    assert len(figures_of(rule(), sums, minimum_group=50).cells) == 2
    assert len(figures_of(rule(), sums, minimum_group=51).cells) == 1


@pytest.mark.parametrize(
    ("metric", "comparison", "value"),
    [
        (Metric.SMALL_SUPPLIERS, Comparison.NOTHING, 0.1),
        (Metric.SMALL_SUPPLIERS, Comparison.POPULARITY, 0.05),
        (Metric.SMALL_SUPPLIERS, Comparison.PURCHASES, -0.05),
        (Metric.PRICE_LOW, Comparison.NOTHING, 0.0),
        (Metric.MISCALIBRATION, Comparison.POPULARITY, -0.2),
        (Metric.TAIL, Comparison.NOTHING, 0.4),
        (Metric.TAIL, Comparison.POPULARITY, 0.4),
        # (10 (-9 - 7 - 5 - 3 - 1 + 1 + 3 + 5) + 20 x 7 + 100 x 9) / 10 / 200 = .44; all in the last: .9.
        (Metric.CONCENTRATION, Comparison.NOTHING, 0.44),
        (Metric.CONCENTRATION, Comparison.POPULARITY, -0.46),
    ],
)
def test_figures_of_products_are_those_worked_by_hand(
    metric: Metric, comparison: Comparison, value: float
) -> None:
    asked = rule(metric=metric, groups="", comparison=comparison)
    (only,) = figures_of(asked, sums_of(**EXPOSED), minimum_group=50).cells
    assert only.cell == "all"
    assert only.interval.value == pytest.approx(value)
    assert only.interval.low <= value + 1e-12
    assert value - 1e-12 <= only.interval.high


def test_products_are_compared_over_two_releases() -> None:
    before = sums_of(**{**EXPOSED, "exposure__ranker__small_suppliers": 60.0})
    asked = rule(metric=Metric.SMALL_SUPPLIERS, groups="", comparison=Comparison.PREVIOUS)
    (only,) = figures_of(asked, sums_of(**EXPOSED), previous=before, minimum_group=50).cells
    assert only.interval.value == pytest.approx(-0.2)
    few = sums_of(**{**EXPOSED, "exposure__customers": 49.0})
    assert figures_of(asked, sums_of(**EXPOSED), previous=few, minimum_group=50).cells == ()


def test_the_noise_in_the_tail_is_that_of_eight_sums_and_in_concentration_of_their_weights() -> None:
    sums = sums_of(stddev=5.0, **EXPOSED)
    tail = figures_of(rule(metric=Metric.TAIL, groups=""), sums, minimum_group=50).cells[0].interval
    for m in (tail.low, tail.high):
        right = Z**2 * (25.0 * 8 + 25.0 * m * m + 200 * m * (1 - m))
        assert (80.0 - 200.0 * m) ** 2 == pytest.approx(right)
    asked = rule(metric=Metric.CONCENTRATION, groups="")
    whole = figures_of(asked, sums, minimum_group=50).cells[0].interval
    squares = sum((2 * n - 11) ** 2 for n in range(1, 11)) / 100
    for m in (whole.low, whole.high):
        right = Z**2 * (25.0 * squares + 25.0 * m * m + 200 * (0.9 - m) * (0.9 + m))
        assert (88.0 - 200.0 * m) ** 2 == pytest.approx(right)
    paired = replace(asked, comparison=Comparison.POPULARITY)
    beside = figures_of(paired, sums, minimum_group=50).cells[0].interval
    assert (beside.low, beside.value) == (pytest.approx(beside.low), pytest.approx(-0.46))
    for m in (beside.low, beside.high):
        right = Z**2 * (25.0 * 2 * squares + 25.0 * m * m + 200 * (1.8**2 - m * m))
        assert (-92.0 - 200.0 * m) ** 2 == pytest.approx(right)


def test_products_shown_to_too_few_customers_are_withheld() -> None:
    few = sums_of(**{**EXPOSED, "exposure__customers": 49.9})
    found = figures_of(rule(metric=Metric.TAIL, groups=""), few, minimum_group=50)
    assert (found.cells, found.withheld) == ((), ("all",))


@given(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4), st.floats(0, 1e3), st.sampled_from(list(Comparison)))
def test_whatever_the_sums_are_an_interval_holds_its_value_and_keeps_to_its_bounds(
    customers: float, total: float, stddev: float, comparison: Comparison
) -> None:
    if comparison is Comparison.PURCHASES:
        return
    values = {name: (customers if "customers" in name else total) for name in history()}
    sums = sums_of(stddev=stddev, **values)
    for each in figures_of(rule(comparison=comparison), sums, previous=sums, minimum_group=1).cells:
        assert -1.0 <= each.interval.low <= each.interval.value <= each.interval.high <= 1.0 or (
            comparison in {Comparison.OTHERS, Comparison.PREVIOUS}
            and each.interval.low <= each.interval.value <= each.interval.high
        )


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Each of many noisy measurements of a paired difference and of a gap to all others."""
    draws, stddev, generator = 3_000, 6.0, np.random.default_rng(5)
    little, much = 150, 450

    def held(comparison: Comparison, truth: float, stated: float) -> float:
        count = 0
        for _ in range(draws):
            values: dict[str, float] = {}
            for cell, customers, mean in (("little", little, 0.3), ("much", much, 0.4)):
                ranker = generator.binomial(customers, mean)
                popular = generator.binomial(customers, 0.2)
                for measure, total in (("customers", customers), ("ranker", ranker), ("popularity", popular)):
                    name = f"history__{cell}__all__{measure}"
                    values[name] = total + stddev * generator.standard_normal()
            sums = replace(sums_of(**values), stddev=stated)
            interval = figures_of(rule(comparison=comparison), sums, minimum_group=10).cells[0].interval
            count += interval.low <= truth <= interval.high
        return count / draws

    promised = 1 - 0.05 / 2  # two groups share the misses
    tolerance = 5 * math.sqrt(promised * (1 - promised) / draws)
    for comparison, truth in ((Comparison.POPULARITY, 0.1), (Comparison.OTHERS, -0.1)):
        assert held(comparison, truth, stddev) >= promised - tolerance
    # The twin: noise said to be a fifth of what it is would be seen.
    assert held(Comparison.OTHERS, -0.1, stddev / 5) < promised - tolerance


def test_a_paired_difference_of_concentration_is_bounded_by_its_reach_alone() -> None:
    """Figures that can be under 0 have no sum that bounds their difference."""
    even = {f"exposure__{source}__tenth_{n}": 20.0 for n in range(10) for source in ("ranker", "popularity")}
    asked = rule(metric=Metric.CONCENTRATION, groups="", comparison=Comparison.POPULARITY)
    sums = sums_of(**{**even, "exposure__customers": 200.0})
    found = figures_of(asked, sums, minimum_group=50).cells[0].interval
    for m in (found.low, found.high):
        assert (200.0 * m) ** 2 == pytest.approx(Z**2 * 200 * (1.8**2 - m * m))


def test_sums_under_nought_leave_the_noise_alone_to_spread_a_difference() -> None:
    below = history(history__little__all__ranker=-90.0, history__little__all__popularity=-90.0)
    found = figures_of(rule(comparison=Comparison.POPULARITY), sums_of(stddev=2.0, **below), minimum_group=50)
    little = found.cells[0].interval
    for m in (little.low, little.high):
        assert (100.0 * m) ** 2 == pytest.approx(Z_OF_TWO**2 * (8.0 + 4.0 * m * m))


def test_fractions_of_weighted_sums_are_kept() -> None:
    assert NoisySums.of(["a"], [1.0], stddev=1.0, weight=0.3).values["a"] == pytest.approx(1 / 0.3)


def test_figures_cannot_be_changed_afterwards() -> None:
    figures = figures_of(rule(), sums_of(**history()), minimum_group=50)
    cell = figures.cells[0]
    sums = sums_of(**history())
    for each, name in ((figures, "cells"), (cell, "cell"), (cell.interval, "low"), (sums, "stddev")):
        with pytest.raises(FrozenInstanceError):
            setattr(each, name, 0)
        assert not hasattr(each, "__dict__")
        with pytest.raises(TypeError, match="positional"):
            type(each)(*(0 for _ in fields(each)))  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        sums.values["history/little/all/ranker"] = 0.0  # type: ignore[index]
