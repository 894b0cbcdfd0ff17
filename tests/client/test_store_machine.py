"""Whatever happens to a store: nobody is used after a no, nobody erased is found, no spend is forgotten."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.client.soak_table import write_table
from tests.client.store_machine import StoreMachine
from tests.client.store_twins import TWINS

#: Where the long run writes what it did, and how long it is; `make soak` names them.
FOLDER, STEPS = "HIGHSTREET_SOAK_FOLDER", "HIGHSTREET_SOAK_STEPS"
_ALL = tuple(Phase)
#: A twin is looked for in so many lives of 50 steps at most; the first is hypothesis' simplest.
_LIVES = 16


def _run(*, with_seed: int, examples: int, steps: int, phases: tuple[Phase, ...] = _ALL) -> None:
    run_state_machine_as_test(
        seed(with_seed)(type("SeededMachine", (StoreMachine,), {})),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            phases=phases,
            print_blob=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_a_stores_life_keeps_every_promise() -> None:
    before = StoreMachine.steps.total()
    _run(with_seed=time.time_ns(), examples=5, steps=30)
    assert StoreMachine.steps.total() - before == 150


@pytest.mark.parametrize("twin", TWINS)
def test_a_store_with_a_mistake_is_found_out(twin: str) -> None:
    """By the same machine and the same checks, within a few hundred steps."""
    with TWINS[twin](), pytest.raises(AssertionError):
        _run(with_seed=1, examples=_LIVES, steps=50, phases=(Phase.generate,))


@pytest.mark.slow
@pytest.mark.timeout(12 * 3600)
def test_a_stores_life_keeps_every_promise_over_a_hundred_thousand_steps() -> None:
    """One call of one rule is one step. Each seed's run can be made again by itself."""
    wanted, number = int(os.environ.get(STEPS, "100000")), 0
    StoreMachine.steps.clear()
    began, spent = time.monotonic(), time.process_time()
    while StoreMachine.steps.total() < wanted:
        _run(with_seed=number, examples=20, steps=100)
        number += 1
    if folder := os.environ.get(FOLDER):
        write_table(
            Path(folder),
            steps=StoreMachine.steps,
            seeds=number,
            seconds=time.monotonic() - began,
            cpu_seconds=time.process_time() - spent,
        )
