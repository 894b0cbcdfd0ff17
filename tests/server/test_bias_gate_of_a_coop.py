"""A model trained on one age band is kept back, a fair one released: from vault to manifest, for real."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from gated_coop import PEOPLE, gated_charter, gated_coop
from played_coop import PlayedCoop

from highstreet.audit.bias_gate import Outcome
from highstreet.audit.bias_override import Override
from highstreet.audit.charter import Charter
from highstreet.audit.manifest import Manifest
from highstreet.audit.released_noise import refuse_other_noise
from highstreet.audit.scorecard import are_same_figures, released_scorecard
from highstreet.cli import main
from highstreet.files import write_private
from highstreet.models.state import SharedState, StateLimits
from highstreet.server.candidates import kept_back
from highstreet.server.database import connect
from highstreet.server.errors import PublishError
from highstreet.server.home import CoopHome
from highstreet.server.pki import key_pem
from highstreet.server.releases import all_manifests, publish_release, release_file

Found = Callable[..., CoopHome]


@pytest.fixture
def home(found: Found, charter_with: Callable[..., Charter]) -> CoopHome:
    return found(charter=gated_charter(charter_with()))


def _trained(folder: Path, home: CoopHome, *, skewed: bool) -> PlayedCoop:
    coop = gated_coop(folder, home.root, home.charter(), skewed=skewed)
    coop.run(publish=partial(publish_release, home, now=datetime.now(UTC)))
    return coop


def _manifests(home: CoopHome) -> list[Manifest]:
    with closing(connect(home.database)) as connection:
        return all_manifests(connection)


def test_a_fair_candidate_is_released(home: CoopHome, tmp_path: Path) -> None:
    coop = _trained(tmp_path, home, skewed=False)
    assert coop.ended() == ("finished", "")
    (manifest,) = _manifests(home)
    assert manifest.bias is not None
    (finding,) = manifest.bias.verdict.findings
    assert finding.outcome is Outcome.PASS
    judged = {cell.cell: cell for cell in finding.cells}
    # Nobody of the bands between is there; what is too small is merged by the released counts alone.
    assert len(judged) == 2
    assert all(abs(cell.value) < 0.3 for cell in judged.values())
    # What a store holds it to, of a training that real stores and a real coordinator held.
    charter = home.charter()
    state = SharedState.from_bytes(release_file(home, 1).read_bytes(), StateLimits())
    refuse_other_noise(charter, state, participants=manifest.participants)
    assert are_same_figures(manifest.evaluation, released_scorecard(charter, state))
    with pytest.raises(PublishError, match="No training is kept back"):
        kept_back(home)


def test_a_candidate_trained_on_one_age_band_is_kept_back_until_two_people_override_it(
    home: CoopHome, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    coop = _trained(tmp_path, home, skewed=True)
    state, failure = coop.ended()
    assert state == "failed"
    assert "ages_alike (fail)" in failure
    assert _manifests(home) == []
    kept = kept_back(home)
    programme, candidate, report = kept.programme, kept.candidate, kept.report
    assert programme.number == 1
    (finding,) = report.verdict.findings
    worst = min(finding.cells, key=lambda cell: cell.value)
    assert worst.cell.startswith("under_25")
    assert worst.outcome is Outcome.FAIL
    assert worst.high < -0.5

    def said(*words: object) -> str:
        assert main([str(word) for word in words]) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    shown = said("coop", "override", "show", "--home", home.root)
    assert "ages_alike" in shown
    assert "under_25" in shown
    about = f"release 1 of training {candidate.programme_id}, model {candidate.state.sha256()}"
    assert about in shown
    reason = "We know it serves the old only, and use it in the shop for the old alone."
    file = tmp_path / "override.json"
    said("coop", "override", "propose", "--reason", reason, "--out", file, "--home", home.root)
    for name, key in PEOPLE.items():
        write_private(tmp_path / f"{name}.pem", key_pem(key))
    said("coop", "override", "sign", file, "--name", "Ann", "--key", tmp_path / "Ann.pem")
    assert main(["coop", "override", "release", str(file), "--home", str(home.root)]) == 1
    assert "takes 2 people" in capsys.readouterr().err
    assert _manifests(home) == []
    signing = said("coop", "override", "sign", file, "--name", "Ben", "--key", tmp_path / "Ben.pem")
    assert about in signing  # the same words: a file for another model is seen by who signs it
    assert "Release 1 is out" in said("coop", "override", "release", file, "--home", home.root)
    (manifest,) = _manifests(home)
    assert manifest.bias is not None
    assert manifest.bias.override == Override.from_document(file.read_bytes())
    assert manifest.model_sha256 == candidate.state.sha256()
    assert coop.ended() == ("finished", "")
    listed = " ".join(said("coop", "releases", "--home", home.root).split())
    assert "OVERRIDDEN" in listed
    assert "by Ann and Ben: ages_alike (fail)" in listed
    assert reason in listed
    assert main(["coop", "override", "release", str(file), "--home", str(home.root)]) == 1


def test_a_persons_key_is_made_once_and_kept_private(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "ann.pem"
    assert main(["coop", "override", "key", 'Ann "the first"', "--out", str(file)]) == 0
    out = capsys.readouterr().out
    assert 'name = "Ann \\"the first\\""' in out
    assert 'public_key = "' in out
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.read_bytes()
    assert main(["coop", "override", "key", "Ann", "--out", str(file)]) == 1
    assert file.read_bytes() == before


@pytest.mark.parametrize("content", [b"no key", key_pem(Ed25519PrivateKey.generate())[:40]])
def test_a_file_that_is_no_key_signs_nothing(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    override = Override(
        coop_id="0" * 32,
        programme_id="ab" * 8,
        number=1,
        previous_sha256="0" * 64,
        model_sha256="cd" * 32,
        charter_sha256="ef" * 32,
        rules={"b": "fail"},
        reason="A reason that is long enough.",
        created="2026-11-22T12:00:00Z",
    )
    (tmp_path / "o.json").write_bytes(override.document())
    (tmp_path / "k.pem").write_bytes(content)
    words = ["coop", "override", "sign", tmp_path / "o.json", "--name", "Ann", "--key", tmp_path / "k.pem"]
    assert main([str(word) for word in words]) == 1
    assert "not a private key" in capsys.readouterr().err
    assert (tmp_path / "o.json").read_bytes() == override.document()
