"""What the rules on bias said of each candidate is in the coordinator's log, and who overrode them."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from biased_coop import candidate, gated, signed

from highstreet.audit.canonical import canonical_json
from highstreet.audit.log_entries import LogEntry
from highstreet.server.errors import ReleaseBlockedError
from highstreet.server.releases import publish_release, release_named

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def coop(found: Any, run_coop: Any, charter_with: Any) -> Any:
    return run_coop(found(charter=gated(charter_with())))


def _logged(coop: Any) -> list[tuple[str, dict[str, Any]]]:
    coop.log.follow()
    lines = (coop.home.log / "entries.jsonl").read_bytes().splitlines()
    drafts = [LogEntry.from_document(line).draft for line in lines]
    wanted = ("verdict", "override", "release")
    return [(draft.kind.value, dict(draft.body)) for draft in drafts if draft.kind in wanted]


@pytest.mark.parametrize(("little", "verdict"), [(0.1, "fail"), (0.3, "undetermined")])
def test_of_a_candidate_that_is_kept_back_the_verdict_is_logged_once(
    coop: Any, little: float, verdict: str
) -> None:
    for _ in range(3):
        with pytest.raises(ReleaseBlockedError):
            publish_release(coop.home, candidate(coop.home, 1, little=little), now=NOW)
        logged = _logged(coop)
    assert [(kind, body["verdict"], body["programme_id"]) for kind, body in logged] == [
        ("verdict", verdict, f"{1:016x}")
    ]


def test_the_verdict_of_a_release_can_be_computed_from_its_manifest(coop: Any) -> None:
    manifest = publish_release(coop.home, candidate(coop.home, 1, little=0.38), now=NOW)
    publish_release(coop.home, candidate(coop.home, 1, little=0.38), now=NOW)  # again: nothing is new
    (verdict, release) = _logged(coop)
    assert verdict[1]["verdict"] == "pass"
    assert manifest.bias is not None
    section = canonical_json(replace(manifest.bias, override=None).to_dict())
    assert verdict[1]["document_sha256"] == hashlib.sha256(section).hexdigest()
    assert release[0] == "release"


def test_an_override_is_logged_before_the_release_that_it_lets_out(coop: Any) -> None:
    kept = candidate(coop.home, 1, little=0.1)
    override = signed(release_named(coop.home.charter(), kept, None), rules={"history_alike": "fail"})
    with suppress(ReleaseBlockedError):
        publish_release(coop.home, kept, now=NOW)
    publish_release(coop.home, kept, now=NOW, override=override)
    logged = _logged(coop)
    assert [kind for kind, _ in logged] == ["verdict", "override", "release"]
    assert logged[0][1]["verdict"] == "fail"
    assert logged[1][1] == {
        "programme_id": f"{1:016x}",
        "document_sha256": hashlib.sha256(override.document()).hexdigest(),
    }


def test_a_charter_without_rules_that_measures_nothing_has_no_verdicts(found: Any, run_coop: Any) -> None:
    from published import publish

    plain = run_coop(found("plain"))
    publish(plain, 1)
    assert [kind for kind, _ in _logged(plain)] == ["release"]
