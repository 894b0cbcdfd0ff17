"""The lab's tables of bias: right on made-up results, and whole from data to report on a few shops."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from highstreet.models.errors import InvalidPlanError
from highstreet.models.metrics import ndcg_at_k, ndcg_of_lists, top_k
from highstreet.simulations.bias_judging import BIAS_METRICS, VARIANTS
from highstreet.simulations.bias_lab import BiasRequest, run_bias, weights_of
from highstreet.simulations.bias_tables import Measured, bias_tables, in_markdown

PERSONS = np.arange(120) // 2


def _measured(*, privacy_costs: float) -> Measured:
    """Two conditions on 60 persons in two shops each; privacy costs the young so much."""
    generator = np.random.default_rng(3)
    plain = generator.uniform(0.2, 0.4, size=(2, len(VARIANTS), 120, len(BIAS_METRICS)))
    private = plain.copy()
    ages = np.where(PERSONS < 30, 1, 6)
    private[:, :, ages == 1, 0] -= privacy_costs
    private[:, 1, :, BIAS_METRICS.index("miscalibration")] -= 0.1
    return Measured(
        values={"no-privacy": plain, "epsilon-3-in-sum": private},
        titles={"no-privacy": "without", "epsilon-3-in-sum": "epsilon 3"},
        persons=PERSONS,
        groups={"age_band": ages},
    )


def _row(measured: Measured, table: int, name: str) -> tuple[str, ...]:
    return next(row for row in bias_tables(measured)[table].rows if row[0] == name)


def test_what_privacy_costs_a_group_is_in_its_row_alone() -> None:
    found = _measured(privacy_costs=0.05)
    assert "(-0.0500 ± 0.0000)" in _row(found, 0, "age_band: under_25")[3]
    assert "(+0.0000 ± 0.0000)" in _row(found, 0, "age_band: 65_plus")[3]
    without, private = _row(found, 2, "age_band: under_25")[1:]
    assert float(private.split()[0]) == pytest.approx(float(without.split()[0]) - 0.05, abs=1e-4)


def test_groups_of_few_persons_are_withheld() -> None:
    found = _measured(privacy_costs=0.0)
    few = np.where(PERSONS < 19, 1, 6)
    names = [row[0] for row in bias_tables(replace(found, groups={"age_band": few}))[0].rows]
    assert names == ["age_band: 65_plus"]


def test_the_price_of_a_mitigation_is_against_the_same_lists_without_it() -> None:
    found = _measured(privacy_costs=0.05)
    rows = {row[:2]: row for row in bias_tables(found)[-1].rows}
    assert len(rows) == 2 * (len(VARIANTS) - 1)
    plain = found.column("epsilon-3-in-sum", "all/ndcg10", "plain").mean()
    ranked = found.column("epsilon-3-in-sum", "all/ndcg10", "calibrated").mean()
    price = float(rows["epsilon 3", "calibrated"][4].split()[0])
    assert price == pytest.approx(ranked - plain, abs=1e-4)


def test_ndcg_of_a_given_list_is_that_of_the_scores_that_order_it() -> None:
    generator = np.random.default_rng(5)
    scores, relevant = generator.normal(size=(9, 30)), generator.random((9, 30)) < 0.2
    masked = generator.random((9, 30)) < 0.3
    lists = top_k(scores, 10, masked=masked)
    np.testing.assert_array_equal(
        ndcg_of_lists(lists, relevant, k=10, masked=masked),
        ndcg_at_k(scores, relevant, k=10, masked=masked),
    )


def test_a_small_lab_runs_from_data_to_report_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    request = BiasRequest(
        out=tmp_path,
        epsilons=(),
        seeds=1,
        fit_until=8,
        predict=(9, 12),
        stores=3,
        catalogue_size=120,
    )
    said: list[str] = []
    page, data = run_bias(request, say=said.append)
    runs = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "runs").iterdir()}
    assert len(runs) == 2  # alone, and the co-op without privacy
    tables = json.loads(data.read_text())["tables"]
    assert any(row[0] == "history: little" for row in tables[0]["rows"])
    assert "What privacy" not in page.read_text()
    assert in_markdown([]) == ""
    run_bias(request, say=said.append)
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "runs").iterdir()} == runs
    assert sum(line.endswith("trained") for line in said) == 1


@pytest.mark.parametrize("text", ["age_band.45_54", "age_band.45_54=x", "shoes.42=0.5", "age_band.45_54=2"])
def test_a_weight_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidPlanError):
        weights_of([text])
