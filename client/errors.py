"""Errors of the `client` room."""

from __future__ import annotations

from highstreet.errors import HighstreetError

__all__ = ["ClientError"]


class ClientError(HighstreetError):
    """Root of the errors raised in `client`."""
