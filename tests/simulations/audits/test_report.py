import json
import math
from dataclasses import replace

from rich.console import Console
from typer.testing import CliRunner

from highstreet.simulations.audits import command
from highstreet.simulations.audits.bench import alpha_of_one
from highstreet.simulations.audits.findings import Bound, Noise, Reading, Verdict
from highstreet.simulations.audits.sizes import CLAIMS
from highstreet.simulations.cli import lab_app


def bound(**changes):
    values = {
        "audit": "an audit",
        "path": "a <path>",
        "claimed": 3.0,
        "noise": Noise.AS_CLAIMED,
        "estimate": 2.9,
        "bound": 2.0,
        "ceiling": 5.0,
        "canaries": 1200,
        "runs": 1,
        "seconds": 4.2,
    }
    return Bound(**{**values, **changes})


def silent(**changes):
    return bound(claimed=math.inf, noise=Noise.OFF, **changes)


READING = Reading(
    what="a secret",
    transcript="bytes",
    claimed=1.0,
    accuracy=0.11,
    low=0.09,
    high=0.13,
    chance=0.1,
    limit=0.2,
    guesses=1000,
    seconds=1.0,
)


def test_bound_above_its_claim_is_shouted_about():
    assert bound(bound=3.0).verdict(CLAIMS) is Verdict.BELOW
    assert bound(bound=3.01).verdict(CLAIMS) is Verdict.ABOVE


def test_a_bound_on_a_person_is_held_against_the_promise_to_the_person():
    assert bound(bound=7.0, promised=15.8).verdict(CLAIMS) is Verdict.BELOW
    assert bound(bound=15.9, promised=15.8).verdict(CLAIMS) is Verdict.ABOVE


def test_without_noise_an_audit_must_exceed_every_claim_or_reach_its_ceiling():
    assert silent(bound=8.1, ceiling=None).verdict(CLAIMS) is Verdict.FOUND
    assert silent(bound=5.0).verdict(CLAIMS) is Verdict.AT_CEILING
    assert silent(bound=4.0).verdict(CLAIMS) is Verdict.MISSED
    assert silent(bound=7.9, ceiling=None).verdict(CLAIMS) is Verdict.MISSED
    assert silent(bound=0.0, ceiling=0.0).verdict(CLAIMS) is Verdict.TOO_SMALL


def test_all_bounds_of_the_table_hold_together():
    # Claims; for each six bounds on each of three paths, five besides, three for a person in several shops,
    # two for a sampled customer and twice three for the evaluation.
    private = 3 * (3 * 6 + 5 + 3 + 2 + 6)
    assert alpha_of_one() * private <= 0.05 + 1e-12


def test_report_says_all_that_is_needed_to_check_it(tmp_path, monkeypatch):
    monkeypatch.setattr(
        command, "bounds", lambda *_, **__: iter([bound(), silent(bound=math.inf, ceiling=None)])
    )
    monkeypatch.setattr(command, "readings", lambda *_, **__: iter([READING]))
    assert command.run_audit(tmp_path / "new", short=True, seed=1, console=Console(quiet=True))
    written = {path.name: path.read_text() for path in (tmp_path / "new").iterdir()}
    assert sorted(written) == ["audit.html", "audit.json", "audit.md"]
    for words in (
        "Commit:",
        "Machine:",
        "Command:",
        "| an audit | a <path> | 2.9 | 2 | 3 | 5 | below the claim | 1200 |",
    ):
        assert words in written["audit.md"]
    assert "a &lt;path&gt;" in written["audit.html"]
    plain = json.loads(written["audit.json"])
    assert plain["bounds"][1]["bound"] == "infinity"
    assert plain["readings"][0]["verdict"] == "chance"


def test_command_fails_when_a_bound_is_above_its_claim(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "bounds", lambda *_, **__: iter([bound(bound=3.5)]))
    monkeypatch.setattr(command, "readings", lambda *_, **__: iter([]))
    result = CliRunner().invoke(lab_app, ["audit", "--out", str(tmp_path), "--short"])
    assert result.exit_code == 1
    assert "ABOVE THE CLAIM" in result.output


def test_reading_beyond_its_limit_fails_the_command(tmp_path, monkeypatch):
    beyond = replace(READING, accuracy=0.4, low=0.35, high=0.45)
    monkeypatch.setattr(command, "bounds", lambda *_, **__: iter([]))
    monkeypatch.setattr(command, "readings", lambda *_, **__: iter([beyond]))
    assert not command.run_audit(tmp_path, short=True, seed=1, console=Console(quiet=True))
