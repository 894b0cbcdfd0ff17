"""`highstreet store suggest` and `evaluate`."""

from __future__ import annotations

import typer

__all__ = ["evaluate", "suggest"]


def suggest(ctx: typer.Context) -> None:
    """Suggest products to one customer."""


def evaluate(ctx: typer.Context) -> None:
    """Compare on weeks held back."""
