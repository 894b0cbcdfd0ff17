from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from highstreet.models.errors import InvalidShopDataError
from highstreet.models.shop import Catalogue, Product, Purchases, ShopData


def test_a_catalogue_puts_the_same_descriptors_under_the_same_key(small_schema):
    one = Product(product_id="a", category="Milk", maker="Farm")
    other = Product(product_id="b", category="milk ", maker="FARM")
    different = Product(product_id="c", category="milk", maker="Barn")
    keys = Catalogue.build(small_schema, [one, other, different]).shared_key
    assert keys[0] == keys[1] != keys[2]


def test_a_product_without_attributes_has_no_key_and_no_buckets(small_schema):
    catalogue = Catalogue.build(small_schema, [Product(product_id="a")])
    assert catalogue.shared_key.tolist() == [0]
    assert catalogue.category.tolist() == catalogue.price_band.tolist() == [0]


def test_selecting_customers_renumbers_them_and_keeps_their_purchases(shop):
    rows = np.array([7, 2])
    chosen = shop.select(rows)
    assert chosen.customer_ids == (shop.customer_ids[7], shop.customer_ids[2])
    for new, old in enumerate(rows):
        mine = shop.purchases.customer == old
        again = chosen.purchases.customer == new
        assert sorted(chosen.purchases.item[again]) == sorted(shop.purchases.item[mine])


def test_selecting_nobody_gives_an_empty_shop(shop):
    empty = shop.select(np.array([], dtype=np.int64))
    assert empty.customer_ids == ()
    assert len(empty.purchases) == 0


@pytest.mark.parametrize("rows", [[0, 0], [-1], [10_000]])
def test_selecting_rows_twice_or_out_of_range_is_refused(shop, rows):
    with pytest.raises(InvalidShopDataError):
        shop.select(np.array(rows))


def test_looking_back_leaves_out_later_purchases(shop):
    earlier = shop.before(shop.as_of - 50)
    assert earlier.as_of == shop.as_of - 50
    assert earlier.purchases.day.max() < shop.as_of - 50
    assert 0 < len(earlier.purchases) < len(shop.purchases)


def test_contradicting_columns_are_refused(shop):
    with pytest.raises(InvalidShopDataError):
        Purchases.of([0, 1], [0], [0], [1.0])
    for customer, item in ((99, 0), (0, 99), (-1, 0), (0, -1)):
        with pytest.raises(InvalidShopDataError):
            ShopData(
                catalogue=shop.catalogue,
                purchases=Purchases.of([customer], [item], [0], [1.0]),
                customer_ids=("a",),
                as_of=1,
            )
    with pytest.raises(InvalidShopDataError):
        Catalogue(
            product_ids=("a", "b"),
            shared_key=np.zeros(1, dtype=np.int64),
            **{
                name: np.zeros(2, dtype=np.int32)
                for name in ("category", "product_type", "brand", "maker", "size", "price_band")
            },
        )


def test_weights_go_with_their_customers(shop):
    weights = np.linspace(0, 1, len(shop.customer_ids))
    heavy = replace(shop, weights=weights)
    assert heavy.select(np.array([3, 1])).weights.tolist() == [weights[3], weights[1]]
    assert heavy.before(shop.as_of - 50).weights is weights
    assert shop.select(np.array([3, 1])).weights is None


@pytest.mark.parametrize("wrong", [-1e-9, 1 + 1e-9, np.nan, np.inf])
def test_a_weight_out_of_range_is_refused(shop, wrong):
    weights = np.ones(len(shop.customer_ids))
    replace(shop, weights=weights)
    with pytest.raises(InvalidShopDataError, match="between 0 and 1"):
        replace(shop, weights=np.where(np.arange(len(weights)) == 2, wrong, weights))
    for odd in (weights[:-1], weights.astype(np.float32), weights[:, None]):
        with pytest.raises(InvalidShopDataError, match="one double-precision number per customer"):
            replace(shop, weights=odd)
