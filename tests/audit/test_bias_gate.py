"""The gate: each side of each limit, exactly; what cannot be judged does not pass."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_sums import EXPOSED, history, rule, sums_of

from highstreet.audit import bias_gate
from highstreet.audit.bias_figures import CellFigure, RuleFigures, figures_of
from highstreet.audit.bias_gate import CellFinding, Finding, Outcome, Verdict, judge
from highstreet.audit.bias_intervals import Interval
from highstreet.audit.bias_rules import BiasLimits, BiasRule, Comparison, Direction, Metric

AT_LEAST, AT_MOST = Direction.AT_LEAST, Direction.AT_MOST
PASS, FAIL, OPEN = Outcome.PASS, Outcome.FAIL, Outcome.UNDETERMINED


def _judged(asked: BiasRule, intervals: list[tuple[float, float, float]], monkeypatch) -> Finding:
    cells = tuple(
        CellFigure(cell=f"g{place}", interval=Interval(low=low, value=value, high=high))
        for place, (low, value, high) in enumerate(intervals)
    )
    figures = RuleFigures(cells=cells, withheld=("h",))
    monkeypatch.setattr(bias_gate, "figures_of", lambda *_, **__: figures)
    verdict = judge(BiasLimits(rules=(asked,)), sums_of(), previous=None, is_first=True)
    return verdict.findings[0]


@pytest.mark.parametrize(
    ("direction", "low", "high", "outcome"),
    [
        (AT_LEAST, 0.1, 0.2, PASS),  # touches the limit from the right side
        (AT_LEAST, 0.0999, 0.2, OPEN),
        (AT_LEAST, 0.0, 0.1, OPEN),  # touches it from the wrong side
        (AT_LEAST, 0.0, 0.0999, FAIL),
        (AT_LEAST, 0.1, 0.1, PASS),
        (AT_MOST, 0.0, 0.1, PASS),
        (AT_MOST, 0.0, 0.1001, OPEN),
        (AT_MOST, 0.1, 0.2, OPEN),
        (AT_MOST, 0.1001, 0.2, FAIL),
        (AT_MOST, 0.1, 0.1, PASS),
    ],
)
def test_an_interval_is_on_one_side_of_the_limit_or_on_both(
    direction: Direction, low: float, high: float, outcome: Outcome, monkeypatch
) -> None:
    found = _judged(rule(direction=direction, limit=0.1), [(low, (low + high) / 2, high)], monkeypatch)
    assert found == Finding(
        rule="r",
        outcome=outcome,
        cells=(CellFinding(cell="g0", outcome=outcome, value=(low + high) / 2, low=low, high=high),),
        withheld=("h",),
    )


@pytest.mark.parametrize(
    ("sides", "outcome"),
    [
        ([PASS], PASS),
        ([PASS, PASS], PASS),
        ([PASS, OPEN], OPEN),
        ([OPEN, PASS], OPEN),
        ([PASS, FAIL], FAIL),
        ([OPEN, FAIL], FAIL),
        ([FAIL, OPEN, PASS], FAIL),
        ([], OPEN),
    ],
)
def test_a_rule_is_as_good_as_its_worst_group(sides: list[Outcome], outcome: Outcome, monkeypatch) -> None:
    of = {PASS: (0.2, 0.3, 0.4), OPEN: (0.0, 0.1, 0.2), FAIL: (-0.2, -0.1, 0.0)}
    found = _judged(rule(limit=0.1), [of[side] for side in sides], monkeypatch)
    assert found.outcome is outcome
    assert [cell.outcome for cell in found.cells] == sides


def test_only_failed_and_undetermined_rules_keep_a_release_back() -> None:
    assert [outcome for outcome in Outcome if outcome.blocks] == [FAIL, OPEN]
    findings = tuple(Finding(rule=outcome.value, outcome=outcome) for outcome in Outcome)
    assert Verdict(findings=findings).blocking == ("fail", "undetermined")
    assert not Verdict(findings=findings).is_pass
    assert Verdict(findings=(findings[0], findings[3])).is_pass
    assert Verdict(findings=()).is_pass


def test_without_rules_nothing_is_judged() -> None:
    assert judge(BiasLimits(), None, previous=None, is_first=True) == Verdict(findings=())


def test_a_candidate_that_measured_nothing_passes_no_rule() -> None:
    limits = BiasLimits(rules=(rule(), rule(name="s", metric=Metric.TAIL, groups="")))
    verdict = judge(limits, None, previous=sums_of(), is_first=False)
    assert verdict.blocking == ("r", "s")
    assert [finding.outcome for finding in verdict.findings] == [OPEN, OPEN]


def test_a_candidate_that_measured_something_else_passes_no_rule() -> None:
    asked = rule(groups="tenure", limit=-1.0)
    (found,) = judge(BiasLimits(rules=(asked,)), sums_of(), previous=None, is_first=True).findings
    assert (found.outcome, found.cells) == (OPEN, ())


def test_the_first_release_is_compared_with_none_and_later_ones_must_be() -> None:
    asked = rule(comparison=Comparison.PREVIOUS, limit=-1.0)
    limits, sums = BiasLimits(rules=(asked,), minimum_group=50), sums_of(**history())

    def outcome(previous: bool, is_first: bool) -> Outcome:
        return judge(limits, sums, previous=sums if previous else None, is_first=is_first).findings[0].outcome

    assert outcome(previous=False, is_first=True) is Outcome.NOT_APPLICABLE
    assert outcome(previous=True, is_first=True) is Outcome.NOT_APPLICABLE
    assert outcome(previous=False, is_first=False) is OPEN
    assert outcome(previous=True, is_first=False) is PASS
    # A rule of another kind is judged in the first release as in any.
    itself = BiasLimits(rules=(replace(asked, comparison=Comparison.NOTHING),), minimum_group=50)
    assert judge(itself, sums, previous=None, is_first=True).findings[0].outcome is PASS


def test_a_rule_about_purchases_needs_no_release_before() -> None:
    asked = rule(metric=Metric.SMALL_SUPPLIERS, groups="", comparison=Comparison.PURCHASES, limit=-0.5)
    limits, sums = BiasLimits(rules=(asked,)), sums_of(**EXPOSED)
    for is_first in (True, False):
        assert judge(limits, sums, previous=None, is_first=is_first).is_pass


def test_what_was_found_cannot_be_changed_afterwards() -> None:
    verdict = judge(BiasLimits(rules=(rule(),)), sums_of(**history()), previous=None, is_first=True)
    finding = verdict.findings[0]
    for each, name in ((verdict, "findings"), (finding, "outcome"), (finding.cells[0], "outcome")):
        with pytest.raises(FrozenInstanceError):
            setattr(each, name, PASS)
        assert not hasattr(each, "__dict__")
    for make in (Verdict, Finding, CellFinding):
        with pytest.raises(TypeError, match="positional"):
            make(*(PASS for _ in fields(make)))  # type: ignore[call-arg]


def test_the_minimum_of_the_charter_is_the_one_that_counts() -> None:
    sums = sums_of(**history())
    limits = BiasLimits(rules=(rule(limit=0.0),), minimum_group=401)
    (found,) = judge(limits, sums, previous=None, is_first=True).findings
    assert (found.outcome, found.cells, found.withheld) == (OPEN, (), ("little+much", "unknown"))
    assert judge(replace(limits, minimum_group=100), sums, previous=None, is_first=True).is_pass


@pytest.mark.parametrize(
    ("part", "number"),
    [
        *((part, math.nan) for part in ("customers", "ranker", "popularity")),
        *(("customers", number) for number in (math.inf, -math.inf)),
    ],
)
@pytest.mark.parametrize("comparison", [Comparison.POPULARITY, Comparison.OTHERS])
@pytest.mark.parametrize("direction", [AT_LEAST, AT_MOST])
def test_sums_that_are_no_numbers_pass_no_rule(
    part: str, number: float, comparison: Comparison, direction: Direction
) -> None:
    limit = -0.9 if direction is AT_LEAST else 0.9
    limits = BiasLimits(rules=(rule(limit=limit, comparison=comparison, direction=direction),))
    compared = ("customers", "ranker", *(["popularity"] if comparison is Comparison.POPULARITY else []))
    assert judge(limits, sums_of(**history()), previous=None, is_first=True).is_pass
    values = history(**{f"history__little__all__{part}": number})
    passes = judge(limits, sums_of(**values), previous=None, is_first=True).is_pass
    assert passes is (part not in compared)


def test_a_group_that_is_served_worse_fails_and_one_served_alike_passes() -> None:
    values = {
        "history__little__all__customers": 2_000.0,
        "history__little__all__ranker": 400.0,
        "history__much__all__customers": 2_000.0,
        "history__much__all__ranker": 800.0,
    }
    asked = rule(comparison=Comparison.OTHERS, limit=-0.1)
    limits = BiasLimits(rules=(asked,))
    (found,) = judge(limits, sums_of(stddev=5.0, **values), previous=None, is_first=True).findings
    assert found.outcome is FAIL
    assert [(cell.cell, cell.outcome) for cell in found.cells] == [("little", FAIL), ("much", PASS)]
    fair = {**values, "history__little__all__ranker": 780.0}
    assert judge(limits, sums_of(stddev=5.0, **fair), previous=None, is_first=True).is_pass
    drowned = judge(limits, sums_of(stddev=500.0, **fair), previous=None, is_first=True)
    assert drowned.findings[0].outcome is OPEN


@given(
    st.floats(0, 1),
    st.floats(-1, 1),
    st.floats(0, 100),
    st.sampled_from(list(Direction)),
    st.sampled_from([Comparison.NOTHING, Comparison.POPULARITY, Comparison.PURCHASES]),
)
def test_pass_and_fail_exclude_each_other_and_noise_only_opens(
    share: float, limit: float, stddev: float, direction: Direction, comparison: Comparison
) -> None:
    """More noise never turns a pass into a fail, and the other direction never finds the same."""
    values = {**EXPOSED, "exposure__ranker__small_suppliers": 200 * share}
    asked = rule(
        metric=Metric.SMALL_SUPPLIERS, groups="", comparison=comparison, direction=direction, limit=limit
    )

    def outcome(of: BiasRule, stddev: float) -> Outcome:
        sums = sums_of(stddev=stddev, **values)
        return judge(BiasLimits(rules=(of,)), sums, previous=None, is_first=True).findings[0].outcome

    quiet, loud = outcome(asked, 0.0), outcome(asked, stddev)
    assert {quiet, loud} != {PASS, FAIL}
    turned = replace(asked, direction=AT_MOST if direction is AT_LEAST else AT_LEAST)
    found = figures_of(asked, sums_of(stddev=stddev, **values), minimum_group=20).cells
    if found and found[0].interval.low < limit < found[0].interval.high:
        assert loud is OPEN
        assert outcome(turned, stddev) is OPEN
    elif found and loud in {PASS, FAIL} and limit not in {found[0].interval.low, found[0].interval.high}:
        assert outcome(turned, stddev) is (FAIL if loud is PASS else PASS)


def test_verdicts_are_alike_but_for_what_machines_round_otherwise() -> None:
    limits = BiasLimits(rules=(rule(limit=-0.1),))
    own = judge(limits, sums_of(**history()), previous=None, is_first=True)
    (finding,) = own.findings
    assert own.is_alike(own)

    def with_first(**changes: object) -> Verdict:
        cells = (replace(finding.cells[0], **changes), *finding.cells[1:])
        return Verdict(findings=(replace(finding, cells=cells),))

    for name in ("value", "low", "high"):
        figure = getattr(finding.cells[0], name)
        assert own.is_alike(with_first(**{name: figure + 1e-12}))
        for other in (figure + 1e-6, -figure - 1, float("nan")):
            assert not own.is_alike(with_first(**{name: other}))
            assert not with_first(**{name: other}).is_alike(own)
    other_words = [
        with_first(cell="else"),
        with_first(outcome=Outcome.UNDETERMINED),
        Verdict(findings=(replace(finding, rule="else"),)),
        Verdict(findings=(replace(finding, outcome=Outcome.NOT_APPLICABLE),)),
        Verdict(findings=(replace(finding, withheld=("else",)),)),
        Verdict(findings=(replace(finding, cells=finding.cells[1:]),)),
        Verdict(findings=()),
        Verdict(findings=(finding, finding)),
    ]
    assert not any(own.is_alike(other) or other.is_alike(own) for other in other_words)


def test_verdicts_of_two_rules_are_alike_only_when_they_are_in_both() -> None:
    limits = BiasLimits(rules=(rule(limit=-0.1), replace(rule(limit=-0.2), name="second")))
    own = judge(limits, sums_of(**history()), previous=None, is_first=True)
    first, second = own.findings
    assert own.is_alike(own)
    assert not own.is_alike(Verdict(findings=(first, replace(second, outcome=Outcome.UNDETERMINED))))
    assert not own.is_alike(Verdict(findings=(replace(first, outcome=Outcome.UNDETERMINED), second)))
    assert not own.is_alike(Verdict(findings=(second, first)))
