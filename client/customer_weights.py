"""Customers' weights in the sums that leave: set here from the charter, for contributions and nothing else.

A shop's own model is fitted to what `load_shop` returns, in which everybody counts whole.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from highstreet.audit.charter import PrivacyTerms
from highstreet.audit.weights import customer_weight
from highstreet.models.shop import ShopData
from highstreet.privacy.releases import Weighting

__all__ = ["weighted_for_sums"]


def weighted_for_sums(shop: ShopData, terms: PrivacyTerms) -> ShopData:
    """Return a shop's customers with the weights that the charter gives their contributions.

    Weights depend on the charter alone, not on any customer: adding or removing one changes nobody else's.

    Raises:
        CharterNotRunnableError: weights that this version does not carry.
    """
    weight = customer_weight(terms)
    if terms.weighting is Weighting.WHOLE:
        return shop
    return replace(shop, weights=np.full(len(shop.customer_ids), weight))
