"""What is promised, as printed: an epsilon and a delta, for whom, and against which change of the data."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from highstreet.privacy.accountant import epsilon
from highstreet.privacy.errors import InvalidReleaseError
from highstreet.privacy.releases import (
    GaussianRelease,
    Neighbouring,
    NoisePlacement,
    PrivacyUnit,
    Weighting,
    release_for_person,
)

__all__ = ["Claim", "TwoClaims", "rounded_up", "two_claims"]

_UNITS = {
    PrivacyUnit.EXAMPLE: "an example",
    PrivacyUnit.CUSTOMER_AT_STORE: "a customer of one shop",
    PrivacyUnit.STORE: "a shop",
}
_DIVIDED = {
    Weighting.WHOLE: "",
    Weighting.ONE_OVER_SHOPS: ", each contribution divided by their number",
    Weighting.ONE_OVER_MOST: ", each contribution divided by that number",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One guarantee: (epsilon, delta)-differential privacy for a unit under a neighbouring relation.

    Attributes:
        epsilon: rounded up when printed; infinity means nothing is promised.
        delta: always stated with epsilon.
        unit: whose data changes between neighbouring data sets.
        neighbouring: how they differ.
        k: for PERSON, the most shops of the co-op the person is a customer of; 1 otherwise.
        weighting: for PERSON, what each contribution is multiplied by; WHOLE otherwise.
    """

    epsilon: float
    delta: float
    unit: PrivacyUnit
    neighbouring: Neighbouring
    k: int = 1
    weighting: Weighting = Weighting.WHOLE

    def __post_init__(self) -> None:
        sound = self.epsilon >= 0 and 0 < self.delta < 1 and self.k >= 1
        is_more = self.k > 1 or self.weighting is not Weighting.WHOLE
        if not sound or (is_more and self.unit is not PrivacyUnit.PERSON):
            raise InvalidReleaseError(
                "A claim needs epsilon >= 0, delta in (0, 1) and k >= 1 (k > 1 and weights for persons)."
            )

    @property
    def printed_epsilon(self) -> str:
        """Epsilon with two decimals, rounded up, never down."""
        return rounded_up(self.epsilon)

    @property
    def for_whom(self) -> str:
        """Whom the claim is for, in words."""
        shops = "one shop" if self.k == 1 else f"up to {self.k} shops"
        person = f"a person who shops in {shops}{_DIVIDED[self.weighting]}"
        return _UNITS.get(self.unit, person)

    def __str__(self) -> str:
        """Say the claim in one line."""
        change = "added or removed" if self.neighbouring is Neighbouring.ADD_OR_REMOVE else "replaced"
        return f"epsilon {self.printed_epsilon}, delta {self.delta:g} for {self.for_whom} ({change})"


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoClaims:
    """The two guarantees that are always shown side by side."""

    customer: Claim
    person: Claim

    def about(self, unit: PrivacyUnit) -> Claim:
        """Return the claim for one of the two units.

        Raises:
            InvalidReleaseError: another unit.
        """
        for claim in (self.customer, self.person):
            if claim.unit is unit:
                return claim
        raise InvalidReleaseError(f"Nothing is claimed for {unit.value}.")

    def lines(self) -> tuple[str, str]:
        """Return both as lines of text, the customer of one shop first."""
        return str(self.customer), str(self.person)


def rounded_up(epsilon: float) -> str:
    """Write an epsilon for people: two digits after the point, never less than it is.

    >>> rounded_up(1.0601), rounded_up(1.06), rounded_up(math.inf)
    ('1.07', '1.06', 'infinity')
    """
    return f"{math.ceil(epsilon * 100 - 1e-9) / 100:.2f}" if math.isfinite(epsilon) else "infinity"


def two_claims(
    releases: Iterable[GaussianRelease],
    *,
    delta: float,
    stores_per_person: int,
    placement: NoisePlacement,
    weighting: Weighting = Weighting.WHOLE,
) -> TwoClaims:
    """Return what the releases mean for a customer of one shop and for a person in up to k shops.

    Args:
        releases: about a customer at one store, one per sum that store takes part in.
        delta: of both claims.
        stores_per_person: k, the most shops one person is a customer of; the worst case is claimed.
        placement: whether every store's sum carries noise of its own and is seen, or only the sum over
            stores.
        weighting: of contributions. With weights both claims are those of one whole contribution: what a
            customer of no other shop has, and the most a person has in all shops together; whoever shops in
            several shops has less in each.

    Raises:
        UnsupportedReleaseError: a release is not about a customer at one store, or `release_for_person` does
            not account for these weights.
        InvalidReleaseError: delta or k is out of range.

    >>> from highstreet.privacy.releases import customer_release
    >>> sixty = [customer_release(noise_multiplier=5.0, sampling_rate=0.25, steps=60)]
    >>> for line in two_claims(
    ...     sixty, delta=1e-5, stores_per_person=4, placement=NoisePlacement.ONCE_IN_SUM
    ... ).lines():
    ...     print(line)
    epsilon 1.58, delta 1e-05 for a customer of one shop (added or removed)
    epsilon 7.73, delta 1e-05 for a person who shops in up to 4 shops (added or removed)
    """
    ours = tuple(releases)
    theirs = tuple(
        release_for_person(each, stores=stores_per_person, placement=placement, weighting=weighting)
        for each in ours
    )
    return TwoClaims(
        customer=Claim(
            epsilon=epsilon(ours, delta=delta),
            delta=delta,
            unit=PrivacyUnit.CUSTOMER_AT_STORE,
            neighbouring=Neighbouring.ADD_OR_REMOVE,
        ),
        person=Claim(
            epsilon=epsilon(theirs, delta=delta),
            delta=delta,
            unit=PrivacyUnit.PERSON,
            neighbouring=Neighbouring.ADD_OR_REMOVE,
            k=stores_per_person,
            weighting=weighting,
        ),
    )
