from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest
import typer

from highstreet.simulations.cli import lab_app
from highstreet.simulations.provenance import command_line

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "results"


def git(root, *words):
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    done = subprocess.run(["git", "-C", str(root), *who, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("changed", "counts"),
    [
        ("audit/drafting.py", True),
        ("audit/requests.py", True),
        ("models/plan.py", True),
        ("README.md", False),
    ],
)
def test_a_commit_has_a_plus_sign_where_what_sets_noise_or_model_differs_from_it(tmp_path, changed, counts):
    """On a checkout of its own: the module looks at the tree it lies in."""
    for name in ("audit/drafting.py", "audit/requests.py", "models/plan.py", "README.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("before\n")
    copied = tmp_path / "simulations" / "provenance.py"
    copied.parent.mkdir()
    copied.write_bytes((ROOT / "simulations" / "provenance.py").read_bytes())
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "All of it")
    head = git(tmp_path, "rev-parse", "--short=10", "HEAD")
    spec = importlib.util.spec_from_file_location("copied_provenance", copied)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.commit() == head
    (tmp_path / changed).write_text("after\n")
    assert module.commit() == head + ("+" if counts else "")


def test_a_command_is_recorded_as_it_was_typed_with_the_variables_of_threads():
    words = ["/opt/bin/highstreet", "lab", "bias", "--out", "my results"]
    variables = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", "HOME": "/root"}
    written = command_line(words, started_as=["/opt/bin/python", *words], variables=variables)
    assert written == "OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive highstreet lab bias --out 'my results'"
    assert shlex.split(written)[-1] == "my results"


def test_words_given_to_something_else_than_the_program_are_not_recorded_as_its_own():
    """`highstreet replay` was recorded so, of words given to the lab's own group: no such command exists."""
    written = command_line(
        ["-c", "replay", "--seeds", "5"],
        started_as=["/opt/bin/python3.11", "-c", "lab_app()", "replay", "--seeds", "5"],
        variables={},
    )
    assert written == "python3.11 -c 'lab_app()' replay --seeds 5"


def refuse_what_is_no_command(written):
    """Parse a command of the lab as the program does, without running it."""
    words = [word for word in shlex.split(written) if not re.fullmatch(r"[A-Z_]+=\S*", word)]
    assert words[:2] == ["highstreet", "lab"], written
    found, rest = typer.main.get_command(lab_app), words[2:]
    while isinstance(found, click.Group):
        found, rest = found.commands[rest[0]], rest[1:]
    found.make_context("highstreet", list(rest))


def test_every_command_that_a_result_names_is_one():
    named = {
        page.name: re.findall(
            r"^(?:- Command: `|    )((?:[A-Z_]+=\S* )*highstreet [^`\n#]+)", page.read_text(), re.M
        )
        for page in RESULTS.rglob("*.md")
    }
    assert len(named["README.md"]) >= 4
    for name in ("audit.md", "bias.md", "private-step.md", "secure-sum.md"):
        assert len(named[name]) == 1
    for written in (each for commands in named.values() for each in commands):
        refuse_what_is_no_command(written)
    for wrong in ("highstreet replay --out x", "highstreet lab replay --out x --seed 5"):
        with pytest.raises((AssertionError, KeyError, click.ClickException)):
            refuse_what_is_no_command(wrong)


def test_every_commit_that_a_result_names_is_in_the_history_or_explained():
    try:
        whole = git(ROOT, "rev-parse", "--is-shallow-repository", "--show-prefix") == "false"
    except (OSError, subprocess.CalledProcessError):
        whole = False
    if not whole:
        pytest.skip("needs the history, and this is no checkout with all of it")
    history = git(ROOT, "rev-list", "HEAD").split()
    readme = (RESULTS / "README.md").read_text()

    def unknown(names):
        return [name for name in names if not any(full.startswith(name) for full in history)]

    named = {
        name
        for page in RESULTS.rglob("*.md")
        for name in re.findall(r"(?:[Cc]ommit:?|computed at:) ([0-9a-f]{7,40})\b", page.read_text())
    }
    assert len(named) >= 4
    assert [name for name in unknown(named) if name not in readme] == []
    assert unknown(["0123456789"]) == ["0123456789"]
