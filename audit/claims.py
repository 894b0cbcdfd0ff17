"""What a charter's programme costs in privacy, recomputed from its phases: two claims side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator

from highstreet.audit.charter import COOP_LEARNING, Charter
from highstreet.audit.errors import CharterError, EpsilonClaimError
from highstreet.models.plan import ModelPlan
from highstreet.privacy.claims import TwoClaims, two_claims
from highstreet.privacy.releases import (
    GaussianRelease,
    Neighbouring,
    NoisePlacement,
    PrivacyUnit,
    Weighting,
    customer_release,
)

__all__ = ["are_same", "check_promise", "claims_of", "releases_of"]

_ROUNDING = 1e-9
#: Whose data a charter protects -> how contributions must be weighted for it.
_WEIGHTINGS = {
    PrivacyUnit.CUSTOMER_AT_STORE: Weighting.WHOLE,
    PrivacyUnit.PERSON: Weighting.ONE_OVER_SHOPS,
}
_ROUNDING_OF_EPSILON = 1e-6


def releases_of(plan: ModelPlan) -> Iterator[GaussianRelease]:
    """Describe each phase of a plan as the release it makes, for one customer of one shop."""
    for phase in plan.phases:
        yield customer_release(noise_multiplier=phase.noise_multiplier, sampling_rate=phase.sampling_rate)


def claims_of(charter: Charter, *, delta: float | None = None) -> TwoClaims:
    """Recompute both claims from the charter's phases, at the charter's delta or another one.

    Raises:
        CharterError: the charter protects another unit than a customer of a shop or a person.
        UnsupportedReleaseError: a person, but the phases sample or every store's sum is seen.
    """
    weighting = _WEIGHTINGS.get(charter.privacy.privacy_unit)
    if weighting is None:
        raise CharterError("The charter's privacy_unit must be customer_at_store or person.")
    return two_claims(
        releases_of(charter.plan),
        delta=charter.privacy.delta if delta is None else delta,
        stores_per_person=charter.privacy.shops_per_person,
        placement=charter.privacy.noise,
        weighting=weighting,
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
    if claims.customer.epsilon > terms.epsilon + _ROUNDING:
        cost = "without bound" if math.isinf(claims.customer.epsilon) else f"{claims.customer.epsilon:.4g}"
        raise EpsilonClaimError(
            f"The charter promises epsilon {terms.epsilon:g} at delta {terms.delta:g}, but its phases cost "
            f"{cost}.",
            next_step="Raise the phases' noise_multiplier, drop phases, or promise what they cost.",
        )
    return claims


def are_same(told: TwoClaims, agreed: TwoClaims) -> bool:
    """Compare every figure of two pairs; an epsilon up to the rounding of another computer's arithmetic."""
    return all(
        math.isclose(one.epsilon, other.epsilon, rel_tol=_ROUNDING_OF_EPSILON)
        and (one.delta, one.unit, one.neighbouring, one.k)
        == (other.delta, other.unit, other.neighbouring, other.k)
        for one, other in ((told.customer, agreed.customer), (told.person, agreed.person))
    )
