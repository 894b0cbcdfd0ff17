"""Errors of the `simulations` room."""

from __future__ import annotations

from highstreet.errors import HighstreetError

__all__ = [
    "InvalidAuditError",
    "InvalidEpsilonError",
    "InvalidSplitError",
    "InvalidTableError",
    "MissingExtraError",
    "SampleFolderError",
    "SimulationsError",
    "TooFewStoresError",
    "UnknownConditionError",
    "UnreadableResultsError",
]


class SimulationsError(HighstreetError):
    """Root of the errors raised in `simulations`."""


class MissingExtraError(SimulationsError):
    """A package that only the lab or the demo needs is not installed."""


class InvalidTableError(SimulationsError):
    """A table of orders, products or customers cannot be read, or says something impossible."""


class InvalidSplitError(SimulationsError):
    """The weeks to fit on and to predict do not fit together, or not the data."""


class SampleFolderError(SimulationsError):
    """The folder for the sample co-op cannot be used."""


class TooFewStoresError(SimulationsError):
    """A co-op is too small for the secure sum it should hold."""


class InvalidEpsilonError(SimulationsError):
    """An epsilon was asked for that promises nothing, or one was asked for twice."""


class UnknownConditionError(SimulationsError):
    """A condition was named that the lab does not know."""


class UnreadableResultsError(SimulationsError):
    """A results folder holds something the lab did not write, or cannot be written."""


class InvalidAuditError(SimulationsError):
    """An audit was described by numbers that prove nothing."""
