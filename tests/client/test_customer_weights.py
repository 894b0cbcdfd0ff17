"""Weights come from the charter, for sums that leave only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from highstreet.audit.errors import CharterNotRunnableError
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


def test_weights_that_no_store_can_know_yet_are_refused_here_too() -> None:
    terms = replace(about_persons(CHARTER, shops=4).privacy, weighting=Weighting.ONE_OVER_SHOPS)
    with pytest.raises(CharterNotRunnableError):
        weighted_for_sums(shop_of(2), terms)
