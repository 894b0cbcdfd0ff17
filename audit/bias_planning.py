"""Planning rules on bias: how many customers it takes to decide each, said before anybody agrees to it."""

from __future__ import annotations

import math
from collections.abc import Iterator

from highstreet.audit.bias_intervals import quantile
from highstreet.audit.bias_rules import BiasRule, Comparison
from highstreet.audit.charter import Charter
from highstreet.audit.weights import customer_weight
from highstreet.models.customer_groups import ATTRIBUTES
from highstreet.models.programme import measured_parts

__all__ = ["customers_needed", "rules_in_words", "sums_stddev"]


def customers_needed(rule: BiasRule, *, stddev: float, groups: int = 1) -> float:
    """Return about how many customers a group needs for the rule to pass where the value is 0.

    The half of the interval is then as wide as the distance of 0 from the limit: for planning a charter, so
    that nobody agrees to a rule that their co-op can never decide. Infinite where 0 is not on the right side.

    Args:
        rule: of a charter.
        stddev: of the noise in each sum.
        groups: how many groups are judged at once.
    """
    room = -rule.limit if rule.direction.value == "at_least" else rule.limit
    if room <= 0:
        return math.inf
    z = quantile(groups=groups)
    terms = 1 if rule.comparison is Comparison.NOTHING else 2
    # room^2 n^2 - z^2 spread n - z^2 noise = 0, with the variance of an evenly spread figure.
    spread, noise = z**2 * terms / 12, z**2 * terms * stddev**2
    return (spread + math.sqrt(spread**2 + 4 * room**2 * noise)) / (2 * room**2)


def sums_stddev(charter: Charter) -> float:
    """Return the stddev of the noise in each sum of the bias phase, in whole customers; 0 without one.

    As planned: when just the cohort floor takes part, less the colluders. More stores make more of it.
    """
    noise = [phase.noise_stddev for phase in charter.plan.phases if phase.name == "bias"]
    return noise[0] / customer_weight(charter.privacy) if noise else 0.0


def rules_in_words(charter: Charter) -> Iterator[str]:
    """Say what is judged, how many customers each rule takes, and whether anybody can override."""
    limits = charter.bias_limits
    if not limits.rules:
        measured = measured_parts(charter.plan)
        yield f"rules on bias: none{', though it is measured' if measured else ', and nothing is measured'}"
        return
    stddev = sums_stddev(charter)
    yield f"rules on bias: {len(limits.rules)}; what one breaks, or the noise leaves open, is not released"
    for rule in limits.rules:
        groups = len(ATTRIBUTES[rule.groups].cells) if rule.groups else 1
        needed = customers_needed(rule, stddev=stddev, groups=groups)
        yield f"  {rule.name}: {_condition(rule)}; {_enough(needed, groups)}"
    people = " and ".join(one.name for one in limits.people)
    yield f"two of these can override together: {people}" if people else "nobody can override them"


def _condition(rule: BiasRule) -> str:
    less = "" if rule.comparison.value == "nothing" else f" less that of {rule.comparison.value}"
    return f"{rule.metric.value}{less} {rule.direction.value.replace('_', ' ')} {rule.limit:g}"


def _enough(needed: float, groups: int) -> str:
    if math.isinf(needed):
        return "a release that differs in nothing does not pass it for sure, however many customers there are"
    whom = "each group" if groups > 1 else "all shops together"
    return f"takes about {math.ceil(needed):,} customers in {whom}"
