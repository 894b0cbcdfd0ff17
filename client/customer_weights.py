"""Customers' weights in the sums that leave: set here from the charter, for contributions and nothing else.

A shop's own model is fitted to what `load_shop` returns, in which everybody counts whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from highstreet.audit.charter import PrivacyTerms
from highstreet.audit.weights import customer_weight
from highstreet.models.shop import ShopData
from highstreet.privacy.releases import Weighting

__all__ = ["weighted_for_sums"]


def weighted_for_sums(
    shop: ShopData, terms: PrivacyTerms, counted: Mapping[str, float] | None = None
) -> ShopData:
    """Return a shop's customers with the weights that the charter gives their contributions.

    A customer's weight depends on the charter and on this customer's own count; adding or removing another
    customer changes nobody's.

    Args:
        shop: as it was loaded.
        terms: of the charter.
        counted: weights by customer, as the matching that the round names told them; of account where the
            charter's weights are 1 / k. Whoever is not in it weighs nothing: everybody, where it is None.
    """
    if terms.weighting is Weighting.WHOLE:
        return shop
    if terms.weighting is Weighting.ONE_OVER_SHOPS:
        known = counted or {}
        weights = np.array([known.get(customer, 0.0) for customer in shop.customer_ids], dtype=np.float64)
    else:
        weights = np.full(len(shop.customer_ids), customer_weight(terms))
    return replace(shop, weights=weights)
