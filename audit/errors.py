"""Errors of the `audit` room."""

from __future__ import annotations

from highstreet.errors import HighstreetError

__all__ = ["AuditError"]


class AuditError(HighstreetError):
    """Root of the errors raised in `audit`."""
