"""A group of commands, such as `highstreet store`: looks and answers the same in every room."""

from __future__ import annotations

import typer

__all__ = ["command_group"]


def command_group(name: str, about: str) -> typer.Typer:
    """Return an empty group: plain help, no completion to install, errors told by `highstreet.cli`.

    Args:
        name: as typed.
        about: what its help begins with.
    """
    return typer.Typer(
        name=name,
        help=about,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
