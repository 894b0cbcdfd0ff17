"""Made-up shops for audits: small, whole, without anybody's data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from highstreet.models.schema import FeatureSchema
from highstreet.models.shop import Catalogue, Product, Purchases, ShopData

__all__ = ["AS_OF", "CATEGORIES", "PRODUCTS", "made_up_shops", "with_customers"]

AS_OF = 20_000
CATEGORIES = 6
PRODUCTS = 96
_LINES = 24
_DAYS = 150


def made_up_shops(
    schema: FeatureSchema, *, stores: int, customers: int, seed: int, rare: int = 0
) -> tuple[ShopData, ...]:
    """Return shops with one catalogue, whose customers like one category each.

    Args:
        schema: the public feature space.
        stores: how many shops.
        customers: in each.
        seed: of the purchases.
        rare: products behind the first PRODUCTS that nobody buys, each with attributes of its own.
    """
    generator = np.random.default_rng(seed)
    catalogue = Catalogue.build(schema, (*map(_product, range(PRODUCTS)), *map(_rare_product, range(rare))))
    return tuple(_shop(catalogue, generator, customers, f"shop {store}") for store in range(stores))


def with_customers(shop: ShopData, names: Sequence[str], baskets: Sequence[NDArray[np.integer]]) -> ShopData:
    """Return the shop with more customers behind its own.

    Args:
        shop: left as it is.
        names: of the new customers.
        baskets: of each, (lines, 2): catalogue row and day; may be empty.
    """
    first = len(shop.customer_ids)
    owners = np.repeat(np.arange(first, first + len(names)), [len(basket) for basket in baskets])
    lines = np.concatenate([np.zeros((0, 2), dtype=np.int64), *baskets])
    bought = shop.purchases
    return ShopData(
        catalogue=shop.catalogue,
        purchases=Purchases.of(
            np.concatenate([bought.customer, owners]),
            np.concatenate([bought.item, lines[:, 0]]),
            np.concatenate([bought.day, lines[:, 1]]),
            np.concatenate([bought.quantity, np.ones(len(lines))]),
        ),
        customer_ids=(*shop.customer_ids, *names),
        as_of=shop.as_of,
    )


def _product(index: int) -> Product:
    return Product(
        product_id=f"p{index}",
        title=f"thing {index}",
        category=f"category {index % CATEGORIES}",
        product_type=f"type {index % 16}",
        brand=f"brand {index % 7}",
        maker=f"maker {index % 11}",
        size=f"{index % 3} l",
        price=1.0 + index % 9,
    )


def _rare_product(index: int) -> Product:
    words = f"rare {index}"
    return Product(
        product_id=f"rare{index}",
        title=words,
        category=words,
        product_type=words,
        brand=words,
        maker=words,
        size=words,
        price=2.5,
    )


def _shop(catalogue: Catalogue, generator: np.random.Generator, customers: int, name: str) -> ShopData:
    owner = np.repeat(np.arange(customers), _LINES)
    liked = generator.integers(CATEGORIES, size=customers)[owner]
    own = liked + CATEGORIES * generator.integers(PRODUCTS // CATEGORIES, size=len(owner))
    any_product = generator.integers(PRODUCTS, size=len(owner))
    item = np.where(generator.random(len(owner)) < 0.6, own, any_product)
    day = AS_OF - 1 - generator.integers(_DAYS, size=len(owner))
    return ShopData(
        catalogue=catalogue,
        purchases=Purchases.of(owner, item, day, np.ones(len(owner))),
        customer_ids=tuple(f"{name} customer {row}" for row in range(customers)),
        as_of=AS_OF,
    )
