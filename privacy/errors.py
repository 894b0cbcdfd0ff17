"""Errors of the `privacy` room."""

from __future__ import annotations

from highstreet.errors import HighstreetError

__all__ = [
    "BudgetExhaustedError",
    "ForkedNoiseError",
    "GridOverflowError",
    "InvalidReleaseError",
    "InvalidRowsError",
    "NonFiniteRowsError",
    "PrivacyError",
    "ReleaseRefusedError",
    "SeededNoiseError",
    "UnreachableBudgetError",
    "UnsupportedModuleError",
    "UnsupportedReleaseError",
]


class PrivacyError(HighstreetError):
    """Root of the errors raised in `privacy`."""


class InvalidReleaseError(PrivacyError):
    """A release, a claim or a mechanism is described by numbers that are out of range."""


class UnsupportedReleaseError(PrivacyError):
    """An accountant was given a release it cannot account for; it never guesses."""


class UnreachableBudgetError(PrivacyError):
    """No amount of noise within reason brings the releases under the asked-for epsilon."""


class InvalidRowsError(PrivacyError):
    """Rows of customers do not have the shape the phase declares."""


class NonFiniteRowsError(PrivacyError):
    """A customer's row or gradient holds NaN or infinity.

    It is not repaired: a silent zero biases the sum.
    """


class GridOverflowError(PrivacyError):
    """A sum or its noise does not fit the fixed-point grid."""


class SeededNoiseError(PrivacyError):
    """A reproducible noise source was given where real customers are protected."""


class ForkedNoiseError(PrivacyError):
    """A noise source was used in a fork of the process that made it: both would draw the same noise."""


class UnsupportedModuleError(PrivacyError):
    """Per-customer gradients of this module would be wrong or unbounded."""


class ReleaseRefusedError(PrivacyError):
    """A release is outside the limits the store has set itself."""


class BudgetExhaustedError(PrivacyError):
    """Taking part would bring a customer who took part in every release of the period over the budget.

    Attributes:
        epsilon: the loss taking part would bring such a customer to.
        budget_epsilon: the budget, at the same delta.
        delta: the delta of both.
        period_days: the budget's period.
        is_promised: whether it is what the charter promises, or else the store's own limit.
    """

    def __init__(
        self, *, epsilon: float, budget_epsilon: float, delta: float, period_days: int, is_promised: bool
    ) -> None:
        whose = "what the co-op's charter promises" if is_promised else "this store's own limit"
        super().__init__(
            f"Taking part would bring a customer's privacy loss in {period_days} days to epsilon "
            f"{epsilon:.2f}, over the budget of {budget_epsilon:.2f} (delta {delta:g}), which is {whose}. "
            "Nothing was sent.",
            next_step="See the spending with `highstreet store budget`; it frees itself day by day.",
        )
        self.epsilon = epsilon
        self.budget_epsilon = budget_epsilon
        self.delta = delta
        self.period_days = period_days
        self.is_promised = is_promised
