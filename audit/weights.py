"""What a customer's contribution counts by under a charter: one rule for the promise and for the stores.

A person is protected over several shops by making all of the person's contributions one. Where no shop knows
in which others its customers shop, each contribution is divided by the most shops there may be.
"""

from __future__ import annotations

import math

from highstreet.audit.charter import PrivacyTerms
from highstreet.audit.errors import CharterNotRunnableError
from highstreet.privacy.releases import Weighting

__all__ = ["customer_weight", "rounding_shops", "whole_contributions"]

_ROUNDING = 1e-9


def customer_weight(terms: PrivacyTerms) -> float:
    """Return the public weight of every customer's contribution, in (0, 1].

    Raises:
        CharterNotRunnableError: weights that differ from customer to customer, which no store can learn yet.
            This is the only place that refuses them.
    """
    if terms.weighting is Weighting.ONE_OVER_SHOPS:
        raise CharterNotRunnableError(
            f"The charter's weighting {terms.weighting.value} is not yet carried by this version: "
            "trainings do not use what shops learn by `highstreet coop match`.",
            next_step=f"Use {Weighting.ONE_OVER_MOST.value}, which needs no such knowledge.",
        )
    return 1.0 if terms.weighting is Weighting.WHOLE else 1.0 / terms.shops_per_person


def rounding_shops(terms: PrivacyTerms) -> int:
    """Return in how many shops' rounding one privacy unit takes part, which a mechanism must pay for."""
    return 1 if terms.weighting is Weighting.WHOLE else terms.shops_per_person


def whole_contributions(terms: PrivacyTerms, *, stores: int) -> int:
    """Return how many whole contributions bound those of a customer of so many stores, K or more.

    With weights 1 / K they are stores / K of one in norm. Each of the stores rounds, and stores / K times the
    rounding of K stores, which the mechanism pays for, is that of all.

    Raises:
        CharterNotRunnableError: see `customer_weight`.
    """
    return math.ceil(stores * customer_weight(terms) - _ROUNDING)
