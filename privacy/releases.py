"""Releases as data: what an accountant must know about a noisy sum, and nothing about how it was computed."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from highstreet.privacy.errors import InvalidReleaseError, UnsupportedReleaseError

__all__ = [
    "GaussianRelease",
    "Neighbouring",
    "NoisePlacement",
    "PrivacyUnit",
    "Weighting",
    "customer_release",
    "release_for_person",
]

_MAX_STEPS = 1_000_000
_MAX_CONTRIBUTIONS = 1_000


class PrivacyUnit(StrEnum):
    """Whose data changes between neighbouring data sets."""

    EXAMPLE = "example"
    CUSTOMER_AT_STORE = "customer_at_store"
    PERSON = "person"
    STORE = "store"


class Neighbouring(StrEnum):
    """How neighbouring data sets differ in that unit."""

    ADD_OR_REMOVE = "add_or_remove"
    REPLACE = "replace"


class NoisePlacement(StrEnum):
    """Where the noise of a round is added, seen by whoever receives the result.

    EVERY_STORE: each store's own sum carries the full noise and is seen on its own.
    ONCE_IN_SUM: only the sum over stores is seen, and it carries the noise once.
    """

    EVERY_STORE = "every_store"
    ONCE_IN_SUM = "once_in_sum"


class Weighting(StrEnum):
    """By what a customer's clipped contribution is multiplied before it is added to a shop's sum.

    WHOLE: by one; a person has as many contributions as shops.
    ONE_OVER_SHOPS: by 1 / k for a person who shops in k shops, each of which knows k.
    ONE_OVER_MOST: by 1 / K for everybody, K the most shops a person may shop in; nobody need know k.
    """

    WHOLE = "whole"
    ONE_OVER_SHOPS = "one_over_shops"
    ONE_OVER_MOST = "one_over_most"


@dataclass(frozen=True, slots=True, kw_only=True)
class GaussianRelease:
    """What the accountant must know about one noisy sum; nothing about how it was computed.

    Attributes:
        noise_multiplier: noise stddev / L2 bound on one contribution; 0 means no noise, and costs infinity.
        sampling_rate: chance that a contribution takes part (Poisson sampling, kept secret); 1 means always.
        privacy_unit: whose data the guarantee is about.
        neighbouring: the relation the sensitivity is stated for.
        steps: how many such sums, each with fresh noise and a fresh sample.
        contributions: how many contributions one privacy unit has in each sum, each clipped and sampled on
            its
            own: 1, or for a person the number of shops whose sums are added under one noise.

    Raises:
        InvalidReleaseError: a number is out of range or not finite.
    """

    noise_multiplier: float
    sampling_rate: float
    privacy_unit: PrivacyUnit
    neighbouring: Neighbouring
    steps: int = 1
    contributions: int = 1

    def __post_init__(self) -> None:
        sound = (
            math.isfinite(self.noise_multiplier)
            and self.noise_multiplier >= 0
            and 0 < self.sampling_rate <= 1
            and 1 <= self.steps <= _MAX_STEPS
            and 1 <= self.contributions <= _MAX_CONTRIBUTIONS
        )
        if not sound:
            raise InvalidReleaseError(
                f"Noise multiplier {self.noise_multiplier}, sampling rate {self.sampling_rate}, "
                f"{self.steps} steps and {self.contributions} contributions do not make a release."
            )


def customer_release(
    *, noise_multiplier: float, sampling_rate: float = 1.0, steps: int = 1
) -> GaussianRelease:
    """Describe a sum of clipped rows of one store's customers: one customer added or removed.

    >>> customer_release(noise_multiplier=5.0, sampling_rate=0.25).privacy_unit.value
    'customer_at_store'
    """
    return GaussianRelease(
        noise_multiplier=noise_multiplier,
        sampling_rate=sampling_rate,
        privacy_unit=PrivacyUnit.CUSTOMER_AT_STORE,
        neighbouring=Neighbouring.ADD_OR_REMOVE,
        steps=steps,
    )


def release_for_person(
    release: GaussianRelease,
    *,
    stores: int,
    placement: NoisePlacement,
    weighting: Weighting = Weighting.WHOLE,
) -> GaussianRelease:
    """Describe what the same round means for a person who is a customer of up to `stores` member shops.

    With noise in every store the person is in that many separate releases, which compose. With the noise once
    in the sum over stores the person has that many contributions in one sum, each sampled on its own; the
    person is not treated as all-or-nothing, which would overstate, nor as one contribution, which would be
    false. Where contributions are weighted, with the noise once in the sum, all of a person's together have
    the norm of one, by the triangle inequality: they cost what one costs. What rounding adds in each shop is
    the mechanism's part (`DistributedMechanism.shops_per_person`). The same holds for a customer of one shop
    who is taken out of that shop alone while the person's other k - 1 weights rise to 1 / (k - 1): that moves
    the sum by 1 / k + (k - 1) (1 / (k - 1) - 1 / k) = 2 / k of the norm, and k is 2 or more. Whoever has more
    shops than the mechanism pays rounding for weighs nothing in any; with one shop less that may become one
    whole contribution, and no more. In all of it the weights of everybody else are what they are; where a
    matching tells weights, that it changes others' is a chance that adds to delta (`TableShape.influence`).

    Raises:
        UnsupportedReleaseError: the release is not about one customer at one store; or contributions are
            weighted and either sampled, where shops draw apart and no bound by one contribution is proven
            here, or seen store by store.

    >>> one = customer_release(noise_multiplier=5.0, steps=3)
    >>> release_for_person(one, stores=4, placement=NoisePlacement.EVERY_STORE).steps
    12
    >>> once = NoisePlacement.ONCE_IN_SUM
    >>> release_for_person(one, stores=4, placement=once).contributions
    4
    >>> release_for_person(one, stores=4, placement=once, weighting=Weighting.ONE_OVER_SHOPS).contributions
    1
    """
    if release.privacy_unit is not PrivacyUnit.CUSTOMER_AT_STORE or release.contributions != 1:
        raise UnsupportedReleaseError("Only a release about one customer at one store extends to a person.")
    if weighting is not Weighting.WHOLE:
        return _weighted_release_for_person(release, placement=placement)
    if placement is NoisePlacement.EVERY_STORE:
        return replace(release, privacy_unit=PrivacyUnit.PERSON, steps=release.steps * stores)
    return replace(release, privacy_unit=PrivacyUnit.PERSON, contributions=stores)


def _weighted_release_for_person(release: GaussianRelease, *, placement: NoisePlacement) -> GaussianRelease:
    if placement is not NoisePlacement.ONCE_IN_SUM:
        raise UnsupportedReleaseError("Weighted contributions are only accounted for in one sum.")
    if release.sampling_rate < 1:
        raise UnsupportedReleaseError("Weighted contributions of a person cannot be sampled shop by shop.")
    return replace(release, privacy_unit=PrivacyUnit.PERSON)
