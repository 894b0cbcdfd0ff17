"""Quality gaps between groups: by hand, and as fairlearn computes them."""

from __future__ import annotations

import numpy as np
import pytest
from fairlearn.metrics import MetricFrame
from hypothesis import given, settings
from hypothesis import strategies as st

from highstreet.models.fairness import GroupFigures, InvalidGroupsError, group_figures


def _figures(values: list[float], groups: list[int], of: int = 3) -> GroupFigures:
    return group_figures(np.array(values, dtype=float), np.array(groups, dtype=int), number_of_groups=of)


def test_the_gaps_of_three_groups_are_those_worked_by_hand() -> None:
    # Means .2, .5 and .8 over 1, 2 and 1 members; overall (.2 + .4 + .6 + .8) / 4 = .5.
    found = _figures([0.2, 0.4, 0.6, 0.8], [0, 1, 1, 2])
    assert found.means.tolist() == pytest.approx([0.2, 0.5, 0.8])
    assert found.counts.tolist() == [1, 2, 1]
    assert found.overall == pytest.approx(0.5)
    assert found.gap_between_groups == pytest.approx(0.6)
    assert found.gap_to_overall == pytest.approx(0.3)
    assert found.ratio_between_groups == pytest.approx(0.25)
    # Others of the first: (.4 + .6 + .8) / 3 = .6; of the second: (.2 + .8) / 2 = .5; of the third: .4.
    assert found.gaps_to_others.tolist() == pytest.approx([-0.4, 0.0, 0.4])


def test_customers_without_a_figure_count_in_no_mean() -> None:
    with_nan = _figures([0.2, np.nan, 0.6, np.nan], [0, 0, 1, 2])
    assert with_nan.means.tolist()[:2] == pytest.approx([0.2, 0.6])
    assert np.isnan(with_nan.means[2])
    assert with_nan.counts.tolist() == [1, 1, 0]
    assert with_nan.gap_between_groups == pytest.approx(0.4)
    assert with_nan.overall == pytest.approx(0.4)


def test_nobody_has_no_gap_and_one_group_none_to_others() -> None:
    nobody = _figures([], [])
    for value in (nobody.gap_between_groups, nobody.gap_to_overall, nobody.ratio_between_groups):
        assert np.isnan(value)
    alone = _figures([0.5, 0.7], [1, 1])
    assert alone.gap_between_groups == 0
    assert np.isnan(alone.gaps_to_others).all()
    assert np.isnan(_figures([0.0], [0]).ratio_between_groups)


@pytest.mark.parametrize("groups", [[0], [0, 3], [0, -1]])
def test_groups_that_do_not_fit_are_refused(groups: list[int]) -> None:
    with pytest.raises(InvalidGroupsError):
        _figures([0.1, 0.2], groups)


@settings(deadline=None)  # the first call imports
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 4)), min_size=2, max_size=60))
def test_fairlearn_finds_the_same_gaps(rows: list[tuple[float, int]]) -> None:
    values, groups = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])

    def mean(truth: np.ndarray, _: np.ndarray) -> float:
        return float(np.mean(truth))

    frame = MetricFrame(metrics=mean, y_true=values, y_pred=values, sensitive_features=groups)
    found = group_figures(values, groups, number_of_groups=5)
    assert found.overall == pytest.approx(frame.overall)
    assert found.gap_between_groups == pytest.approx(frame.difference(method="between_groups"))
    assert found.gap_to_overall == pytest.approx(frame.difference(method="to_overall"))
    if found.means[found.counts > 0].max() > 1e-9:
        assert found.ratio_between_groups == pytest.approx(frame.ratio(method="between_groups"))
    by_group = frame.by_group
    assert found.means[found.counts > 0].tolist() == pytest.approx(
        [by_group[g] for g in sorted(by_group.index)]
    )
