"""A charter that this version cannot run, or only with too much memory, is refused at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from highstreet.audit.charter import MATCHING, Charter, MatchingTerms
from highstreet.audit.errors import CharterError, CharterExceedsLimitsError, CharterNotRunnableError
from highstreet.audit.limits import StoreLimits, refuse_over_limits
from highstreet.audit.matchings import influence_of
from highstreet.models.features import FEATURES
from highstreet.models.plan import ModelPlan


def _other_dimension(plan: ModelPlan) -> ModelPlan:
    first, *rest = plan.phases
    return replace(plan, phases=(replace(first, dimension=first.dimension + 1), *rest))


def _other_phase(plan: ModelPlan) -> ModelPlan:
    first, *rest = plan.phases
    return replace(plan, phases=(replace(first, name="no-such-phase"), *rest))


@pytest.mark.parametrize(
    "changed",
    [
        lambda plan: replace(plan, rung="no-such-model"),
        _other_dimension,
        _other_phase,
        lambda plan: replace(plan, params={**plan.params, "no-such-param": 1.0}),
        lambda plan: replace(plan, params={**plan.params, "candidates": 1e9}),
    ],
    ids=["rung", "dimension", "phase", "param", "value"],
)
def test_a_plan_this_version_cannot_run_is_refused(
    changed: Callable[[ModelPlan], ModelPlan], charter_with: Callable[..., Charter], limits: StoreLimits
) -> None:
    charter = charter_with()
    refuse_over_limits(charter, limits)
    with pytest.raises(CharterNotRunnableError, match="cannot train"):
        refuse_over_limits(replace(charter, plan=changed(charter.plan)), limits)


def test_examples_larger_than_the_store_allows_are_refused(
    charter_with: Callable[..., Charter], limits: StoreLimits
) -> None:
    charter = charter_with()
    numbers = int(charter.plan.params["candidates"] * charter.plan.params["snapshots"]) * len(FEATURES)
    refuse_over_limits(charter, replace(limits, max_example_numbers=numbers))
    with pytest.raises(CharterExceedsLimitsError, match=f"{numbers} numbers in a customer's"):
        refuse_over_limits(charter, replace(limits, max_example_numbers=numbers - 1))
    vast = replace(charter.plan, params={**charter.plan.params, "candidates": 4096.0, "snapshots": 12.0})
    with pytest.raises(CharterExceedsLimitsError, match="training example"):
        refuse_over_limits(replace(charter, plan=vast), limits)


def test_a_charter_whose_smallest_matching_is_larger_than_the_store_allows_is_refused(
    charter_with: Callable[..., Charter], limits: StoreLimits
) -> None:
    plain = charter_with()
    allowed = replace(limits, purposes=(*limits.purposes, MATCHING))

    def matching(identifiers: int) -> Charter:
        terms = MatchingTerms(identifiers_per_store=identifiers)
        return replace(plain, purposes=(*plain.purposes, MATCHING), matching=terms)

    # 4 stores: 72 x 4 x (L + 60) numbers, of which 2^20 are allowed.
    most = (1 << 20) // (72 * 4) - 60
    refuse_over_limits(matching(most), allowed)
    with pytest.raises(CharterExceedsLimitsError, match="numbers in the table of the smallest matching"):
        refuse_over_limits(matching(most + 1), allowed)
    refuse_over_limits(matching(most + 1), replace(allowed, max_dimension=1 << 22))
    with pytest.raises(CharterError, match="cannot be matched"):
        refuse_over_limits(matching(32_705), replace(allowed, max_dimension=1 << 22))
    with pytest.raises(CharterError, match="does not fit into a secure sum"):
        refuse_over_limits(matching(40_000), replace(allowed, max_dimension=1 << 22))


def test_a_charter_whose_smallest_matching_adds_more_to_delta_than_allowed_is_refused(
    charter_with: Callable[..., Charter], limits: StoreLimits
) -> None:
    plain = charter_with()
    allowed = replace(limits, purposes=(*limits.purposes, MATCHING), max_dimension=1 << 22)
    terms = MatchingTerms(identifiers_per_store=20_000)  # 4 stores: n^2 (L + 60) = 321,000, so 13 rows
    charter = replace(plain, purposes=(*plain.purposes, MATCHING), matching=terms)
    adds = float(influence_of(charter, participants=4))
    assert adds == pytest.approx(
        5.4e-5, rel=0.01
    )  # 14 rows 2.4e-5, 12 rows 1.3e-4 (docs/matching.md, section 8)
    refuse_over_limits(charter, replace(allowed, max_matching_delta=math.nextafter(adds, 1)))
    with pytest.raises(CharterExceedsLimitsError, match=r"each add 5\.4e-05 to delta for a person"):
        refuse_over_limits(charter, replace(allowed, max_matching_delta=math.nextafter(adds, 0)))
    with pytest.raises(CharterExceedsLimitsError, match=r"over the 1e-05 allowed"):
        refuse_over_limits(charter, allowed)  # the default
