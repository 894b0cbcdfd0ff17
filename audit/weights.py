"""What a customer's contribution counts by under a charter: one rule for the promise and for the stores.

A person is protected over several shops by making all of the person's contributions one. Each is divided by
the number of shops the person shops in, where shops learnt that by private matching; else by the most there
may be.
"""

from __future__ import annotations

import math

from highstreet.audit.charter import PrivacyTerms
from highstreet.privacy.releases import Weighting

__all__ = ["customer_weight", "rounding_shops", "whole_contributions"]

_ROUNDING = 1e-9


def customer_weight(terms: PrivacyTerms) -> float:
    """Return the public weight that sums are divided by to be about whole customers or persons, in (0, 1].

    It is everybody's weight; but where shops know k it is 1. There the weights 1 / k of one person add up to
    1 over the shops, so that a sum of them counts persons and needs no scale. It is also the most that any
    customer weighs.
    """
    if terms.weighting is Weighting.ONE_OVER_MOST:
        return 1.0 / terms.shops_per_person
    return 1.0


def rounding_shops(terms: PrivacyTerms) -> int:
    """Return in how many shops' rounding one privacy unit takes part, which a mechanism must pay for."""
    return 1 if terms.weighting is Weighting.WHOLE else terms.shops_per_person


def whole_contributions(terms: PrivacyTerms, *, stores: int) -> int:
    """Return how many whole contributions bound those of a customer of so many stores, K or more.

    With weights 1 / K they are stores / K of one in norm. Each of the stores rounds, and stores / K times the
    rounding of K stores, which the mechanism pays for, is that of all. With weights 1 / k they are one, and
    only up to K stores round: whoever has a larger count weighs nothing.
    """
    if terms.weighting is Weighting.ONE_OVER_SHOPS:
        return 1
    return math.ceil(stores * customer_weight(terms) - _ROUNDING)
