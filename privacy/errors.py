"""Errors of the `privacy` room."""

from __future__ import annotations

from highstreet.errors import HighstreetError

__all__ = ["PrivacyError"]


class PrivacyError(HighstreetError):
    """Root of the errors raised in `privacy`."""
