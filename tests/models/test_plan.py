from __future__ import annotations

import json
from dataclasses import replace

import pytest

from highstreet.models.errors import InvalidPlanError
from highstreet.models.plan import ModelPlan, PhaseKind
from highstreet.models.programme import check_plan, default_plan


def test_a_plan_survives_json(small_plan):
    assert ModelPlan.from_dict(json.loads(json.dumps(small_plan.to_dict()))) == small_plan


def test_the_phases_together_cost_what_one_release_would(small_plan):
    # Gaussian mechanisms compose as 1 / multiplier^2 (Dong et al. 2022, Corollary 3.3).
    assert sum(phase.noise_multiplier**-2 for phase in small_plan.phases) == pytest.approx(1.0)
    doubled = default_plan(noise_multiplier=2.0)
    assert sum(phase.noise_multiplier**-2 for phase in doubled.phases) == pytest.approx(0.25)


def test_a_programme_takes_at_most_a_dozen_messages():
    assert len(default_plan(noise_multiplier=1.0, params={"holdout_days": 14}).phases) <= 12


def test_there_is_an_evaluation_only_with_days_held_out():
    kinds = [phase.kind for phase in default_plan(noise_multiplier=1.0, params={"holdout_days": 0}).phases]
    assert PhaseKind.EVALUATION not in kinds
    held = default_plan(noise_multiplier=1.0, params={"holdout_days": 7}).phases
    assert held[-1].kind is PhaseKind.EVALUATION


@pytest.mark.parametrize(
    "change",
    [
        {"extra": 1},
        {"phases": []},
        {"phases": "none"},
        {"phases": [3]},
        {"clients_per_store": 0},
        {"clients_per_store": 1.5},
        {"rung": 7},
        {"params": {"a": "b"}},
        {"params": {"a": float("nan")}},
        {"schema": None},
    ],
)
def test_a_wrong_entry_in_a_plan_is_refused(small_plan, change):
    with pytest.raises(InvalidPlanError):
        ModelPlan.from_dict({**small_plan.to_dict(), **change})


@pytest.mark.parametrize(
    "change",
    [
        {"extra": 1},
        {"kind": "guess"},
        {"dimension": 0},
        {"dimension": 2.0},
        {"clipping_norm": 0.0},
        {"clipping_norm": float("inf")},
        {"noise_multiplier": -1.0},
        {"sampling_rate": 0.0},
        {"sampling_rate": 1.5},
        {"index": 5},
        {"name": ""},
        {"params": 3},
    ],
)
def test_a_wrong_entry_in_a_phase_is_refused(small_plan, change):
    plain = small_plan.to_dict()
    phases = list(plain["phases"])
    phases[0] = {**phases[0], **change}
    with pytest.raises(InvalidPlanError):
        ModelPlan.from_dict({**plain, "phases": phases})


def test_a_plan_this_code_cannot_run_is_refused(small_plan):
    first, *rest = small_plan.phases
    strange = [
        replace(small_plan, rung="two-tower"),
        replace(small_plan, params={**small_plan.params, "unknown": 1.0}),
        replace(small_plan, params={**small_plan.params, "snapshots": 1.5}),
        replace(small_plan, params={**small_plan.params, "step_size": 99.0}),
        replace(small_plan, params={**small_plan.params, "own_candidates": 30}),
        replace(small_plan, phases=(replace(first, name="secret"), *rest)),
        replace(small_plan, phases=(replace(first, kind=PhaseKind.GRADIENT), *rest)),
        replace(small_plan, phases=(replace(first, dimension=3), *rest)),
        replace(small_plan, phases=(replace(first, sampling_rate=0.5), *rest)),
        replace(small_plan, phases=(replace(rest[0], index=0), replace(first, index=1), *rest[1:])),
        replace(small_plan, params={**small_plan.params, "holdout_days": 0}),
    ]
    for plan in strange:
        with pytest.raises(InvalidPlanError):
            check_plan(plan)
    assert check_plan(small_plan).candidates == 30


def test_impossible_defaults_are_refused():
    for arguments in (
        {"gradient_rounds": 33},
        {"gradient_rounds": -1},
        {"params": {"unknown": 1.0}},
        {"shares": {"popularity": 0.0}},
        {"shares": {"gossip": 1.0}},
    ):
        with pytest.raises(InvalidPlanError):
            default_plan(noise_multiplier=1.0, **arguments)
