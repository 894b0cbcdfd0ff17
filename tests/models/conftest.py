"""Small made-up shops: customers with tastes, so that there is something to learn."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from highstreet.models.plan import ModelPlan
from highstreet.models.programme import default_plan
from highstreet.models.schema import FeatureSchema
from highstreet.models.shop import Catalogue, Product, Purchases, ShopData

sys.path.insert(0, str(Path(__file__).parent))  # what these tests share lies beside them

SMALL_SCHEMA = FeatureSchema(
    key_buckets=16384,
    category_buckets=32,
    product_type_buckets=64,
    brand_buckets=32,
    maker_buckets=64,
    size_buckets=16,
    price_edges=(1.0, 3.0),
)
SMALL_PARAMS: dict[str, float] = {
    "token_keys": 12,
    "token_types": 6,
    "token_categories": 3,
    "candidates": 30,
    "own_candidates": 10,
    "horizon_days": 30,
    "holdout_days": 10,
}
AS_OF = 17_500

ShopMaker = Callable[..., ShopData]


def products_of(count: int, *, prefix: str = "", tastes: int = 4) -> list[Product]:
    """Products whose category is their taste; makers and sizes vary; the prefix keeps catalogues apart."""
    return [
        Product(
            product_id=f"{prefix}{row}",
            category=f"category {row % tastes}",
            product_type=f"type {row % (2 * tastes)}",
            brand="own" if row % 3 == 0 else "national",
            maker=f"{prefix}maker {row % 5}",
            size=f"{row % 4} kg",
            price=0.5 + row % 5,
        )
        for row in range(count)
    ]


def make_shop(
    *,
    customers: int = 18,
    products: int = 40,
    seed: int = 0,
    prefix: str = "",
    schema: FeatureSchema = SMALL_SCHEMA,
    catalogue: Catalogue | None = None,
) -> ShopData:
    """A shop whose customers mostly buy within one taste and repeat themselves."""
    generator = np.random.default_rng(seed)
    stock = catalogue or Catalogue.build(schema, products_of(products, prefix=prefix))
    columns: list[tuple[int, int, int]] = []
    popularity = 1.0 / (1.0 + np.arange(len(stock)) * 7 % max(len(stock), 1))
    for customer in range(customers):
        taste = np.arange(len(stock)) % 4 == customer % 4
        chances = popularity * np.where(taste, 8.0, 1.0)
        favourites = generator.choice(len(stock), size=min(6, len(stock)), p=chances / chances.sum())
        for day in range(AS_OF - 160, AS_OF, int(generator.integers(5, 15))):
            for item in generator.choice(favourites, size=2):
                columns.append((customer, int(item), day))
            columns.append((customer, int(generator.choice(len(stock), p=chances / chances.sum())), day))
    customer_column, item, day = np.array(columns, dtype=np.int64).reshape(-1, 3).T
    return ShopData(
        catalogue=stock,
        purchases=Purchases.of(customer_column, item, day, np.ones(len(item))),
        customer_ids=tuple(f"c{row}" for row in range(customers)),
        as_of=AS_OF,
    )


@pytest.fixture(scope="session")
def small_schema() -> FeatureSchema:
    return SMALL_SCHEMA


@pytest.fixture(scope="session")
def small_params() -> dict[str, float]:
    return dict(SMALL_PARAMS)


@pytest.fixture(scope="session")
def small_plan() -> ModelPlan:
    return default_plan(
        SMALL_SCHEMA, noise_multiplier=1.0, clients_per_store=30, gradient_rounds=2, params=SMALL_PARAMS
    )


@pytest.fixture(scope="session")
def shop_maker() -> ShopMaker:
    return make_shop


@pytest.fixture(scope="session")
def shop() -> ShopData:
    return make_shop()
