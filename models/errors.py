"""Errors of the `models` room."""

from __future__ import annotations

from highstreet.errors import HighstreetError

__all__ = ["ModelsError"]


class ModelsError(HighstreetError):
    """Root of the errors raised in `models`."""
