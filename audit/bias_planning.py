"""Planning rules on bias: how many customers it takes to decide each, said before anybody agrees to it.

The gate itself is asked, about the sums that a release which differs in nothing is expected to have: their
intervals are as wide as the noise of the charter's mechanism makes them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import replace

from highstreet.audit.bias_figures import NoisySums
from highstreet.audit.bias_gate import Finding, Outcome, judge
from highstreet.audit.bias_rules import BiasLimits, BiasRule, usual_rules
from highstreet.audit.charter import Charter
from highstreet.audit.requests import mechanism_of
from highstreet.audit.weights import customer_weight
from highstreet.models.bias_rows import EXPOSURE, bias_coordinates
from highstreet.models.customer_groups import ATTRIBUTES
from highstreet.models.exposure import POPULARITY_CLASSES
from highstreet.models.programme import default_plan, measured_parts
from highstreet.privacy.errors import InvalidReleaseError

__all__ = ["customers_needed", "expected_half_width", "rules_in_words", "sums_stddev", "with_usual_rules"]

#: What every figure is expected to be: about what the benchmark's model reaches in NDCG@10.
_TYPICAL = 0.3
#: Half of an interval that says nothing of a difference of two figures between 0 and 1.
_NOTHING_KNOWN = 1.0
#: Past this no co-op has that many.
_MOST_CUSTOMERS = 1 << 30
#: Parts that every shop knows of its customers, and that are proposed where nothing is measured.
_KNOWN_EVERYWHERE = ("history", EXPOSURE)
_HOLDOUT_DAYS = 14.0


def customers_needed(rule: BiasRule, *, stddev: float, groups: int = 0, minimum_group: int = 20) -> float:
    """Return from how many customers in each group on the gate passes a release that differs in nothing.

    Every figure is then the same for everybody, with every source and in the release before. For planning a
    charter, so that nobody agrees to a rule that their co-op can never decide. Infinite where such a release
    does not pass, however many there are.

    Args:
        rule: of a charter.
        stddev: of the noise in each sum.
        groups: how many of the rule's groups have customers, all of them equally many; 0 for all.
        minimum_group: of the charter.
    """
    cells = ATTRIBUTES[rule.groups].cells[: groups or None] if rule.groups else ()
    limits = BiasLimits(rules=(rule,), minimum_group=minimum_group)

    def is_decided(customers: int) -> bool:
        finding = _found(rule, limits, cells, customers, stddev=stddev)
        return finding.outcome is Outcome.PASS and len(finding.cells) == max(len(cells), 1)

    if not is_decided(_MOST_CUSTOMERS):
        return math.inf
    too_few, enough = 0, _MOST_CUSTOMERS
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        too_few, enough = (too_few, middle) if is_decided(middle) else (middle, enough)
    return float(enough)


def expected_half_width(rule: BiasRule, *, customers: int, stddev: float, minimum_group: int = 20) -> float:
    """Return half of the widest interval that a rule's value is expected to have in any of its groups.

    Args:
        rule: of a charter.
        customers: in each of its groups, or in all shops together.
        stddev: of the noise in each sum.
        minimum_group: of the charter.

    Returns:
        Infinity where no group surely has enough customers to be judged.
    """
    cells = ATTRIBUTES[rule.groups].cells if rule.groups else ()
    limits = BiasLimits(rules=(rule,), minimum_group=minimum_group)
    found = _found(rule, limits, cells, customers, stddev=stddev)
    return max(((cell.high - cell.low) / 2 for cell in found.cells), default=math.inf)


def sums_stddev(charter: Charter, *, stores: int) -> float:
    """Return the stddev of the noise in each sum of the bias phase, in whole customers; 0 without one.

    Args:
        charter: whose mechanism makes the noise.
        stores: how many take part. Each brings its share of noise, so that any that the floor needs make
            enough of it, and all together make more.

    Raises:
        InvalidReleaseError: so many stores' sums have no room in one.
    """
    for phase in charter.plan.phases:
        if phase.name == "bias":
            noise = mechanism_of(phase, charter, participants=stores).noise_stddev(contributors=stores)
            return noise / customer_weight(charter.privacy)
    return 0.0


def with_usual_rules(charter: Charter, measured: Collection[str]) -> Charter:
    """Return the charter as it would be if it measured these parts, with their usual rules, for as much.

    The noise of all phases together is that of one release worth the whole programme (`default_plan`), so
    what the bias phase takes the others give.
    """
    worth = math.fsum(each.noise_multiplier**-2 for each in charter.plan.phases)
    params = dict(charter.plan.params)
    plan = default_plan(
        charter.plan.schema,
        noise_multiplier=1 / math.sqrt(worth),
        clients_per_store=charter.plan.clients_per_store,
        params={**params, "holdout_days": params.get("holdout_days") or _HOLDOUT_DAYS},
        measured=measured,
    )
    limits = replace(charter.bias_limits, rules=usual_rules(measured))
    return replace(charter, plan=plan, bias_limits=limits)


def rules_in_words(charter: Charter, *, stores: int | None = None) -> Iterator[str]:
    """Say what is judged, how many customers each rule takes, and whether anybody can override.

    Where nothing is measured, say that nothing is checked, and what it would take.

    Args:
        charter: to be agreed to; its noise has room for sums of the floor.
        stores: expected to take part, said beside the floor; four times the floor where it is not known.
    """
    measured = measured_parts(charter.plan)
    if not charter.bias_limits.rules:
        if measured:
            yield "rules on bias: none, though it is measured; so it keeps no release back"
        else:
            yield from _unchecked(charter, stores)
        return
    rules = charter.bias_limits.rules
    yield f"rules on bias: {len(rules)}; what one breaks, or the noise leaves open, is not released"
    for rule in rules:
        yield f"  {rule.name}: {_condition(rule)}; {_enough(rule, charter, stores)}"
    people = " and ".join(one.name for one in charter.bias_limits.people)
    yield f"two of these can override together: {people}" if people else "nobody can override them"


def _unchecked(charter: Charter, stores: int | None) -> Iterator[str]:
    flags = " ".join(f"--measure {part}" for part in _KNOWN_EVERYWHERE)
    yield "NO RELEASE IS CHECKED FOR BIAS: the charter measures none; whom a model serves worse stays unseen"
    yield f"  to have each checked: {flags}; it takes a tenth of the budget, and from so many customers on"
    yield "  there can be a verdict (with fewer the noise leaves it open, and what is open is not released):"
    planned = with_usual_rules(charter, _KNOWN_EVERYWHERE)
    for rule in planned.bias_limits.rules:
        yield f"    {rule.name}: {_condition(rule)}; {_enough(rule, planned, stores)}"
    yield f"  {_at_the_size_expected(planned, max(charter.rounds.cohort_floor, stores or 0))}"


def _at_the_size_expected(planned: Charter, stores: int) -> str:
    rules, each = planned.bias_limits.rules, planned.plan.clients_per_store
    try:
        stddev = sums_stddev(planned, stores=stores)
    except InvalidReleaseError:
        return f"a sum has no room for {stores} shops"
    fewest = planned.bias_limits.minimum_group
    decided = 0
    for rule in rules:
        groups = len(ATTRIBUTES[rule.groups].cells) if rule.groups else 1
        needed = customers_needed(rule, stddev=stddev, minimum_group=fewest)
        decided += needed <= stores * each / groups
    main = rules[0]
    customers = stores * each // len(ATTRIBUTES[main.groups].cells)
    half = expected_half_width(main, customers=customers, stddev=stddev, minimum_group=fewest)
    known = "not at all" if half >= _NOTHING_KNOWN else f"to +-{half:.2f}"
    return (
        f"with {stores} shops of {each} customers each {main.name} would be known {known}, and {decided} of "
        f"these {len(rules)} rules could be decided"
    )


def _found(
    rule: BiasRule, limits: BiasLimits, cells: Collection[str], customers: int, *, stddev: float
) -> Finding:
    sums = NoisySums(values=_expected(rule, cells, customers), stddev=stddev)
    (finding,) = judge(limits, sums, previous=sums, is_first=False).findings
    return finding


def _expected(rule: BiasRule, cells: Collection[str], customers: int) -> dict[str, float]:
    """Return the sums over a number of customers in each of some cells, all figures alike."""
    return {name: customers * _of_one(name, cells) for name in bias_coordinates((rule.part,))}


def _of_one(coordinate: str, cells: Collection[str]) -> float:
    """Return what one customer adds to a coordinate (`models.bias_rows.bias_coordinates`)."""
    part, cell, *_ = coordinate.split("/")
    figure = coordinate.rpartition("/")[2]
    if part != EXPOSURE and cell not in cells:
        return 0.0
    if figure == "customers":
        return 1.0
    return 1 / POPULARITY_CLASSES if figure.startswith("tenth_") else _TYPICAL


def _condition(rule: BiasRule) -> str:
    less = "" if rule.comparison.value == "nothing" else f" less that of {rule.comparison.value}"
    return f"{rule.metric.value}{less} {rule.direction.value.replace('_', ' ')} {rule.limit:g}"


def _enough(rule: BiasRule, charter: Charter, stores: int | None) -> str:
    floor = charter.rounds.cohort_floor
    whom = "each group" if rule.groups else "all shops together"
    said = []
    for number in dict.fromkeys((floor, max(floor, stores or 4 * floor))):
        try:
            stddev = sums_stddev(charter, stores=number)
        except InvalidReleaseError:  # more stores than a sum has room for
            continue
        needed = customers_needed(rule, stddev=stddev, minimum_group=charter.bias_limits.minimum_group)
        if math.isinf(needed):
            return "a release that differs in nothing does not pass it, however many customers there are"
        said.append((f"{_rounded_up(needed):,}", number))
    (few, fewest), *more = said
    beside = "".join(f", {many} if {number} do" for many, number in more)
    return f"takes about {few} customers in {whom} if {fewest} shops take part{beside}"


def _rounded_up(customers: float) -> int:
    """Return a number of customers with two digits that say something, never too few."""
    step = int(10 ** max(0, math.floor(math.log10(customers)) - 1))
    return math.ceil(customers / step) * step
