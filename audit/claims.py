"""What a charter's programme costs in privacy, recomputed from its phases: two claims side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator

from highstreet.audit.charter import COOP_LEARNING, Charter
from highstreet.audit.errors import CharterError, EpsilonClaimError
from highstreet.models.plan import ModelPlan
from highstreet.privacy.budget import ROUNDING
from highstreet.privacy.claims import TwoClaims, two_claims
from highstreet.privacy.releases import (
    GaussianRelease,
    Neighbouring,
    NoisePlacement,
    PrivacyUnit,
    customer_release,
)

__all__ = ["check_promise", "claims_of", "period_in_words", "releases_of", "trainings_in_a_period"]

#: More trainings than this are not looked for.
_MOST_TRAININGS = 1_000


def releases_of(plan: ModelPlan) -> Iterator[GaussianRelease]:
    """Describe each phase of a plan as the release it makes, for one customer of one shop."""
    for phase in plan.phases:
        yield customer_release(noise_multiplier=phase.noise_multiplier, sampling_rate=phase.sampling_rate)


def claims_of(charter: Charter, *, delta: float | None = None, trainings: int = 1) -> TwoClaims:
    """Recompute both claims from the charter's phases, at the charter's delta or another one.

    Args:
        charter: the agreement.
        delta: the charter's when None.
        trainings: of how many trainings together.
    """
    return two_claims(
        [release for _ in range(trainings) for release in releases_of(charter.plan)],
        delta=charter.privacy.delta if delta is None else delta,
        stores_per_person=charter.privacy.shops_per_person,
        placement=charter.privacy.noise,
    )


def trainings_in_a_period(charter: Charter) -> int:
    """Return how many whole trainings fit the charter's epsilon for one of its periods, at most 1,000.

    Stores refuse what goes beyond; a training that failed half way counts with the rounds that were held.
    """

    def fit(trainings: int) -> bool:
        return claims_of(charter, trainings=trainings).customer.epsilon <= charter.privacy.epsilon + ROUNDING

    low, high = 0, 1
    while high <= _MOST_TRAININGS and fit(high):
        low, high = high, 2 * high
    high = min(high, _MOST_TRAININGS + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fit(middle) else (low, middle)
    return low


def period_in_words(charter: Charter) -> str:
    """Say in one sentence what is promised for a period, and how many trainings fit."""
    terms, count = charter.privacy, trainings_in_a_period(charter)
    trainings = "one training fits" if count == 1 else f"{count} trainings fit"
    return (
        f"all trainings in any {terms.period_days} days together cost at most epsilon {terms.epsilon:g}, "
        f"delta {terms.delta:g} for a customer of one shop: {trainings}"
    )


def check_promise(charter: Charter) -> TwoClaims:
    """Return the claims of a charter that keeps its own promise.

    Raises:
        EpsilonClaimError: the phases cost more than the charter's epsilon.
        CharterError: a unit, relation or placement that is not built, or no purpose to run rounds for.
    """
    terms = charter.privacy
    if terms.privacy_unit is not PrivacyUnit.CUSTOMER_AT_STORE:
        raise CharterError("The charter's privacy_unit must be customer_at_store.")
    if terms.neighbouring is not Neighbouring.ADD_OR_REMOVE:
        raise CharterError("The charter's neighbouring relation must be add_or_remove.")
    if terms.noise is not NoisePlacement.ONCE_IN_SUM:
        raise CharterError("The charter's noise must be once_in_sum: stores only take part in secure sums.")
    if COOP_LEARNING not in charter.purposes:
        raise CharterError(f"The charter's purposes must hold {COOP_LEARNING}: its programme is that.")
    claims = claims_of(charter)
    if claims.customer.epsilon > terms.epsilon + ROUNDING:
        cost = "without bound" if math.isinf(claims.customer.epsilon) else f"{claims.customer.epsilon:.4g}"
        raise EpsilonClaimError(
            f"The charter promises epsilon {terms.epsilon:g} at delta {terms.delta:g}, but its phases cost "
            f"{cost}.",
            next_step="Raise the phases' noise_multiplier, drop phases, or promise what they cost.",
        )
    return claims
