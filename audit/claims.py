"""What a charter's programme costs in privacy, recomputed from its phases: two claims side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import ROUND_CEILING, Context
from fractions import Fraction

from highstreet.audit.charter import COOP_LEARNING, Charter, MatchingTerms
from highstreet.audit.errors import CharterError, EpsilonClaimError
from highstreet.models.plan import ModelPlan
from highstreet.privacy.budget import ROUNDING
from highstreet.privacy.claims import TwoClaims, two_claims
from highstreet.privacy.releases import (
    GaussianRelease,
    Neighbouring,
    NoisePlacement,
    PrivacyUnit,
    Weighting,
    customer_release,
)

__all__ = [
    "are_same",
    "check_promise",
    "claims_of",
    "period_in_words",
    "releases_of",
    "trainings_in_a_period",
    "weights_in_words",
]

#: Whose data a charter protects -> how contributions may be weighted for it.
_WEIGHTINGS = {
    PrivacyUnit.CUSTOMER_AT_STORE: (Weighting.WHOLE,),
    PrivacyUnit.PERSON: (Weighting.ONE_OVER_MOST, Weighting.ONE_OVER_SHOPS),
}
_ROUNDING_OF_EPSILON = 1e-6
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

    Raises:
        CharterError: the charter protects another unit than a customer of a shop or a person, its weighting
            does not go with the unit, or it samples customers whose contributions are weighted.
        UnsupportedReleaseError: a person, but every store's sum is seen.
    """
    terms = charter.privacy
    allowed = _WEIGHTINGS.get(terms.privacy_unit)
    if allowed is None:
        raise CharterError("The charter's privacy_unit must be customer_at_store or person.")
    if terms.weighting not in allowed:
        raise CharterError(
            f"The charter's weighting {terms.weighting.value} does not go with privacy_unit "
            f"{terms.privacy_unit.value}; {' or '.join(allowed)} does."
        )
    if terms.weighting is not Weighting.WHOLE:
        _refuse_sampled_phases(charter.plan)
    return two_claims(
        [release for _ in range(trainings) for release in releases_of(charter.plan)],
        delta=charter.privacy.delta if delta is None else delta,
        stores_per_person=terms.shops_per_person,
        placement=terms.noise,
        weighting=terms.weighting,
    )


def _refuse_sampled_phases(plan: ModelPlan) -> None:
    """Return only when every customer takes part in every phase: shops that sample, sample apart."""
    for phase in plan.phases:
        if phase.sampling_rate < 1:
            raise CharterError(
                f"Phase {phase.index} ({phase.name}) samples customers, and the charter divides their "
                "contributions by shops: nothing is proven of the two together.",
                next_step="Set the phase's sampling_rate to 1.",
            )


def trainings_in_a_period(charter: Charter) -> int:
    """Return how many whole trainings fit the charter's epsilon for one of its periods, at most 1,000.

    Stores refuse what goes beyond; a training that failed half way counts with the rounds that were held.
    """
    unit = charter.privacy.privacy_unit

    def fit(trainings: int) -> bool:
        return (
            claims_of(charter, trainings=trainings).about(unit).epsilon <= charter.privacy.epsilon + ROUNDING
        )

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
    whom = claims_of(charter).about(terms.privacy_unit).for_whom
    trainings = "one training fits" if count == 1 else f"{count} trainings fit"
    return (
        f"all trainings in any {terms.period_days} days together cost at most epsilon {terms.epsilon:g}, "
        f"delta {terms.delta:g} for {whom}: {trainings}"
    )


