"""Errors of the `models` room."""

from __future__ import annotations

from highstreet.errors import HighstreetError

__all__ = [
    "InvalidPersonalModelError",
    "InvalidPlanError",
    "InvalidShopDataError",
    "InvalidStateError",
    "ModelsError",
    "PhaseOrderError",
]


class ModelsError(HighstreetError):
    """Root of the errors raised in `models`."""


class InvalidPlanError(ModelsError):
    """A model plan, or a part of one, does not describe a programme that can be run."""


class InvalidStateError(ModelsError):
    """Bytes or arrays do not form a shared state: a wrong name, shape, dtype, size or value."""


class InvalidShopDataError(ModelsError):
    """Columns of a shop's data contradict each other or its catalogue."""


class PhaseOrderError(ModelsError):
    """A phase was asked for before the phases it builds on were released, or under the wrong kind."""


class InvalidPersonalModelError(ModelsError):
    """Bytes or arrays do not form a personal model that fits the shop's catalogue."""
