"""A release is published whole or not at all, and only when enough stores took part."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from highstreet.audit.errors import ManifestError
from highstreet.files import DiskFullError
from highstreet.models.state import SharedState
from highstreet.server import releases as releases_module
from highstreet.server.database import connect
from highstreet.server.errors import PublishError
from highstreet.server.home import CoopHome
from highstreet.server.releases import Candidate, all_manifests, latest_manifest, publish_release
from highstreet.server.status import releases_table

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CANDIDATE = Candidate(
    programme_id="00" * 8,
    state=SharedState({"weights": np.ones(4, dtype=np.float32)}),
    rounds=2,
    participants=3,
    roster_sha256=bytes(32),
    evaluation={"ndcg_at_10/novel": 0.06},
)


@pytest.fixture
def home(coop_home: CoopHome) -> CoopHome:
    connection = connect(coop_home.database)
    connection.execute(
        "INSERT INTO programmes (programme_id, number, requested_at, state, charter_sha256)"
        " VALUES (?, 1, 0, 'running', x'00')",
        (CANDIDATE.programme_id,),
    )
    connection.close()
    return coop_home


def _released(home: CoopHome) -> int:
    connection = connect(home.database)
    try:
        assert (latest_manifest(connection) is None) == (all_manifests(connection) == [])
        return len(all_manifests(connection))
    finally:
        connection.close()


def test_a_release_is_numbered_and_dated(home: CoopHome) -> None:
    manifest = publish_release(home, CANDIDATE, now=NOW)
    assert (manifest.number, manifest.created) == (1, "2026-11-22T12:00:00Z")
    assert dict(manifest.evaluation) == {"ndcg_at_10/novel": 0.06}
    assert _released(home) == 1


def test_the_table_of_releases_rounds_an_epsilon_up_never_down(home: CoopHome) -> None:
    manifest = publish_release(home, CANDIDATE, now=NOW)
    dearer = replace(manifest.claims.person, epsilon=15.7801)
    screen = Console(width=200, record=True, file=StringIO())
    screen.print(releases_table([replace(manifest, claims=replace(manifest.claims, person=dearer))]))
    shown = screen.export_text()
    assert "epsilon 15.79, delta 1e-05, k = 4" in shown
    assert "15.78" not in shown


def test_below_the_cohort_floor_nothing_is_released(home: CoopHome) -> None:
    with pytest.raises(PublishError, match="2 stores, under the charter's floor of 3"):
        publish_release(home, replace(CANDIDATE, participants=2), now=NOW)
    assert _released(home) == 0
    assert list(home.releases.iterdir()) == []


@pytest.mark.parametrize("metrics", [{"Ann Smith": 1.0}, {"x" * 65: 1.0}, {f"m{n}": 1.0 for n in range(257)}])
def test_an_evaluation_no_store_would_read_is_not_released(home: CoopHome, metrics: dict[str, float]) -> None:
    with pytest.raises(ManifestError):
        publish_release(home, replace(CANDIDATE, evaluation=metrics), now=NOW)
    assert _released(home) == 0


def test_a_metric_that_is_no_number_is_not_released(home: CoopHome) -> None:
    with pytest.raises(ValueError, match="JSON"):
        publish_release(home, replace(CANDIDATE, evaluation={"ndcg": float("nan")}), now=NOW)
    assert _released(home) == 0


def test_a_full_disk_releases_nothing_and_the_next_attempt_does(
    home: CoopHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: object, data: bytes) -> None:
        raise DiskFullError("There is no room left.", next_step="Free some space.")

    with monkeypatch.context() as patched:
        patched.setattr(releases_module, "write_private", full)
        with pytest.raises(DiskFullError):
            publish_release(home, CANDIDATE, now=NOW)
    assert _released(home) == 0
    assert publish_release(home, CANDIDATE, now=NOW).number == 1


def test_a_model_over_the_limit_is_not_released(home: CoopHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(releases_module, "_MODEL_LIMIT_BYTES", 10)
    with pytest.raises(PublishError, match="larger"):
        publish_release(home, CANDIDATE, now=NOW)
    assert _released(home) == 0
