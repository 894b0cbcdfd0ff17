"""Before anybody agrees to a rule they are told how many customers it takes to decide it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from statistics import NormalDist

import pytest
from made_up_sums import rule

from highstreet.audit.bias_planning import (
    customers_needed,
    expected_half_width,
    rules_in_words,
    sums_stddev,
    with_usual_rules,
)
from highstreet.audit.bias_rules import (
    BiasLimits,
    Comparison,
    Direction,
    Overrider,
    refuse_odd_limits,
    refuse_unmeasured,
    usual_rules,
)
from highstreet.audit.bias_words import checked_in_words
from highstreet.audit.charter import Charter, PrivacyTerms
from highstreet.audit.claims import check_promise
from highstreet.audit.drafting import draft_plan
from highstreet.models.bias_rows import PARTS, bias_norm
from highstreet.models.customer_groups import ATTRIBUTES
from highstreet.models.programme import default_plan
from highstreet.privacy.releases import PrivacyUnit, Weighting

Z_OF_TWO = NormalDist().inv_cdf(1 - 0.05 / 4)


@pytest.fixture
def charter(charter_with: Callable[..., Charter]) -> Charter:
    plan = default_plan(noise_multiplier=5.0, params={"holdout_days": 14}, measured=["history"])
    return charter_with(plan=plan, bias_limits=BiasLimits(rules=(rule(limit=-0.1),)))


def test_the_noise_is_that_of_all_who_take_part_in_whole_customers(charter: Charter) -> None:
    phase, rounds = charter.plan.phases[-1], charter.rounds
    honest = rounds.cohort_floor - rounds.colluders
    planned = phase.noise_multiplier * bias_norm(["history"])  # what the honest ones of the floor make
    for stores in (rounds.cohort_floor, 30):
        found = sums_stddev(charter, stores=stores)
        assert found == pytest.approx(planned * math.sqrt(stores / honest), rel=0.02)
        assert found > 1.1 * planned
    terms = replace(
        charter.privacy,
        privacy_unit=PrivacyUnit.PERSON,
        weighting=Weighting.ONE_OVER_MOST,
        shops_per_person=4,
    )
    divided = sums_stddev(replace(charter, privacy=terms), stores=3)
    assert divided == pytest.approx(4 * sums_stddev(charter, stores=3), rel=0.02)
    assert sums_stddev(replace(charter, plan=default_plan(noise_multiplier=5.0)), stores=3) == 0.0


def test_each_rule_says_how_many_customers_it_takes(charter: Charter) -> None:
    asked = charter.bias_limits.rules[0]
    few, many = (
        customers_needed(asked, stddev=sums_stddev(charter, stores=stores), minimum_group=20)
        for stores in (3, 12)
    )
    assert 100 < few < many
    said = list(rules_in_words(charter))
    assert said[0].startswith("rules on bias: 1;")
    found = re.search(
        r"takes about ([\d,]+) customers in each group if 3 shops .*, ([\d,]+) if 12 do$", said[1]
    )
    assert found is not None
    for told, needed in zip(found.groups(), (few, many), strict=True):
        assert needed <= int(told.replace(",", "")) < 1.1 * needed
    assert said[-1] == "nobody can override them"
    assert list(rules_in_words(charter, stores=12)) == said
    assert "if 3 shops take part, " in list(rules_in_words(charter, stores=7))[1]
    assert list(rules_in_words(charter, stores=7))[1].endswith(" if 7 do")
    assert list(rules_in_words(charter, stores=1))[1].endswith(" if 3 shops take part")
    hopeless = replace(charter, bias_limits=BiasLimits(rules=(replace(asked, limit=0.4),)))
    assert "however many customers" in list(rules_in_words(hopeless))[1]
    people = tuple(Overrider(name=name, public_key=name) for name in ("Ann", "Ben"))
    named = replace(charter, bias_limits=replace(charter.bias_limits, people=people))
    assert list(rules_in_words(named))[-1] == "two of these can override together: Ann and Ben"


def test_a_charter_without_rules_says_that_nothing_is_checked(charter: Charter) -> None:
    without = replace(charter, bias_limits=BiasLimits())
    assert list(rules_in_words(without)) == [
        "rules on bias: none, though it is measured; so it keeps no release back"
    ]
    assert checked_in_words(without) == (
        "no release is checked for bias: the charter measures history and has no rules"
    )
    assert checked_in_words(charter) == "each release is checked for bias before it is out, by the rules r"


def test_a_charter_that_measures_nothing_says_what_it_would_take(
    charter_with: Callable[..., Charter],
) -> None:
    plan = draft_plan(epsilon=3.0, delta=1e-5, params={"holdout_days": 14})
    charter = charter_with(plan=plan, privacy=PrivacyTerms(epsilon=3.0, delta=1e-5))
    assert checked_in_words(charter) == "no release is checked for bias: the charter measures none"
    said = list(rules_in_words(charter))
    assert said[0].startswith("NO RELEASE IS CHECKED FOR BIAS")
    assert "--measure history --measure exposure; it takes a tenth of the budget" in said[1]
    parts = ("history", "exposure")
    measuring = replace(
        charter,
        plan=draft_plan(epsilon=3.0, delta=1e-5, params={"holdout_days": 14}, measured=parts),
        bias_limits=BiasLimits(rules=usual_rules(parts)),
    )
    check_promise(with_usual_rules(charter, parts))  # it costs no more than is promised
    assert said[3:-1] == [f"  {line}" for line in list(rules_in_words(measuring))[1:-1]]
    asked = measuring.bias_limits.rules[0]
    for stores, line in ((3, said[-1]), (108, list(rules_in_words(charter, stores=108))[-1])):
        stddev = sums_stddev(measuring, stores=stores)
        half = expected_half_width(asked, customers=stores * 75 // 2, stddev=stddev)
        about = f"with {stores} shops of 75 customers each {asked.name} would be known to +-{half:.2f}, and"
        assert about in line
    assert said[-1].endswith("and 0 of these 4 rules could be decided")
    assert list(rules_in_words(charter, stores=108))[-1].endswith("and 1 of these 4 rules could be decided")


def test_the_half_width_expected_is_that_at_which_the_rule_is_just_decided() -> None:
    asked = rule(comparison=Comparison.POPULARITY, limit=-0.05)
    n = int(customers_needed(asked, stddev=20.0))
    half = expected_half_width(asked, customers=n, stddev=20.0)
    assert half == pytest.approx(0.05, rel=0.01)
    assert half < expected_half_width(asked, customers=n - 1, stddev=20.0)
    assert expected_half_width(asked, customers=10, stddev=0.0) < 1  # both groups as one
    assert expected_half_width(asked, customers=9, stddev=0.0) == math.inf


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


def _fieller(*, room: float, limit: float, noise: float, spread: float, z: float) -> float:
    """Return n with (room n)^2 = z^2 (noise (1 + limit^2) + spread n), worked by hand from Fieller's set."""
    middle, constant = z**2 * spread, z**2 * noise
    return (middle + math.sqrt(middle**2 + 4 * room**2 * constant)) / (2 * room**2)


