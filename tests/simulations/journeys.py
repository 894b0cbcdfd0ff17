"""Small made-up shopping data for the tests of this folder."""

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl

from highstreet.models.schema import FeatureSchema
from highstreet.simulations.protocol import Protocol, Split, build_federation
from highstreet.simulations.tables import tables_of

MONDAY = date(2024, 1, 1)
CATEGORIES = ("bread", "milk", "fruit", "tea")


def made_up_tables(*, stores=3, households=8, products=24, weeks=10, seed=5, per_week=4):
    """Households prefer a category, shop weekly, and every third also shops in a second store."""
    rng = np.random.default_rng(seed)
    lines = []
    for store in range(stores):
        for household in range(households):
            person = f"h{store}-{household}"
            places = [store] + ([(store + 1) % stores] if household % 3 == 0 else [])
            liked = household % len(CATEGORIES)
            for week in range(weeks):
                for place in places:
                    own = liked + len(CATEGORIES) * rng.integers(
                        products // len(CATEGORIES), size=per_week - 1
                    )
                    for product in {*own.tolist(), int(rng.integers(products))}:
                        day = MONDAY + timedelta(weeks=week, days=int(rng.integers(7)))
                        lines.append((f"s{place}", person, f"p{product}", day, 1.0, 1.0 + product % 5))
    orders = pl.DataFrame(
        lines,
        schema=["store_id", "customer_id", "product_id", "ordered_at", "quantity", "unit_price"],
        orient="row",
    )
    catalogue = pl.DataFrame(
        {
            "product_id": [f"p{i}" for i in range(products)],
            "title": [f"thing {i}" for i in range(products)],
            "category": [CATEGORIES[i % len(CATEGORIES)] for i in range(products)],
            "product_type": [f"type {i % 8}" for i in range(products)],
            "brand": [f"brand {i % 3}" for i in range(products)],
            "maker": [f"maker {i % 5}" for i in range(products)],
            "size": [f"{i % 2} kg" for i in range(products)],
        }
    )
    return tables_of(name="made up", note="made up for a test", orders=orders, products=catalogue)


def made_up_federation(*, fit_until=8, predict=(9, 10), minimum_customers=2, **kwargs):
    split = Split.rolling(fit_until=fit_until, predict=predict)
    protocol = Protocol(split=split, minimum_customers=minimum_customers, catalogue_size=20)
    return build_federation(made_up_tables(**kwargs), protocol, FeatureSchema())


def journey_like(table):
    """The two tables of the sample data, in miniature, with the publisher's columns."""
    if table == "products":
        return pl.DataFrame(
            {
                "product_id": list(range(101, 113)),
                "manufacturer_id": [7] * 12,
                "department": ["GROCERY"] * 10 + ["FUEL", "COUPON"],
                "brand": ["National", "Private"] * 6,
                "product_category": ["TEA"] * 5 + ["=MILK"] * 5 + [None, None],
                "product_type": ["TEA BAGS"] * 5 + [None] * 7,
                "package_size": ["1 LB"] * 6 + [None] * 6,
            }
        )
    rng = np.random.default_rng(3)
    rows = []
    for basket, (store, household, week) in enumerate(
        (store, household, week)
        for store, count in ((1, 30), (2, 20), (3, 45), (4, 5))
        for household in range(count)
        for week in (1, 20, 46)
    ):
        when = datetime(2017, 1, 2, 15) + timedelta(weeks=week - 2, hours=household)
        for product in rng.choice(np.arange(101, 113), size=3, replace=False):
            rows.append((household, store, basket, int(product), 2, 3.0, 0.5, 0.25, 0.0, week, when))
    return pl.DataFrame(
        rows,
        schema=[
            "household_id",
            "store_id",
            "basket_id",
            "product_id",
            "quantity",
            "sales_value",
            "retail_disc",
            "coupon_disc",
            "coupon_match_disc",
            "week",
            "transaction_timestamp",
        ],
        orient="row",
    )
