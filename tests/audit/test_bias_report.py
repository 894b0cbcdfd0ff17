"""The report in a manifest is held against the model's own numbers: no word of it is believed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from made_up_sums import history, rule, sums_of
from pydantic import ValidationError

from highstreet.audit.bias_figures import NoisySums
from highstreet.audit.bias_gate import Finding, Outcome, Verdict
from highstreet.audit.bias_override import Override, key_of
from highstreet.audit.bias_report import (
    BiasReport,
    BiasReportFormat,
    PreviousSums,
    check_report,
    released_sums,
    report_on,
)
from highstreet.audit.bias_rules import BiasLimits, Comparison, Overrider
from highstreet.audit.bias_words import bias_in_words
from highstreet.audit.charter import Charter
from highstreet.audit.errors import BiasGateError, OverrideError
from highstreet.models.bias_rows import bias_coordinates
from highstreet.models.programme import default_plan
from highstreet.models.state import SharedState
from highstreet.privacy.releases import PrivacyUnit, Weighting

PARTS = ("history", "age_band", "exposure")
KEYS = {name: Ed25519PrivateKey.generate() for name in ("Ann", "Ben")}
PEOPLE = tuple(Overrider(name=name, public_key=key_of(key)) for name, key in KEYS.items())
WANTED = Override(
    coop_id="ab" * 16,
    programme_id="00" * 8,
    number=2,
    previous_sha256="a0" * 32,
    model_sha256="cd" * 32,
    charter_sha256="ef" * 32,
    rules={},
    reason="",
    created="",
)


@pytest.fixture
def charter(charter_with: Callable[..., Charter]) -> Charter:
    plan = default_plan(noise_multiplier=5.0, params={"holdout_days": 14}, measured=PARTS)
    rules = (rule(limit=0.1), rule(name="as_before", comparison=Comparison.PREVIOUS, limit=-0.3))
    return charter_with(plan=plan, bias_limits=BiasLimits(rules=rules, people=PEOPLE, minimum_group=50))


def state_with(values: dict[str, float], *, stddev: float = 1.0) -> SharedState:
    sums = sums_of(**values)
    arrays = np.array([sums.values[name] for name in bias_coordinates(PARTS)])
    return SharedState({"bias/sums": arrays, "bias/stddev": np.array([stddev])})


GOOD = state_with(history())
#: The group `little` is served far worse than the limit.
BAD = state_with(history(history__little__all__ranker=1.0))
BEFORE = PreviousSums(number=1, sums=NoisySums(values=dict(sums_of(**history()).values), stddev=1.0))


def _check(
    report: BiasReport | None,
    charter: Charter,
    state: SharedState,
    number: int = 2,
    known: PreviousSums | None = BEFORE,
) -> None:
    check_report(report, charter, state, number=number, wanted=WANTED, known_previous=known)


def test_a_release_that_keeps_the_rules_is_accepted(charter: Charter) -> None:
    report = report_on(charter, GOOD, number=2, previous=BEFORE)
    assert report.verdict.is_pass
    _check(report, charter, GOOD)
    first = report_on(charter, GOOD, number=1, previous=None)
    assert [each.outcome for each in first.verdict.findings] == [Outcome.PASS, Outcome.NOT_APPLICABLE]
    _check(first, charter, GOOD, number=1, known=None)


def test_what_is_signed_is_read_back_the_same(charter: Charter) -> None:
    report = report_on(charter, GOOD, number=2, previous=BEFORE)
    override = replace(
        WANTED, rules={"r": "fail"}, reason="A reason that is long enough.", created="2026-11-22T12:00:00Z"
    )
    for each in (report, replace(report, override=override), replace(report, sums=None, previous=None)):
        assert BiasReportFormat.model_validate(each.to_dict()).to_report() == each


def test_sums_of_weighted_customers_are_brought_to_whole_ones(charter: Charter) -> None:
    terms = replace(
        charter.privacy,
        privacy_unit=PrivacyUnit.PERSON,
        weighting=Weighting.ONE_OVER_MOST,
        shops_per_person=4,
    )
    whole, weighted = (released_sums(each, GOOD) for each in (charter, replace(charter, privacy=terms)))
    assert whole is not None
    assert weighted is not None
    assert whole.values["history/much/all/customers"] == 300
    assert weighted.values["history/much/all/customers"] == 1200
    assert (whole.stddev, weighted.stddev) == (1.0, 4.0)
    without = replace(charter, plan=default_plan(noise_multiplier=5.0))
    assert released_sums(without, GOOD) is None
    assert released_sums(charter, SharedState()) is None


def test_a_release_that_breaks_a_rule_is_refused_without_an_override(charter: Charter) -> None:
    report = report_on(charter, BAD, number=2, previous=BEFORE)
    assert report.verdict.blocking == ("r",)
    with pytest.raises(BiasGateError, match="does not keep the rules on bias: r"):
        _check(report, charter, BAD)
    undetermined = state_with(history(), stddev=20.0)
    open_report = report_on(charter, undetermined, number=2, previous=BEFORE)
    assert open_report.verdict.findings[0].outcome is Outcome.UNDETERMINED
    with pytest.raises(BiasGateError, match="does not keep the rules on bias: r"):
        _check(open_report, charter, undetermined)


def test_an_override_lets_it_pass_and_only_a_real_one(charter: Charter) -> None:
    report = report_on(charter, BAD, number=2, previous=BEFORE)
    plain = replace(
        WANTED, rules={"r": "fail"}, reason="A reason that is long enough.", created="2026-11-22T12:00:00Z"
    )
    signed = plain.signed_by("Ann", KEYS["Ann"]).signed_by("Ben", KEYS["Ben"])
    _check(replace(report, override=signed), charter, BAD)
    said = bias_in_words(replace(report, override=signed))
    assert said == (
        "of 2 rules on bias 1 are kept",
        "OVERRIDDEN on 2026-11-22 by Ann and Ben: r (fail)",
        "their reason: A reason that is long enough.",
    )
    for bad in (plain, replace(signed, model_sha256="dc" * 32), replace(signed, signatures=())):
        with pytest.raises(OverrideError):
            _check(replace(report, override=bad), charter, BAD)


def test_an_override_of_what_nothing_keeps_back_is_refused(charter: Charter) -> None:
    report = report_on(charter, GOOD, number=2, previous=BEFORE)
    made_up = replace(
        WANTED, rules={"r": "fail"}, reason="A reason that is long enough.", created="2026-11-22T12:00:00Z"
    )
    for override in (made_up, made_up.signed_by("Ann", KEYS["Ann"]).signed_by("Ben", KEYS["Ben"])):
        with pytest.raises(BiasGateError, match="overridden, and nothing keeps it back"):
            _check(replace(report, override=override), charter, GOOD)


def test_a_rosier_verdict_or_other_figures_are_found_out(charter: Charter) -> None:
    bad = report_on(charter, BAD, number=2, previous=BEFORE)
    good = report_on(charter, GOOD, number=2, previous=BEFORE)
    rosy = Verdict(findings=tuple(replace(each, outcome=Outcome.PASS) for each in bad.verdict.findings))
    with pytest.raises(BiasGateError, match="verdict"):
        _check(replace(bad, verdict=rosy), charter, BAD)
    with pytest.raises(BiasGateError, match="verdict"):
        _check(replace(bad, verdict=Verdict(findings=())), charter, BAD)
    for lie in (good, replace(good, sums=None)):
        with pytest.raises(BiasGateError, match="not those of its model"):
            _check(lie, charter, BAD)


@pytest.mark.parametrize("changes", [{"value": 0.9}, {"low": 0.5}, {"high": 0.5}, {"cell": "rich"}])
def test_other_numbers_in_the_verdict_are_found_out(charter: Charter, changes: dict[str, object]) -> None:
    report = report_on(charter, GOOD, number=2, previous=BEFORE)
    first, *rest = report.verdict.findings
    cells = (replace(first.cells[0], **changes), *first.cells[1:])  # type: ignore[arg-type]  # as named
    for odd in (replace(first, cells=cells), replace(first, withheld=("rich",)), replace(first, cells=())):
        with pytest.raises(BiasGateError, match="verdict"):
            _check(replace(report, verdict=Verdict(findings=(odd, *rest))), charter, GOOD)


@pytest.mark.parametrize("number", [1e200, 1e308])
def test_numbers_and_texts_that_no_sum_has_are_not_read(charter: Charter, number: float) -> None:
    report = report_on(charter, GOOD, number=2, previous=BEFORE)
    BiasReportFormat.model_validate(report.to_dict())
    name = next(iter(BEFORE.sums.values))
    odd = [replace(report, previous=replace(BEFORE, sums=replace(BEFORE.sums, stddev=number)))]
    for sums in ({name: number}, {name: -number}, {"\x1b[2J": 1.0}):
        odd.append(replace(report, previous=replace(BEFORE, sums=replace(BEFORE.sums, values=sums))))
    for text in ("\x1b[2J", "jane@example.org", "x" * 100_000):
        finding = replace(report.verdict.findings[0], withheld=(text,))
        odd.append(replace(report, verdict=Verdict(findings=(finding,))))
    for each in odd:
        with pytest.raises(ValidationError):
            BiasReportFormat.model_validate(each.to_dict())


def test_another_release_before_is_found_out(charter: Charter) -> None:
    other = PreviousSums(number=1, sums=NoisySums(values=dict(BEFORE.sums.values), stddev=2.0))
    report = report_on(charter, GOOD, number=2, previous=other)
    with pytest.raises(BiasGateError, match="other figures of the one before"):
        _check(report, charter, GOOD)
    hidden = report_on(charter, GOOD, number=2, previous=None)
    with pytest.raises(BiasGateError, match="other figures"):
        _check(hidden, charter, GOOD)
    with pytest.raises(BiasGateError, match="other figures"):  # of one that measured nothing
        _check(report_on(charter, GOOD, number=2, previous=BEFORE), charter, GOOD, known=None)
    with pytest.raises(BiasGateError, match="does not keep"):  # open without one, and no release is the first
        _check(hidden, charter, GOOD, known=None)
    older = replace(BEFORE, number=2)
    wrong = report_on(charter, GOOD, number=4, previous=older)
    with pytest.raises(BiasGateError, match="another one than the one before"):
        _check(wrong, charter, GOOD, number=4, known=None)
    with pytest.raises(BiasGateError, match="other figures"):
        _check(report_on(charter, GOOD, number=3, previous=older), charter, GOOD, number=3, known=BEFORE)
    _check(report_on(charter, GOOD, number=3, previous=older), charter, GOOD, number=3, known=older)


def test_a_release_that_says_nothing_is_refused_where_there_are_rules(
    charter: Charter, charter_with: Callable[..., Charter]
) -> None:
    with pytest.raises(BiasGateError, match="says nothing"):
        _check(None, charter, GOOD)
    with pytest.raises(BiasGateError, match="and the charter has rules on it"):
        _check(None, charter, SharedState())  # nothing measured either
    _check(None, charter_with(), SharedState())
    measured = charter_with(plan=charter.plan)  # no rules, and yet what was measured is not hidden
    with pytest.raises(BiasGateError, match="says nothing about bias, and its model was measured"):
        _check(None, measured, GOOD)
    _check(report_on(measured, GOOD, number=2, previous=BEFORE), measured, GOOD)


def test_without_rules_it_is_said_that_nothing_was_judged() -> None:
    (silent,) = bias_in_words(None)
    assert silent.startswith("no bias measured: the charter measures none")
    nothing = BiasReport(sums=None, previous=None, verdict=Verdict(findings=()))
    (unjudged,) = bias_in_words(nothing)
    assert unjudged.startswith("bias was measured and not judged")
    kept = replace(nothing, verdict=Verdict(findings=(Finding(rule="a", outcome=Outcome.PASS),)))
    assert bias_in_words(kept) == ("of 1 rules on bias 1 are kept",)


def _plain(**changes: object) -> dict[str, object]:
    """A section on bias as plain values, with one place changed; a place below another has __ between."""
    group = {"group": "g", "outcome": "pass", "value": 0.0, "low": 0.0, "high": 0.0}
    finding: dict[str, object] = {"rule": "r", "outcome": "pass", "groups": [group], "withheld": ["w"]}
    sums: dict[str, object] = {"stddev": 1.0, "values": {"a": 1.0}}
    previous: dict[str, object] = {"number": 1, "sums": sums}
    whole: dict[str, object] = {"sums": sums, "previous": previous, "verdict": [finding], "override": None}
    parts = {"sums": sums, "previous": previous, "finding": finding, "group": group}
    for place, value in changes.items():
        part, _, name = place.partition("__")
        (parts[part] if name else whole)[name or part] = value
    return whole


_GROUP = {"group": "g", "outcome": "pass", "value": 0.0, "low": 0.0, "high": 0.0}
_FINDING = {"rule": "r", "outcome": "pass", "groups": [], "withheld": []}
#: What is just allowed, and what is just not.
_EDGES: list[tuple[str, object, object]] = [
    ("sums__stddev", 0.0, -1e-9),
    ("sums__stddev", 1e17, 1.1e17),
    ("sums__stddev", 1.0, math.nan),
    ("sums__values", {"a": -1e17}, {"a": -1.1e17}),
    ("sums__values", {"a": 1e17}, {"a": 1.1e17}),
    ("sums__values", {"a" * 256: 0.0}, {"a" * 257: 0.0}),
    ("sums__values", {"a/b.c+d_1": 0.0}, {"A": 0.0}),
    ("sums__values", {f"n{n}": 0.0 for n in range(2048)}, {f"n{n}": 0.0 for n in range(2049)}),
    ("previous__number", 1, 0),
    ("previous__number", 2**31, 2**31 + 1),
    ("verdict", [_FINDING] * 32, [_FINDING] * 33),
    ("finding__rule", "r" * 64, "r" * 65),
    ("finding__groups", [_GROUP] * 64, [_GROUP] * 65),
    ("finding__withheld", ["w"] * 64, ["w"] * 65),
    ("group__value", 5.0, math.inf),
    ("group__outcome", "fail", "passed"),
]


@pytest.mark.parametrize(("place", "allowed", "refused"), _EDGES)
def test_the_edges_of_what_is_a_section_on_bias_are_exact(
    place: str, allowed: object, refused: object
) -> None:
    fine = _plain(**{place: allowed})
    report = BiasReportFormat.model_validate(fine).to_report()
    assert report.to_dict() == fine
    with pytest.raises(ValidationError):
        BiasReportFormat.model_validate(_plain(**{place: refused}))


def test_a_section_that_was_read_cannot_be_changed_before_it_is_checked() -> None:
    found = BiasReportFormat.model_validate(_plain())
    with pytest.raises(ValidationError, match="frozen"):
        found.override = None
    with pytest.raises(ValidationError, match="Extra"):
        BiasReportFormat.model_validate({**_plain(), "more": 1})
