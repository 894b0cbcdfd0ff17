"""`highstreet store status`, `budget` and `rounds`."""

from __future__ import annotations

import typer

__all__ = ["budget", "rounds", "status"]


def status(ctx: typer.Context) -> None:
    """Show how the shop stands."""


def budget(ctx: typer.Context) -> None:
    """Show what was spent."""


def rounds(ctx: typer.Context) -> None:
    """Show what left."""
