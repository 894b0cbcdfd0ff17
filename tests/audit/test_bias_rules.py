"""Rules of a charter: read, written, and refused where they could never be judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields, replace

import pytest
from made_up_sums import rule

from highstreet.audit.bias_rules import (
    BiasLimits,
    Comparison,
    Metric,
    Overrider,
    refuse_odd_limits,
    refuse_unmeasured,
)
from highstreet.audit.charter import Charter
from highstreet.audit.charter_format import from_document, from_toml, to_toml
from highstreet.audit.errors import CharterError
from highstreet.models.programme import default_plan, measured_parts

ANN = Overrider(name="Ann", public_key="aa" * 32)
BEN = Overrider(name="Ben", public_key="bb" * 32)
LIMITS = BiasLimits(
    rules=(
        rule(name="ages_alike", groups="age_band", comparison=Comparison.OTHERS, limit=-0.05),
        rule(name="small_shown", metric=Metric.SMALL_SUPPLIERS, groups="", comparison=Comparison.PURCHASES),
    ),
    people=(ANN, BEN),
    minimum_group=30,
)


@pytest.fixture
def charter(charter_with: Callable[..., Charter]) -> Charter:
    plan = default_plan(noise_multiplier=5.0, params={"holdout_days": 14}, measured=["age_band", "exposure"])
    return charter_with(plan=plan, bias_limits=LIMITS)


def test_rules_and_people_survive_toml_and_signing(charter: Charter) -> None:
    text = to_toml(charter)
    assert text.count("[[bias_limits.rules]]") == 2
    assert text.count("[[bias_limits.people]]") == 2
    assert from_toml(text) == charter
    assert from_document(charter.document()) == charter
    assert from_toml(text).bias_limits == LIMITS
    assert measured_parts(charter.plan) == ("age_band", "exposure")


def test_a_charter_without_rules_says_so_in_toml(charter_with: Callable[..., Charter]) -> None:
    plain = charter_with()
    assert "rules = []" in to_toml(plain)
    assert from_toml(to_toml(plain)).bias_limits == BiasLimits()
    assert measured_parts(plain.plan) == ()


def test_a_limit_written_as_a_whole_number_is_the_same_charter(charter: Charter) -> None:
    one = replace(LIMITS, rules=(replace(LIMITS.rules[0], limit=1),))
    other = replace(LIMITS, rules=(replace(LIMITS.rules[0], limit=1.0),))
    assert replace(charter, bias_limits=one).sha256() == replace(charter, bias_limits=other).sha256()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('metric = "ndcg_at_10_all"', 'metric = "charm"'),
        ('comparison = "others"', 'comparison = "neighbours"'),
        ('direction = "at_least"', 'direction = "about"'),
        ("limit = -0.05", "limit = -1.5"),
        ("limit = -0.05", "limit = nan"),
        ("minimum_group = 30", "minimum_group = 0"),
        ('groups = "age_band"', 'groups = "Age"'),
        ('public_key = "' + "aa" * 32 + '"', 'public_key = "aa"'),
        ('name = "Ann"', 'name = "A\\u202Enn"'),
        ('name = "Ann"', 'name = "\\u3164"'),
        ('name = "Ann"', 'name = " "'),
        ('name = "ages_alike"', 'name = "Ages alike"'),
    ],
)
def test_an_odd_rule_or_person_is_refused(charter: Charter, old: str, new: str) -> None:
    text = to_toml(charter)
    assert old in text
    with pytest.raises(CharterError, match="bias_limits"):
        from_toml(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (BiasLimits(rules=(rule(), rule())), "two rules of one name"),
        (BiasLimits(people=(ANN,)), "takes two"),
        (BiasLimits(people=(ANN, replace(BEN, name="Ann"))), "twice"),
        (BiasLimits(people=(ANN, replace(ANN, name="Ben"))), "twice"),
        (BiasLimits(rules=(rule(groups=""),)), "needs groups"),
        (BiasLimits(rules=(rule(groups="shoe_size"),)), "needs groups"),
        (BiasLimits(rules=(rule(metric=Metric.TAIL, groups="history"),)), "takes no groups"),
        (BiasLimits(rules=(rule(comparison=Comparison.PURCHASES),)), "cannot compare"),
        (
            BiasLimits(rules=(rule(metric=Metric.TAIL, groups="", comparison=Comparison.OTHERS),)),
            "cannot compare",
        ),
        (
            BiasLimits(
                rules=(rule(metric=Metric.MISCALIBRATION, groups="", comparison=Comparison.PURCHASES),)
            ),
            "cannot compare",
        ),
        (BiasLimits(rules=(rule(limit=1.1),)), "beyond"),
        (BiasLimits(rules=(rule(limit=-1.1),)), "beyond"),
        (BiasLimits(rules=(rule(limit=float("nan")),)), "beyond"),
    ],
)
def test_limits_that_cannot_be_kept_or_overridden_are_refused(limits: BiasLimits, said: str) -> None:
    with pytest.raises(CharterError, match=said):
        refuse_odd_limits(limits)


def test_rules_and_people_cannot_be_changed_afterwards() -> None:
    assert BiasLimits().minimum_group == 20
    for each, name in ((LIMITS, "rules"), (LIMITS.rules[0], "limit"), (ANN, "name")):
        with pytest.raises(FrozenInstanceError):
            setattr(each, name, "other")
        assert not hasattr(each, "__dict__")
        with pytest.raises(TypeError, match="positional"):
            type(each)(*(0 for _ in fields(each)))  # type: ignore[call-arg]


@pytest.mark.parametrize("metric", [each for each in Metric if not each.is_quality])
def test_every_figure_of_products_but_calibration_is_held_against_purchases(metric: Metric) -> None:
    limits = BiasLimits(rules=(rule(metric=metric, groups="", comparison=Comparison.PURCHASES),))
    if metric is Metric.MISCALIBRATION:
        with pytest.raises(CharterError, match="cannot compare"):
            refuse_odd_limits(limits)
    else:
        refuse_odd_limits(limits)


def test_limits_at_the_ends_and_nobody_to_override_are_allowed() -> None:
    refuse_odd_limits(LIMITS)
    refuse_odd_limits(BiasLimits(rules=(rule(limit=1.0), rule(name="s", limit=-1.0))))
    miscalibrated = rule(metric=Metric.MISCALIBRATION, groups="", comparison=Comparison.POPULARITY)
    refuse_odd_limits(BiasLimits(rules=(miscalibrated,)))


def test_a_rule_about_something_unmeasured_is_refused(charter: Charter) -> None:
    refuse_unmeasured(LIMITS, ("age_band", "exposure"))
    for measured, missing in ((("age_band",), "exposure"), (("exposure",), "age_band"), ((), "age_band")):
        with pytest.raises(CharterError, match=missing):
            refuse_unmeasured(LIMITS, measured)
    without = default_plan(noise_multiplier=5.0, params={"holdout_days": 14}, measured=["age_band"])
    with pytest.raises(CharterError, match="small_shown"):
        from_toml(to_toml(replace(charter, plan=without)))
