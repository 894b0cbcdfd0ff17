"""Whatever happens to a store: nobody is used after a no, nobody erased is found, no spend is forgotten."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.client.store_machine import StoreMachine


def _run(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        StoreMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            derandomize=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_a_stores_life_keeps_every_promise() -> None:
    before = StoreMachine.steps
    _run(examples=5, steps=30)
    assert StoreMachine.steps - before >= 100


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_stores_life_keeps_every_promise_over_a_hundred_thousand_steps() -> None:
    before = StoreMachine.steps
    while StoreMachine.steps - before < 100_000:
        _run(examples=20, steps=100)
