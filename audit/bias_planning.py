"""Planning rules on bias: how many customers it takes to decide each, said before anybody agrees to it."""

from __future__ import annotations

import math
from collections.abc import Iterator

from highstreet.audit.bias_figures import customers_needed
from highstreet.audit.bias_rules import BiasRule
from highstreet.audit.charter import Charter
from highstreet.audit.weights import customer_weight
from highstreet.models.customer_groups import ATTRIBUTES
from highstreet.models.programme import measured_parts

__all__ = ["rules_in_words", "sums_stddev"]


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
