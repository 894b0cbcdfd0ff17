"""What the gate and the lab say of groups is what fairlearn says of the same people."""

from __future__ import annotations

import numpy as np
import pytest
from fairlearn.metrics import MetricFrame
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from highstreet.audit.bias_figures import NoisySums, figures_of
from highstreet.audit.bias_rules import BiasRule, Comparison, Direction, Metric
from highstreet.models.bias_rows import bias_coordinates
from highstreet.models.customer_groups import ATTRIBUTES
from highstreet.simulations.bias_contrasts import contrast

AGES = ATTRIBUTES["age_band"]
Values = NDArray[np.float64]
Groups = NDArray[np.int64]


def _frame(values: Values, groups: NDArray[np.generic]) -> MetricFrame:
    def mean(truth: Values, _: Values) -> float:
        return float(np.mean(truth))

    return MetricFrame(metrics=mean, y_true=values, y_pred=values, sensitive_features=groups)


def _gate(values: Values, groups: Groups, comparison: Comparison) -> dict[str, float]:
    """The gate's figures from the sums that stores would release without noise, by cell."""
    sums = dict.fromkeys(bias_coordinates(["age_band"]), 0.0)
    for value, group in zip(values.tolist(), groups.tolist(), strict=True):
        cell = f"age_band/{AGES.all_cells[group]}/all"
        sums[f"{cell}/customers"] += 1.0
        sums[f"{cell}/ranker"] += value
    rule = BiasRule(
        name="ages",
        metric=Metric.NDCG_ALL,
        groups="age_band",
        comparison=comparison,
        direction=Direction.AT_LEAST,
        limit=0.1,
    )
    found = figures_of(rule, NoisySums(values=sums, stddev=0.0), minimum_group=1)
    assert found.withheld == ()
    return {each.cell: each.interval.value for each in found.cells}


def _lab(values: Values, groups: Groups, *, against_others: bool) -> dict[str, float]:
    """The lab's figures of the same people, each of whom shops once."""
    by_cell = {}
    for index, cell in enumerate(AGES.all_cells):
        inside = groups == index
        found = contrast(values[None, :], np.arange(len(values)), inside, ~inside if against_others else None)
        assert found is not None
        by_cell[cell] = found.mean
    return by_cell


@st.composite
def people(draw: st.DrawFn) -> tuple[Values, Groups]:
    """NDCG of made-up customers, at least two in each cell of an attribute, the unknown one included."""
    each_cell = [cell for cell in range(len(AGES.all_cells)) for _ in range(2)]
    groups = each_cell + draw(st.lists(st.integers(0, len(AGES.cells)), max_size=40))
    values = draw(st.lists(st.floats(0, 1), min_size=len(groups), max_size=len(groups)))
    return np.array(values), np.array(groups)


@settings(deadline=None, max_examples=60)  # the first call imports
@given(people())
def test_means_by_group_and_the_gaps_between_them_are_fairlearns(made_up: tuple[Values, Groups]) -> None:
    values, groups = made_up
    frame = _frame(values, groups)
    theirs = {AGES.all_cells[index]: mean for index, mean in frame.by_group.items()}
    for ours in (
        _gate(values, groups, Comparison.NOTHING),
        _lab(values, groups, against_others=False),
    ):
        assert ours == pytest.approx(theirs)
        means = ours.values()
        assert max(means) - min(means) == pytest.approx(frame.difference(method="between_groups"))


@settings(deadline=None, max_examples=60)
@given(people())
def test_a_group_less_everybody_else_is_fairlearns_difference_of_the_two(
    made_up: tuple[Values, Groups],
) -> None:
    values, groups = made_up
    gate = _gate(values, groups, Comparison.OTHERS)
    lab = _lab(values, groups, against_others=True)
    for index, cell in enumerate(AGES.all_cells):
        frame = _frame(values, groups == index)
        theirs = frame.by_group[True] - frame.by_group[False]
        assert abs(theirs) == pytest.approx(frame.difference(method="between_groups"))
        assert gate[cell] == pytest.approx(theirs, abs=1e-12)
        assert lab[cell] == pytest.approx(theirs, abs=1e-12)


def test_others_taken_as_the_mean_of_the_other_groups_would_be_seen() -> None:
    """The twin: a group of four beside ones of two, so that a mean of means is another number."""
    groups = np.array([*(cell for cell in range(len(AGES.all_cells)) for _ in range(2)), 1, 1])
    values = np.where(groups == 1, 1.0, 0.0)
    means = _gate(values, groups, Comparison.NOTHING)
    first = AGES.all_cells[0]
    wrong = means[first] - np.mean([mean for cell, mean in means.items() if cell != first])
    right = _gate(values, groups, Comparison.OTHERS)[first]
    assert right == pytest.approx(-4 / 14)
    assert wrong == pytest.approx(-1 / 6)
