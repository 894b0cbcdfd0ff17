"""The lab's findings on bias: right on made-up results, and whole from data to report on a few shops."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from highstreet.models.errors import InvalidPlanError
from highstreet.models.metrics import ndcg_at_k, ndcg_of_lists, top_k
from highstreet.models.schema import FeatureSchema
from highstreet.simulations.bias_findings import Finding, Kind, Measured, findings_of
from highstreet.simulations.bias_groups import product_classes
from highstreet.simulations.bias_judging import BIAS_METRICS, VARIANTS, judge_purchases
from highstreet.simulations.bias_lab import BiasRequest, run_bias, weights_of
from highstreet.simulations.bias_report import BiasFacts, rewrite_bias_report, write_bias_report
from highstreet.simulations.bias_tables import bias_tables
from highstreet.simulations.errors import UnreadableResultsError
from highstreet.simulations.journey import load_journey
from highstreet.simulations.lab import thinned
from highstreet.simulations.protocol import Protocol, Split, build_federation

PERSONS = np.arange(240) // 2
YOUNG, OLD = 1, 6
ALL = "all/ndcg10"
FACTS = BiasFacts(
    note="Made up <b>here</b>",
    split="fit 1-2, predict 3-4",
    shops=4,
    judged=240,
    persons=120,
    products=9,
    conditions={"no privacy": "the co-op without"},
    command="highstreet lab bias",
    commits=("abc",),
    machine="this one",
    finished_at="2026-11-23T00:00:00+00:00",
)


def _measured(*, privacy_costs: float, seeds: int = 2) -> Measured:
    """Alone and a co-op on 120 persons in two shops each; privacy costs the young so much."""
    generator = np.random.default_rng(3)
    plain = generator.uniform(0.2, 0.4, size=(2, len(VARIANTS), 240, len(BIAS_METRICS)))
    private = plain[:seeds].copy()
    ages = np.where(PERSONS < 60, YOUNG, OLD)
    private[:, :, ages == YOUNG, 0] -= privacy_costs
    private[:, 1, :, BIAS_METRICS.index("miscalibration")] -= 0.1
    return Measured(
        values={
            "alone": plain + generator.normal(scale=0.01, size=plain.shape),
            "no-privacy": plain,
            "epsilon-3-in-sum": private,
            "epsilon-3-in-sum-weighted": private + 0.02,
        },
        purchases=plain[0, 0],
        persons=PERSONS,
        stores=np.arange(240) % 4,
        groups={"age_band": ages},
    )


def _one(findings: Sequence[Finding], kind: Kind, cell: str, against: str = "", metric: str = ALL) -> Finding:
    """The finding on the private co-op, or on what is weighted against it."""
    condition = "epsilon-3-in-sum" + ("-weighted" if against == "epsilon-3-in-sum" else "")
    (found,) = [
        each
        for each in findings
        if (each.of.kind, each.of.cell, each.of.against, each.of.metric, each.of.condition)
        == (kind, cell, against, metric, condition)
    ]
    return found


def test_what_privacy_costs_a_group_is_found_in_that_group_and_in_its_gap() -> None:
    findings = findings_of(_measured(privacy_costs=0.05))
    young = _one(findings, Kind.CHANGE, "under_25", "no-privacy")
    assert young.mean == pytest.approx(-0.05)
    assert young.stands
    old = _one(findings, Kind.CHANGE, "65_plus", "no-privacy")
    assert (old.mean, old.stands) == (0.0, False)
    assert _one(findings, Kind.CHANGE, "everybody", "no-privacy").mean == pytest.approx(-0.025)
    apart = _one(findings, Kind.CHANGE_OF_GAP, "65_plus", "no-privacy")
    assert apart.mean == pytest.approx(0.05)
    assert apart.stands
    gap = _one(findings, Kind.GAP, "under_25").mean
    levels = [_one(findings, Kind.LEVEL, cell).mean for cell in ("under_25", "65_plus")]
    assert gap == pytest.approx(levels[0] - levels[1])
    losers = bias_tables(findings)[0].rows
    row = next(row for row in losers if row[0] == "epsilon 3 less no privacy" and "all" in row[1])
    assert row[3].startswith("age band: under 25 (-0.05")
    assert row[4] == "nobody"


def test_where_privacy_costs_nothing_nobody_is_named() -> None:
    rows = bias_tables(findings_of(_measured(privacy_costs=0.0)))[0].rows
    against_none = [row for row in rows if row[0] == "epsilon 3 less no privacy"]
    assert [row[3:6] for row in against_none] == [("nobody",) * 3] * 2


def test_the_same_loss_is_told_against_alone_too() -> None:
    findings = findings_of(_measured(privacy_costs=0.05))
    assert _one(findings, Kind.CHANGE, "under_25", "alone").mean == pytest.approx(-0.05, abs=0.005)
    shops = [each for each in findings if each.of.kind is Kind.SHOP and each.of.metric == ALL]
    private = [each for each in shops if each.of.condition == "epsilon-3-in-sum"]
    assert len(private) == 4
    assert np.mean([each.mean for each in private]) == pytest.approx(-0.025, abs=0.005)


def test_a_weighted_objective_is_compared_with_the_same_training_without_weights() -> None:
    findings = findings_of(_measured(privacy_costs=0.05))
    assert _one(findings, Kind.CHANGE, "under_25", "epsilon-3-in-sum").mean == pytest.approx(0.02)


def test_a_run_that_has_fewer_seeds_so_far_is_compared_over_those_that_both_have() -> None:
    measured = _measured(privacy_costs=0.05, seeds=1)
    longer = np.concatenate([measured.values["epsilon-3-in-sum"], measured.values["epsilon-3-in-sum"] + 9.0])
    both = replace(measured, values={**measured.values, "epsilon-3-in-sum": np.repeat(longer, 2, axis=0)[:3]})
    difference = both.difference("epsilon-3-in-sum", "no-privacy", ALL)
    assert difference.shape == (2, 240)


def test_groups_of_few_persons_are_withheld() -> None:
    measured = _measured(privacy_costs=0.0)
    few = np.where(PERSONS < 19, YOUNG, OLD)
    findings = findings_of(replace(measured, groups={"age_band": few}))
    cells = {each.of.cell for each in findings if each.of.attribute == "age_band"}
    assert cells == {"65_plus"}
    assert not [each for each in findings if each.of.kind is Kind.GAP]


def test_persons_without_anything_to_find_do_not_make_a_group_large_enough() -> None:
    measured = _measured(privacy_costs=0.0)
    for values in measured.values.values():
        values[:, :, 30:120, BIAS_METRICS.index(ALL)] = np.nan
    cells = {each.of.cell for each in findings_of(measured) if each.of.metric == ALL and each.of.attribute}
    assert "under_25" not in cells


def test_the_price_of_a_mitigation_is_against_the_same_lists_without_it() -> None:
    found = _measured(privacy_costs=0.05)
    prices = [each for each in findings_of(found) if each.of.kind is Kind.PRICE and each.of.metric == ALL]
    assert len(prices) == 4 * (len(VARIANTS) - 1)
    plain = found.column("epsilon-3-in-sum", ALL, "plain").mean()
    ranked = found.column("epsilon-3-in-sum", ALL, "calibrated").mean()
    (price,) = [
        each for each in prices if (each.of.condition, each.of.variant) == ("epsilon-3-in-sum", "calibrated")
    ]
    assert price.mean == pytest.approx(ranked - plain)


def test_purchases_are_shared_out_by_the_days_on_which_products_were_bought() -> None:
    protocol = Protocol(split=Split.rolling(fit_until=6, predict=(7, 10)), catalogue_size=40)
    schema = FeatureSchema()
    federation = thinned(build_federation(load_journey(), protocol, schema), 2)
    classes = product_classes(federation, schema)
    found = judge_purchases(federation, classes)
    assert found.shape == (federation.units, len(BIAS_METRICS))
    assert np.isnan(found[:, :2]).all()
    unit = 0
    for store in federation.stores:
        lines = store.shop.purchases
        for row in store.judged:
            mine = lines.customer == row
            bought = set(zip(lines.item[mine].tolist(), lines.day[mine].tolist(), strict=True))
            for metric, of in (("small_suppliers", classes.small), ("private_label", classes.private)):
                share = sum(of[item] == 0 for item, _ in bought) / len(bought)
                assert found[unit, BIAS_METRICS.index(metric)] == pytest.approx(share)
            tail = sum(classes.tenth[item] < 8 for item, _ in bought) / len(bought)
            assert found[unit, BIAS_METRICS.index("tail")] == pytest.approx(tail)
            unit += 1


def test_ndcg_of_a_given_list_is_that_of_the_scores_that_order_it() -> None:
    generator = np.random.default_rng(5)
    scores, relevant = generator.normal(size=(9, 30)), generator.random((9, 30)) < 0.2
    masked = generator.random((9, 30)) < 0.3
    lists = top_k(scores, 10, masked=masked)
    np.testing.assert_array_equal(
        ndcg_of_lists(lists, relevant, k=10, masked=masked),
        ndcg_at_k(scores, relevant, k=10, masked=masked),
    )


def test_a_report_is_written_again_from_its_figures_alone(tmp_path: Path) -> None:
    paths = write_bias_report(tmp_path, FACTS, findings_of(_measured(privacy_costs=0.05)))
    before = {path.name: path.read_text() for path in paths}
    for path in paths:
        if path.suffix != ".json":
            path.unlink()
    assert {path.name: path.read_text() for path in rewrite_bias_report(tmp_path)} == before
    assert "Made up &lt;b&gt;here&lt;/b&gt;" in before["bias.html"]
    assert before["bias.html"].count("<svg") == 11  # four for each figure, products, and shops of two co-ops
    assert "src=" not in before["bias.html"]
    assert "href=" not in before["bias.html"]


@pytest.mark.parametrize("content", ["", "{}", '{"facts": {}, "findings": []}', "[1"])
def test_a_file_that_holds_no_findings_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(UnreadableResultsError):
        rewrite_bias_report(tmp_path)
    (tmp_path / "bias.json").write_text(content)
    with pytest.raises(UnreadableResultsError):
        rewrite_bias_report(tmp_path)


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
    page, data, picture = run_bias(request, say=said.append)
    runs = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "runs").iterdir()}
    assert len(runs) == 3  # popularity, alone, and the co-op without privacy
    findings = json.loads(data.read_text())["findings"]
    cells = {(each["of"]["attribute"], each["of"]["cell"]) for each in findings}
    assert ("history", "little") in cells
    assert "less each shop alone" in page.read_text()
    assert "<svg" in picture.read_text()
    run_bias(request, say=said.append)
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "runs").iterdir()} == runs
    assert sum("local training" in line for line in said) == 2
    kept = sorted((tmp_path / "runs").iterdir())[0]
    kept.write_bytes(kept.read_bytes()[:100])
    with pytest.raises(UnreadableResultsError):
        run_bias(request, say=said.append)


@pytest.mark.parametrize("text", ["age_band.45_54", "age_band.45_54=x", "shoes.42=0.5", "age_band.45_54=2"])
def test_a_weight_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidPlanError):
        weights_of([text])


def test_two_weights_for_one_group_are_refused():
    with pytest.raises(InvalidPlanError, match="two weights"):
        weights_of(["age_band.45_54=0.5", "age_band.45_54=0.6"])
