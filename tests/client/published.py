"""Releases of the co-op to test with: whole models that nobody trained, signed by the real coordinator."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from highstreet.audit.manifest import Manifest
from highstreet.models.expected_state import expected_arrays
from highstreet.models.plan import ModelPlan
from highstreet.models.programme import check_plan
from highstreet.models.state import SharedState
from highstreet.server.database import connect
from highstreet.server.releases import Candidate, publish_release


def state_of(plan: ModelPlan, value: float) -> SharedState:
    """A state that all rounds of the plan could have given; `value` tells two apart."""
    expected = expected_arrays(plan, check_plan(plan), phases_done=len(plan.phases))
    arrays = {
        name: np.clip(np.zeros(array.shape, array.dtype), array.low, array.high).astype(array.dtype)
        for name, array in expected.items()
    }
    return SharedState({**arrays, "ranker/variance": np.array([float(value)])})


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
    candidate = Candidate(
        programme_id=programme_id,
        state=state_of(coop.home.charter().plan, number),
        rounds=2,
        participants=3,
        roster_sha256=bytes(32),
        evaluation={"ndcg_at_10": 0.25},
    )
    return publish_release(coop.home, candidate, now=datetime.now(UTC))
