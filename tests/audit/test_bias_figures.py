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

from highstreet.audit.bias_figures import (
    Interval,
    NoisySums,
    customers_needed,
    difference_interval,
    figures_of,
    merged_cells,
    ratio_interval,
)
from highstreet.audit.bias_rules import Comparison, Direction, Metric
from highstreet.audit.scorecard import scorecard
from highstreet.models.customer_groups import ATTRIBUTES

Z = NormalDist().inv_cdf(0.975)
Z_OF_TWO = NormalDist().inv_cdf(1 - 0.05 / 4)
AGES = ATTRIBUTES["age_band"]
LANGUAGES = ATTRIBUTES["language"]


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


def _merge(
    sizes: list[float], minimum: float, attribute: str = "age_band", unknown: float = 0.0
) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...]]:
    of = ATTRIBUTES[attribute]
    by_cell = dict(zip(of.cells, sizes, strict=True)) | {"unknown": unknown}

    def size(cells: tuple[str, ...]) -> float:
        return sum(by_cell[cell] for cell in cells)

    return merged_cells(of, is_enough=lambda cells: size(cells) >= minimum, size=size)


def test_neighbours_are_merged_the_smallest_first_with_the_smaller_neighbour() -> None:
    held, withheld = _merge([30, 60, 20, 55, 70, 10], 50, unknown=50)
    # 65_plus (10) goes to its only neighbour 55_64; 35_44 (20) to 45_54 (55), not to 25_34 (60); under_25 on.
    assert held == (("under_25", "25_34"), ("35_44", "45_54"), ("55_64", "65_plus"), ("unknown",))
    assert withheld == ()


def test_neighbours_are_merged_until_all_are_enough_or_one_is_left() -> None:
    held, withheld = _merge([1, 1, 1, 1, 1, 1], 50)
    assert (held, withheld) == ((), (AGES.cells, ("unknown",)))
    assert _merge([9, 9, 9, 9, 9, 9], 54)[0] == (AGES.cells,)
    held, _ = _merge([49, 49, 49, 49, 49, 49], 50)
    assert all(len(cells) >= 2 for cells in held)
    assert _merge([50] * 6, 50)[0] == tuple((cell,) for cell in AGES.cells)


def test_groups_without_an_order_are_put_together() -> None:
    held, withheld = _merge([60, 70, 30, 30, 80, 1, 1, 1, 90], 50, "language")
    assert held == (("de",), ("en",), ("it",), ("other",), ("es", "fr", "nl", "pl", "pt"))
    assert withheld == (("unknown",),)
    held, _ = _merge([60, 70, 10, 10, 80, 1, 1, 1, 90], 50, "language")
    # Together they are 23, so the smallest that was enough goes with them.
    assert held == (("en",), ("it",), ("other",), ("de", "es", "fr", "nl", "pl", "pt"))
    assert _merge([1] * 9, 50, "language") == ((), (LANGUAGES.cells, ("unknown",)))
    assert _merge([60] * 9, 50, "language")[0] == tuple((cell,) for cell in LANGUAGES.cells)


@given(
    st.sampled_from(["age_band", "language", "place"]),
    st.lists(st.floats(-20, 200), min_size=10, max_size=10),
    st.floats(1, 300),
)
def test_merging_keeps_every_cell_once_and_holds_none_that_is_too_small(
    attribute: str, sizes: list[float], minimum: float
) -> None:
    cells = ATTRIBUTES[attribute].cells
    held, withheld = _merge(sizes[: len(cells)], minimum, attribute, unknown=sizes[-1])
    named = [cell for group in (*held, *withheld) for cell in group]
    assert sorted(named) == sorted((*cells, "unknown"))
    by_cell = dict(zip(cells, sizes, strict=False)) | {"unknown": sizes[-1]}
    assert all(sum(by_cell[cell] for cell in group) >= minimum - 1e-9 for group in held)
    assert all("unknown" not in group or group == ("unknown",) for group in (*held, *withheld))
    if ATTRIBUTES[attribute].is_ordered:
        for group in held:
            if group != ("unknown",):
                first = cells.index(group[0])
                assert group == cells[first : first + len(group)]


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


def test_the_customers_a_rule_needs_are_those_that_make_its_interval_reach_the_limit() -> None:
    asked = rule(comparison=Comparison.POPULARITY, limit=-0.05)
    n = customers_needed(asked, stddev=20.0, groups=2)
    assert math.isclose(0.05, Z_OF_TWO * math.sqrt(2 * 400 / n**2 + (1 / 6) / n))
    assert customers_needed(asked, stddev=0.0, groups=2) == pytest.approx(Z_OF_TWO**2 / 6 / 0.0025)
    alone = replace(asked, comparison=Comparison.NOTHING, direction=Direction.AT_MOST, limit=0.1)
    n = customers_needed(alone, stddev=20.0)
    assert math.isclose(0.1, Z * math.sqrt(400 / n**2 + (1 / 12) / n))
    assert customers_needed(replace(asked, limit=0.0), stddev=1.0) == math.inf
    assert customers_needed(replace(asked, limit=0.1), stddev=1.0) == math.inf
    assert customers_needed(replace(alone, limit=-0.1), stddev=1.0) == math.inf


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


def test_the_customers_needed_grow_with_the_groups_judged_at_once() -> None:
    asked = rule(comparison=Comparison.NOTHING, limit=-0.1)
    z = NormalDist().inv_cdf(1 - 0.05 / 6)
    assert customers_needed(asked, stddev=0.0, groups=3) == pytest.approx(z**2 / 12 / 0.01)


def test_figures_cannot_be_changed_afterwards() -> None:
    figures = figures_of(rule(), sums_of(**history()), minimum_group=50)
    cell = figures.cells[0]
    sums = sums_of(**history())
    for each, name in ((figures, "cells"), (cell, "cell"), (cell.interval, "low"), (sums, "stddev")):
        with pytest.raises(FrozenInstanceError):
            setattr(each, name, 0)
        assert not hasattr(each, "__dict__")
        with pytest.raises(TypeError, match="positional"):
            type(each)(*(0 for _ in fields(each)))
    with pytest.raises(TypeError):
        sums.values["history/little/all/ranker"] = 0.0  # type: ignore[index]
