"""Releases of the co-op to test with: whole models that nobody trained, signed by the real coordinator."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from highstreet.audit.charter import Charter
from highstreet.audit.manifest import Manifest
from highstreet.audit.requests import mechanism_of
from highstreet.audit.scorecard import released_scorecard
from highstreet.models.expected_state import expected_arrays
from highstreet.models.programme import apply_sum, check_plan
from highstreet.models.state import SharedState
from highstreet.server.database import connect
from highstreet.server.releases import Candidate, publish_release


def honest_noise(charter: Charter, phase_name: str, *, stores: int = 3) -> float:
    """The noise that the charter's mechanism puts into the sums of a phase."""
    phase = next(phase for phase in charter.plan.phases if phase.name == phase_name)
    return mechanism_of(phase, charter, participants=stores).noise_stddev(contributors=stores)


def state_of(charter: Charter, value: float, *, stores: int = 3) -> SharedState:
    """A state that all rounds of so many stores could have given; `value` tells two apart."""
    plan = charter.plan
    expected = expected_arrays(plan, check_plan(plan), phases_done=len(plan.phases))
    arrays = {
        name: np.clip(np.zeros(array.shape, array.dtype), array.low, array.high).astype(array.dtype)
        for name, array in expected.items()
    }
    state = SharedState({**arrays, "ranker/variance": np.array([float(value)])})
    for phase in plan.phases:
        if phase.name in {"popularity", "evaluation", "bias"}:
            noise, nothing = honest_noise(charter, phase.name, stores=stores), np.zeros(phase.dimension)
            state = apply_sum(plan, phase, state, nothing, stores=stores, noise_stddev=noise)
    return state


def publish(coop: Any, number: int) -> Manifest:
    """Publish a release of the co-op's charter under a training of its own."""
    programme_id = f"{number:016x}"
    connection = connect(coop.home.database)
    connection.execute(
        "INSERT OR IGNORE INTO programmes (programme_id, number, requested_at, state, charter_sha256)"
        " VALUES (?, ?, 0, 'finished', ?)",
        (programme_id, number, coop.home.charter().sha256()),
    )
    connection.close()
    charter = coop.home.charter()
    state = state_of(charter, number)
    candidate = Candidate(
        programme_id=programme_id,
        state=state,
        rounds=2,
        participants=3,
        roster_sha256=bytes(32),
        evaluation=released_scorecard(charter, state),
    )
    return publish_release(coop.home, candidate, now=datetime.now(UTC))
