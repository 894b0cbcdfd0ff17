import json
import subprocess
import sys
from pathlib import Path

import pytest
from journeys import journey_like
from typer.testing import CliRunner

from highstreet.simulations import journey, lab
from highstreet.simulations.cli import lab_app, sample_app
from highstreet.simulations.conditions import EPSILONS, choose, conditions_for

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results"


def test_help_of_the_replay_teaches_how_to_begin_small():
    result = CliRunner().invoke(lab_app, ["replay", "--help"])
    assert result.exit_code == 0
    assert "Try it small first" in result.output


def test_schema_and_conditions_are_listed():
    assert "ordered_at" in CliRunner().invoke(lab_app, ["schema"]).output
    assert "epsilon-3-in-sum" in CliRunner().invoke(lab_app, ["conditions"]).output


@pytest.mark.checkout
def test_the_replay_without_options_gives_every_row_of_the_published_table(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(lab, "run_replay", asked.append)
    assert CliRunner().invoke(lab_app, ["replay", "--out", str(tmp_path)]).exit_code == 0
    (request,) = asked
    assert (request.epsilons, request.conditions) == (EPSILONS, ())
    table = json.loads((RESULTS / "complete-journey-fit45-predict46-53.json").read_text())
    published = {(row["condition"]["name"], row["seeds"]) for row in table["rows"]}

    def given(epsilons):
        chosen = choose(conditions_for(epsilons), ())
        return {(each.name, request.seeds if each.is_random else 1) for each in chosen}

    assert published <= given(request.epsilons)
    assert not published <= given((1.0, 3.0))


def test_sample_split_says_what_it_wrote_and_what_to_do_next(tmp_path, monkeypatch):
    monkeypatch.setattr(journey, "read_journey", journey_like)
    result = CliRunner().invoke(sample_app, ["split", "--stores", "2", "--out", str(tmp_path / "out")])
    assert result.exit_code == 0
    assert "S2: 20 customers" in result.output
    assert "highstreet store import" in result.output


def test_asking_for_help_loads_nothing_heavy():
    probe = (
        "import sys, highstreet.simulations.cli;"
        "print([name for name in ('torch', 'polars', 'scipy', 'numpy') if name in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"
