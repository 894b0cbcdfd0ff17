"""A charter that this version cannot run, or only with too much memory, is refused at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from highstreet.audit.charter import Charter
from highstreet.audit.errors import CharterExceedsLimitsError, CharterNotRunnableError
from highstreet.audit.limits import StoreLimits, refuse_over_limits
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