def weights_in_words(charter: Charter) -> tuple[str, ...]:
    """Say what the claim for a person rests on beside the noise, and who adds nothing; empty: on nothing.

    A person is compared as added or removed in the matching and in the trainings that take counts from it.
    """
    terms, matching = charter.privacy, charter.matching
    if terms.weighting is not Weighting.ONE_OVER_SHOPS or matching is None:
        return ()
    return (
        "each shop learns by private matching at how many shops each of its own customers shops, not at "
        "which, and divides what the customer adds by that number",
        "nothing is added for customers who did not say yes to both coop_learning and matching, who have no "
        f"{matching.identifier_kind} on record, who came after the matching or were over its "
        f"{matching.identifiers_per_store:,} for a shop, whose number stayed unknown, "
        f"or who shop in more than {terms.shops_per_person} shops",
        _influence_in_words(charter),
        f"it holds as long as no shop has more than {matching.identifiers_per_store:,} customers who agree "
        f"to matching, for whoever gave every shop the same {matching.identifier_kind}, and as long as no "
        "shop cheats in the matching",
        _period_of_matchings_in_words(charter, matching),
    )


def _period_of_matchings_in_words(charter: Charter, matching: MatchingTerms) -> str:
    """Say for whom the promise holds over a whole period, in which there are counts of several matchings."""
    days, each = charter.privacy.period_days, matching.period_days
    return (
        f"counts of up to {1 + -(-days // each)} matchings can be used in {days} days: over all of them it "
        "holds for whoever has the same number in the same shops each time; who changes shops in between can "
        "have what it says once for each matching"
    )


def _influence_in_words(charter: Charter) -> str:
    """Say what is compared, and what each matching adds to delta."""
    # Imported here: it brings a library that is unpacked on the disk.
    from highstreet.audit.matchings import influences

    found = influences(charter)
    said = (
        "compared are the matching and the trainings that take numbers from it, with and without the person"
    )
    if not found:
        return f"{said}; under this charter no matching can be held"
    (shops, chance), (most, worst) = found[0], found[-1]
    more = "" if most == shops else f", and {_rounded_up(worst)} when of up to {most}, the most there can be"
    return (
        f"{said}; for each matching behind them add {_rounded_up(chance)} to delta when it is of up to "
        f"{shops} shops{more}: the chance that the person changes whether somebody else's number is known"
    )


def _rounded_up(chance: Fraction) -> str:
    """Return a chance with two digits, never below it."""
    two_digits = Context(prec=2, rounding=ROUND_CEILING)
    return f"{float(two_digits.divide(chance.numerator, chance.denominator)):g}"


def check_promise(charter: Charter) -> TwoClaims:
    """Return the claims of a charter that keeps its own promise.

    Raises:
        EpsilonClaimError: the phases cost the charter's privacy unit more than its epsilon.
        CharterError: a unit, relation or placement that is not built, a weighting or sampling that does not
            go with the unit, weights that no matching tells, or no purpose to run rounds for.
    """
    terms = charter.privacy
    if terms.neighbouring is not Neighbouring.ADD_OR_REMOVE:
        raise CharterError("The charter's neighbouring relation must be add_or_remove.")
    if terms.noise is not NoisePlacement.ONCE_IN_SUM:
        raise CharterError("The charter's noise must be once_in_sum: stores only take part in secure sums.")
    if COOP_LEARNING not in charter.purposes:
        raise CharterError(f"The charter's purposes must hold {COOP_LEARNING}: its programme is that.")
    claims = claims_of(charter)
    if terms.weighting is Weighting.ONE_OVER_SHOPS and charter.matching is None:
        raise CharterError(
            f"The charter's weighting {terms.weighting.value} needs private matching, which tells stores at "
            "how many of them their customers shop.",
            next_step=f"Add a section `matching`, or use {Weighting.ONE_OVER_MOST.value}.",
        )
    spent = claims.about(terms.privacy_unit).epsilon
    if spent > terms.epsilon + ROUNDING:
        cost = "without bound" if math.isinf(spent) else f"{spent:.4g}"
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
        and (one.delta, one.unit, one.neighbouring, one.k, one.weighting)
        == (other.delta, other.unit, other.neighbouring, other.k, other.weighting)
        for one, other in ((told.customer, agreed.customer), (told.person, agreed.person))
    )