def test_the_customers_a_rule_needs_are_those_with_which_its_interval_reaches_the_limit() -> None:
    """Figures of .3: by themselves with the spread m (1 - m), beside others with the mean of their sum."""
    alone = rule(comparison=Comparison.NOTHING, limit=0.1)
    noise = 400 * (1 + 0.1**2)
    by_hand = _fieller(room=0.2, limit=0.1, noise=noise, spread=0.1 * 0.9, z=Z_OF_TWO)
    assert customers_needed(alone, stddev=20.0) == math.ceil(by_hand)
    beside = rule(comparison=Comparison.POPULARITY, limit=-0.05)
    n = customers_needed(beside, stddev=20.0)
    both = 0.6 + Z_OF_TWO * math.sqrt(2) * 20 / n
    by_hand = _fieller(room=0.05, limit=-0.05, noise=400 * (2 + 0.05**2), spread=both, z=Z_OF_TWO)
    assert n == pytest.approx(by_hand, rel=0.002)
    at_most = replace(alone, direction=Direction.AT_MOST, limit=0.5)
    noise = 400 * (1 + 0.5**2)
    by_hand = _fieller(room=0.2, limit=0.5, noise=noise, spread=0.25, z=Z_OF_TWO)
    assert customers_needed(at_most, stddev=20.0) == math.ceil(by_hand)


@pytest.mark.parametrize(
    "changes",
    [
        {"limit": 0.0},
        {"limit": 0.1},
        {"limit": -0.1, "direction": Direction.AT_MOST},
        {"comparison": Comparison.NOTHING, "limit": 0.4},
    ],
)
def test_what_a_release_that_differs_in_nothing_does_not_keep_is_decided_by_nobody(
    changes: dict[str, object],
) -> None:
    asked = replace(rule(comparison=Comparison.POPULARITY), **changes)  # type: ignore[arg-type]  # names are checked
    assert customers_needed(asked, stddev=1.0) == math.inf


def test_the_customers_needed_are_those_the_gate_passes_and_one_less_it_does_not() -> None:
    for measured in PARTS:
        for asked in usual_rules([measured]):
            n = customers_needed(asked, stddev=30.0)
            assert 20 < n < customers_needed(asked, stddev=60.0) < 4 * n
            assert n <= customers_needed(asked, stddev=30.0, minimum_group=int(n) + 1) < 2 * n + 100


def test_the_customers_needed_grow_with_the_groups_judged_at_once() -> None:
    asked = rule(comparison=Comparison.NOTHING, groups="age_band", limit=0.1)
    cells = len(ATTRIBUTES["age_band"].cells)
    z = NormalDist().inv_cdf(1 - 0.05 / (2 * cells))
    by_hand = _fieller(room=0.2, limit=0.1, noise=400 * 1.01, spread=0.09, z=z)
    assert customers_needed(asked, stddev=20.0) == math.ceil(by_hand)
    # Bands without anybody are merged with the last of three, and bring it their noise.
    z = NormalDist().inv_cdf(1 - 0.05 / 6)
    by_hand = _fieller(room=0.2, limit=0.1, noise=400 * (cells - 2) * 1.01, spread=0.09, z=z)
    assert customers_needed(asked, stddev=20.0, groups=3) == math.ceil(by_hand)
