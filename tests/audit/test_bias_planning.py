"""Before anybody agrees to a rule they are told how many customers it takes to decide it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from statistics import NormalDist

import pytest
from made_up_sums import rule

from highstreet.audit.bias_planning import customers_needed, rules_in_words, sums_stddev
from highstreet.audit.bias_rules import (
    BiasLimits,
    Comparison,
    Direction,
    Overrider,
    refuse_odd_limits,
    refuse_unmeasured,
    usual_rules,
)
from highstreet.audit.charter import Charter
from highstreet.models.bias_rows import PARTS, bias_norm
from highstreet.models.programme import default_plan
from highstreet.privacy.releases import PrivacyUnit, Weighting

Z = NormalDist().inv_cdf(0.975)
Z_OF_TWO = NormalDist().inv_cdf(1 - 0.05 / 4)


@pytest.fixture
def charter(charter_with: Callable[..., Charter]) -> Charter:
    plan = default_plan(noise_multiplier=5.0, params={"holdout_days": 14}, measured=["history"])
    return charter_with(plan=plan, bias_limits=BiasLimits(rules=(rule(limit=-0.1),)))


def test_the_noise_is_that_of_the_phase_in_whole_customers(charter: Charter) -> None:
    phase = charter.plan.phases[-1]
    assert sums_stddev(charter) == pytest.approx(phase.noise_multiplier * bias_norm(["history"]))
    terms = replace(
        charter.privacy,
        privacy_unit=PrivacyUnit.PERSON,
        weighting=Weighting.ONE_OVER_MOST,
        shops_per_person=4,
    )
    assert sums_stddev(replace(charter, privacy=terms)) == pytest.approx(4 * sums_stddev(charter))
    assert sums_stddev(replace(charter, plan=default_plan(noise_multiplier=5.0))) == 0.0


def test_each_rule_says_how_many_customers_it_takes(charter: Charter) -> None:
    needed = customers_needed(rule(limit=-0.1), stddev=sums_stddev(charter), groups=2)
    said = list(rules_in_words(charter))
    assert said[0].startswith("rules on bias: 1;")
    assert said[1].endswith(f"at least -0.1; takes about {int(needed) + 1:,} customers in each group")
    assert said[-1] == "nobody can override them"
    hopeless = replace(charter, bias_limits=BiasLimits(rules=(rule(limit=0.1),)))
    assert "however many customers" in list(rules_in_words(hopeless))[1]
    people = tuple(Overrider(name=name, public_key=name) for name in ("Ann", "Ben"))
    named = replace(charter, bias_limits=replace(charter.bias_limits, people=people))
    assert list(rules_in_words(named))[-1] == "two of these can override together: Ann and Ben"


def test_a_charter_without_rules_says_so(charter: Charter, charter_with: Callable[..., Charter]) -> None:
    assert list(rules_in_words(charter_with())) == ["rules on bias: none, and nothing is measured"]
    without = replace(charter, bias_limits=BiasLimits())
    assert list(rules_in_words(without)) == ["rules on bias: none, though it is measured"]


def test_usual_rules_are_in_order_and_about_what_is_measured() -> None:
    assert usual_rules(()) == ()
    for measured in ([part] for part in PARTS):
        rules = usual_rules(measured)
        assert rules
        refuse_odd_limits(BiasLimits(rules=rules))
        refuse_unmeasured(BiasLimits(rules=rules), measured)
    every = usual_rules(PARTS)
    refuse_odd_limits(BiasLimits(rules=every))
    assert len(every) == 2 * (len(PARTS) - 1) + 2


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


def test_the_customers_needed_grow_with_the_groups_judged_at_once() -> None:
    asked = rule(comparison=Comparison.NOTHING, limit=-0.1)
    z = NormalDist().inv_cdf(1 - 0.05 / 6)
    assert customers_needed(asked, stddev=0.0, groups=3) == pytest.approx(z**2 / 12 / 0.01)
