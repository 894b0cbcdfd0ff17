"""The budget: whether one more release fits what a customer has already been exposed to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from highstreet.privacy.accountant import Accountant
from highstreet.privacy.errors import InvalidReleaseError, ReleaseRefusedError
from highstreet.privacy.releases import GaussianRelease, Neighbouring, PrivacyUnit

__all__ = ["ROUNDING", "Budget", "Fit", "SpendingLimits", "check_release", "fit", "window_start"]

#: How much the sum of the parts of a budget may seem to be over it, by floating point alone.
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What one customer may lose to one store's releases in any `period_days` days in a row.

    Attributes:
        epsilon: above 0.
        delta: in (0, 1), always stated with epsilon.
        period_days: length of the period, a sliding one: no boundary at which two budgets meet.
    """

    epsilon: float
    delta: float
    period_days: int

    def __post_init__(self) -> None:
        if not (0 < self.epsilon < 1e6 and 0 < self.delta < 1 and 1 <= self.period_days <= 36_600):
            raise InvalidReleaseError(
                "A budget needs an epsilon above 0, a delta between 0 and 1 and 1 to 36600 days."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendingLimits:
    """What a release must keep within; nothing that arrives from outside can relax it.

    Attributes:
        budget: per customer, the store's own.
        promised: per customer, by the charter that the store agreed to; None: it agreed to none.
        least_noise_multiplier: a release with less noise is refused, whatever the budget.
        most_rounds: rounds answered in one period of the store's own budget.
    """

    budget: Budget
    promised: Budget | None = None
    least_noise_multiplier: float = 0.5
    most_rounds: int = 64

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """Every budget that must hold, each over its own period and at its own delta; the store's first."""
        return (self.budget,) if self.promised is None else (self.budget, self.promised)

    @property
    def longest(self) -> Budget:
        """The budget that a spend counts against for longest."""
        return max(self.budgets, key=lambda budget: budget.period_days)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Whether a release fits, and the loss it would bring a customer to at the budget's delta."""

    is_within: bool
    epsilon: float


def check_release(release: GaussianRelease, limits: SpendingLimits, *, rounds_in_period: int) -> None:
    """Refuse a release that is outside the store's own limits, whoever the customers are.

    Raises:
        ReleaseRefusedError: another unit or relation than a customer of this store added or removed, several
            steps in one, too little noise, or too many rounds.

    >>> from highstreet.privacy.releases import customer_release
    >>> limits = SpendingLimits(budget=Budget(epsilon=3.0, delta=1e-5, period_days=365))
    >>> check_release(customer_release(noise_multiplier=5.0), limits, rounds_in_period=0)
    """
    one_sum = release.steps == 1 and release.contributions == 1
    about_us = release.privacy_unit is PrivacyUnit.CUSTOMER_AT_STORE
    if not (one_sum and about_us and release.neighbouring is Neighbouring.ADD_OR_REMOVE):
        raise ReleaseRefusedError(
            "The release is not one sum about customers of this store added or removed."
        )
    if release.noise_multiplier < limits.least_noise_multiplier:
        raise ReleaseRefusedError(
            f"The release has noise multiplier {release.noise_multiplier:g}; this store asks for at least "
            f"{limits.least_noise_multiplier:g}.",
            next_step="Ask the coordinator why the noise is so low.",
        )
    if rounds_in_period >= limits.most_rounds:
        raise ReleaseRefusedError(
            f"{rounds_in_period} rounds in {limits.budget.period_days} days: this store answers no more."
        )


def fit(
    past: Iterable[GaussianRelease],
    new: Iterable[GaussianRelease],
    budget: Budget,
    accountant: Accountant,
) -> Fit:
    """Decide whether new releases fit the budget of a customer with these past ones.

    A loss of exactly the budget fits, also when floating point puts it above by no more than ROUNDING.

    Args:
        past: every release of the period that the customer was charged for, drawn in its sample or not.
        new: the release asked for, and any that must fit after it.
        budget: of the customer.
        accountant: the one whose figures are claimed.

    >>> from highstreet.privacy.accountant import PldAccountant
    >>> from highstreet.privacy.releases import customer_release
    >>> one = customer_release(noise_multiplier=5.0)
    >>> budget = Budget(epsilon=1.0, delta=1e-5, period_days=365)
    >>> [fit(past, [one], budget, PldAccountant()).is_within for past in ([], [one])]
    [True, False]
    """
    loss = accountant.epsilon((*past, *new), delta=budget.delta)
    return Fit(is_within=loss <= budget.epsilon + ROUNDING, epsilon=loss)


def window_start(day: int, period_days: int) -> int:
    """Return the first day that still counts on `day`: the last `period_days` days, this one included.

    >>> window_start(100, 30)
    71
    """
    return day - period_days + 1
