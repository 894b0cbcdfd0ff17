"""Errors of the `simulations` room."""

from __future__ import annotations

from highstreet.errors import HighstreetError

__all__ = ["SimulationsError"]


class SimulationsError(HighstreetError):
    """Root of the errors raised in `simulations`."""
