"""Errors of the `server` room."""

from __future__ import annotations

from highstreet.errors import HighstreetError

__all__ = ["ServerError"]


class ServerError(HighstreetError):
    """Root of the errors raised in `server`."""
