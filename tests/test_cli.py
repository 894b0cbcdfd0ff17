"""The command's manners: quick answers, exit statuses, errors a person can use."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from highstreet import __version__, cli
from highstreet.errors import HighstreetError


def test_version_imports_nothing_heavy() -> None:
    program = (
        "import sys; from highstreet.cli import main; main(['--version']);"
        "heavy = {'torch', 'opacus', 'polars', 'flwr', 'grpc', 'numpy', 'typer', 'scipy'} & set(sys.modules);"
        "sys.exit(repr(sorted(heavy)) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"highstreet {__version__}\n"


@pytest.mark.parametrize("group", ["store", "coop", "audit", "sample", "lab"])
def test_every_group_explains_itself_without_heavy_imports(group: str) -> None:
    program = (
        f"import sys; from highstreet.cli import main; main(['{group}', '--help']);"
        "heavy = {'torch', 'opacus', 'polars', 'flwr', 'scipy'} & set(sys.modules);"
        "sys.exit(repr(sorted(heavy)) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


@pytest.mark.parametrize("words", [("coop", "init"), ("lab", "replay"), ("demo",)])
def test_help_shows_defaults_without_marks_meant_for_another_reader(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert cli.main([*words, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "[default:" in shown
    assert "\\[" not in shown


def _without_help(command: click.Command, words: tuple[str, ...]) -> Iterator[str]:
    """Name every command, option and argument that says nothing about itself."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from _without_help(found, (*words, name))
        return
    yield from () if command.help else (" ".join(words),)
    for parameter in command.params:
        if not getattr(parameter, "help", None) and not getattr(parameter, "hidden", False):
            yield f"{' '.join(words)}: {parameter.name}"


def test_every_argument_and_option_says_what_it_is() -> None:
    """Twin: one without a word is found."""
    assert list(_without_help(cli._root(), ("highstreet",))) == []
    silent = click.Command("do", help="Do it.", params=[click.Option(["--fast"])])
    assert list(_without_help(silent, ("do",))) == ["do: fast"]


def test_unknown_command_exits_2_and_points_at_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["nope"]) == 2
    assert "No such command" in capsys.readouterr().err


def test_a_refusal_is_one_sentence_with_its_next_step(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> object:
        raise HighstreetError("the door is closed.", next_step="Knock.")

    monkeypatch.setattr(cli, "_load", refuse)
    assert cli.main(["store"]) == 1
    assert capsys.readouterr().err == "highstreet: the door is closed. Knock.\n"
