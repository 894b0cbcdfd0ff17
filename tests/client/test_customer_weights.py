"""Weights come from the charter, for sums that leave only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from highstreet.client.customer_weights import weighted_for_sums
from highstreet.models.shop import Catalogue, Purchases, ShopData
from highstreet.privacy.releases import Weighting
from tests.client.made_up_coop import CHARTER, SCHEMA, about_persons


def shop_of(customers: int) -> ShopData:
    return ShopData(
        catalogue=Catalogue.build(SCHEMA, []),
        purchases=Purchases.of([], [], [], []),
        customer_ids=tuple(str(number) for number in range(customers)),
        as_of=20_000,
    )


@pytest.mark.parametrize("customers", [0, 1, 5])
def test_every_customer_has_the_same_weight_whoever_else_is_there(customers: int) -> None:
    shop = shop_of(customers)
    assert weighted_for_sums(shop, CHARTER.privacy) is shop
    weighted = weighted_for_sums(shop, about_persons(CHARTER, shops=4).privacy)
    assert weighted.weights is not None
    np.testing.assert_array_equal(weighted.weights, np.full(customers, 0.25))
    assert shop.weights is None


def test_where_shops_know_k_whoever_was_not_counted_weighs_nothing() -> None:
    terms = replace(about_persons(CHARTER, shops=4).privacy, weighting=Weighting.ONE_OVER_SHOPS)
    weighted = weighted_for_sums(shop_of(4), terms, {"0": 0.5, "2": 1 / 3, "9": 1.0})
    assert weighted.weights is not None
    assert list(weighted.weights) == [0.5, 0.0, 1 / 3, 0.0]
    unknown = weighted_for_sums(shop_of(2), terms)
    assert unknown.weights is not None
    assert list(unknown.weights) == [0.0, 0.0]
