"""A release is published whole or not at all, and only when enough stores took part."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from highstreet.audit.bias_rules import BiasLimits, usual_rules
from highstreet.audit.charter import Charter
from highstreet.audit.claims import check_promise
from highstreet.audit.errors import ManifestError
from highstreet.audit.manifest import Manifest
from highstreet.audit.signing import SignatureKind, public_key_bytes
from highstreet.client import releases as store_releases
from highstreet.files import DiskFullError
from highstreet.models.bias_rows import bias_coordinates
from highstreet.models.programme import default_plan
from highstreet.models.state import SharedState
from highstreet.server import releases as releases_module
from highstreet.server.database import connect
from highstreet.server.errors import NoReleaseError, PublishError
from highstreet.server.home import CoopHome
from highstreet.server.releases import (
    Candidate,
    all_manifests,
    judged,
    latest_manifest,
    manifest_before,
    publish_release,
    release_file,
    signed_manifest,
)
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


def _kept(home: CoopHome, number: int) -> sqlite3.Row:
    with closing(connect(home.database)) as connection:
        row: sqlite3.Row = connection.execute("SELECT * FROM releases WHERE number = ?", (number,)).fetchone()
    return row


def test_what_is_kept_of_a_release_is_what_was_signed_and_when(home: CoopHome) -> None:
    east = datetime(2026, 11, 22, 14, 0, 30, tzinfo=timezone(timedelta(hours=2)))
    manifest = publish_release(home, CANDIDATE, now=east)
    assert manifest.created == "2026-11-22T12:00:30Z"
    row = _kept(home, 1)
    assert (row["programme_id"], row["created_at"]) == (CANDIDATE.programme_id, int(east.timestamp()))
    with closing(connect(home.database)) as connection:
        signed = signed_manifest(connection, 1)
        assert signed_manifest(connection, None) == signed
        assert latest_manifest(connection) == (1, signed)
    signed.verify(SignatureKind.RELEASE, public_key_bytes(home.coordinator_key()))
    assert Manifest.from_document(signed.document) == manifest
    model = release_file(home, 1).read_bytes()
    assert model == CANDIDATE.state.to_bytes()
    assert (manifest.model_bytes, manifest.model_sha256) == (len(model), hashlib.sha256(model).hexdigest())
    assert (manifest.rounds, manifest.participants) == (CANDIDATE.rounds, CANDIDATE.participants)
    charter = home.charter()
    assert (manifest.coop_id, manifest.rung) == (charter.coop.id, charter.plan.rung)
    assert manifest.charter_sha256 == charter.sha256().hex()
    assert manifest.schema_sha256 == charter.plan.schema.sha256()
    assert manifest.roster_sha256 == CANDIDATE.roster_sha256.hex()
    assert (manifest.noise, manifest.claims) == (charter.privacy.noise, check_promise(charter))
    assert manifest.bias is None


def test_a_training_is_released_once_and_another_one_goes_behind_it(home: CoopHome) -> None:
    first = publish_release(home, CANDIDATE, now=NOW)
    assert publish_release(home, CANDIDATE, now=NOW + timedelta(days=1)) == first
    assert _released(home) == 1
    with closing(connect(home.database)) as connection:
        connection.execute(
            "INSERT INTO programmes (programme_id, number, requested_at, state, failure, charter_sha256)"
            " VALUES (?, 2, 0, 'failed', 'kept back', x'00')",
            ("11" * 8,),
        )
    second = publish_release(home, replace(CANDIDATE, programme_id="11" * 8), now=NOW)
    assert (second.number, second.previous_sha256, first.previous_sha256) == (2, first.sha256(), "0" * 64)
    with closing(connect(home.database)) as connection:
        states = connection.execute("SELECT state, failure FROM programmes ORDER BY number").fetchall()
        before = manifest_before(connection, 2)
        assert before is not None
        assert Manifest.from_document(before.document) == first
        assert manifest_before(connection, 1) is None
        assert [each.number for each in all_manifests(connection)] == [1, 2]
        newest = latest_manifest(connection)
        assert newest is not None
        assert newest[0] == 2
    # One that was kept back is over; one that runs is ended by whoever runs it.
    assert [tuple(state) for state in states] == [("running", ""), ("finished", "")]


def test_a_manifest_that_is_not_there_is_said(home: CoopHome) -> None:
    with closing(connect(home.database)) as connection:
        with pytest.raises(NoReleaseError, match="There is no release yet"):
            signed_manifest(connection, None)
        with pytest.raises(NoReleaseError, match="There is no release 3"):
            signed_manifest(connection, 3)
        assert latest_manifest(connection) is None


def test_a_candidate_is_judged_where_there_are_rules_or_it_was_measured(
    charter_with: Callable[..., Charter],
) -> None:
    plan = default_plan(noise_multiplier=9.0, params={"holdout_days": 14}, measured=["history"])
    rules = BiasLimits(rules=usual_rules(["history"]))
    sums = np.zeros(len(bias_coordinates(["history"])))
    measured = replace(
        CANDIDATE, state=CANDIDATE.state.updated({"bias/sums": sums, "bias/stddev": np.array([1.0])})
    )
    assert judged(charter_with(), CANDIDATE, None) is None
    for charter, candidate, findings in (
        (charter_with(plan=plan), measured, 0),
        (charter_with(plan=plan, bias_limits=rules), measured, 2),
        (charter_with(bias_limits=rules), CANDIDATE, 2),
    ):
        report = judged(charter, candidate, None)
        assert report is not None
        assert len(report.verdict.findings) == findings
        assert (report.sums is None) == (candidate is CANDIDATE)


def test_a_coordinator_releases_no_larger_model_than_stores_read() -> None:
    assert releases_module._MODEL_LIMIT_BYTES == store_releases._MODEL_LIMIT_BYTES == 256 << 20


def test_a_model_over_the_limit_is_not_released(home: CoopHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(releases_module, "_MODEL_LIMIT_BYTES", 10)
    with pytest.raises(PublishError, match="larger"):
        publish_release(home, CANDIDATE, now=NOW)
    assert _released(home) == 0
    monkeypatch.setattr(releases_module, "_MODEL_LIMIT_BYTES", len(CANDIDATE.state.to_bytes()))
    assert publish_release(home, CANDIDATE, now=NOW).number == 1
