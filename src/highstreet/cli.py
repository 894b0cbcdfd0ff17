"""The `highstreet` command: finds the room a command lives in and runs it there.

Nothing heavy is imported before a command is known: `--version` answers without typer, and a room's commands
are imported only when one of them is asked for.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from highstreet import __version__
from highstreet.errors import HighstreetError
from highstreet.printable import printable

if TYPE_CHECKING:
    import click

__all__ = ["main"]

_GROUPS: Mapping[str, tuple[str, str, str]] = {
    "store": ("highstreet.client.cli", "store_app", "A shop's node: join, import, run, suggest."),
    "coop": (
        "highstreet.server.cli",
        "coop_app",
        "The coordinator: make a co-op, invite, train, release.",
    ),
    "audit": (
        "highstreet.audit.cli",
        "audit_app",
        "For whoever checks: logs of stores and coordinators, receipts of consent.",
    ),
    "sample": (
        "highstreet.simulations.cli",
        "sample_app",
        "The sample co-op: files to try things with.",
    ),
    "lab": ("highstreet.simulations.cli", "lab_app", "For researchers: whole federations in one process."),
}
_COMMANDS: Mapping[str, tuple[str, str, str]] = {
    "demo": (
        "highstreet.simulations.cli",
        "demo",
        "A coordinator and six shops learn together here.",
    ),
}
_HELP = """Highstreet: a co-op of small shops learns together without sharing a customer record.

\b
Three ways in:
  just looking     highstreet demo
  a shop           highstreet store --help
  a coordinator    highstreet coop --help
  a researcher     highstreet lab --help
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status.

    A refusal (`HighstreetError`) is told in one sentence with its next step and exits 1, or as it says;
    Ctrl-C exits 130; wrong words on the command line exit 2.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words == ["--version"]:
        sys.stdout.write(f"highstreet {__version__}\n")
        return 0
    import click

    try:
        result = _root().main(words, prog_name="highstreet", standalone_mode=False)
    except HighstreetError as error:
        sys.stderr.write(f"highstreet: {_lines(error.for_user())}\n")
        return error.exit_status
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        sys.stderr.write("\nhighstreet: stopped.\n")
        return 130
    return result if isinstance(result, int) else 0


def _lines(text: str) -> str:
    """Keep a text's lines and nothing else that a terminal would act on: a name in it may be a stranger's."""
    return "\n".join(printable(line) for line in text.split("\n"))


def _root() -> click.Group:
    """Build the top command; its subcommands are imported when they are looked up."""
    import click

    names = {**_COMMANDS, **_GROUPS}

    class Root(click.Group):
        """The top command; looks a subcommand's room up only when it is asked for."""

        def list_commands(self, ctx: click.Context) -> list[str]:
            return list(names)

        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
            return _load(*names[cmd_name][:2]) if cmd_name in names else None

        def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
            with formatter.section("Commands"):
                formatter.write_dl([(name, text) for name, (_, _, text) in names.items()])

    return click.version_option(__version__, prog_name="highstreet", message="%(prog)s %(version)s")(
        Root(name="highstreet", help=_HELP, no_args_is_help=True)
    )


def _load(module: str, attribute: str) -> click.Command:
    """Import one room's typer app, or single command, as a click command."""
    import typer

    target = getattr(importlib.import_module(module), attribute)
    if isinstance(target, typer.Typer):
        return _plain(typer.main.get_command(target))
    app = typer.Typer(add_completion=False)
    app.command()(target)
    return _plain(typer.main.get_command(app))


def _plain(command: click.Command) -> click.Command:
    """Take the backslashes out of help that typer puts before brackets for rich, even when that is off."""
    import click

    class Formatter(click.HelpFormatter):
        def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
            plain = [(name, text.replace("\\[", "[")) for name, text in rows]
            super().write_dl(plain, col_max, col_spacing)

    class Context(click.Context):
        formatter_class = Formatter

    waiting = [command]
    while waiting:
        each = waiting.pop()
        each.context_class = Context
        if isinstance(each, click.Group):
            waiting.extend(each.commands.values())
    return command


if __name__ == "__main__":
    raise SystemExit(main())
