"""Before anybody agrees to a rule they are told how many customers it takes to decide it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from made_up_sums import rule

from highstreet.audit.bias_figures import customers_needed
from highstreet.audit.bias_planning import rules_in_words, sums_stddev
from highstreet.audit.bias_rules import (
    BiasLimits,
    Overrider,
    refuse_odd_limits,
    refuse_unmeasured,
    usual_rules,
)
from highstreet.audit.charter import Charter
from highstreet.models.bias_rows import PARTS, bias_norm
from highstreet.models.programme import default_plan
from highstreet.privacy.releases import PrivacyUnit, Weighting


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
