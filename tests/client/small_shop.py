"""A shop of customers who bought nothing to much, and the plan that its sums are made for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from highstreet.client.contribution import sum_over
from highstreet.models.programme import apply_sum, default_plan, initial_state
from highstreet.models.schema import FeatureSchema
from highstreet.models.shop import Catalogue, Product, Purchases, ShopData

CUSTOMERS = 24
SCHEMA = FeatureSchema(
    key_buckets=64,
    category_buckets=16,
    product_type_buckets=32,
    brand_buckets=16,
    maker_buckets=16,
    size_buckets=16,
)
PLAN = default_plan(
    SCHEMA,
    noise_multiplier=4.0,
    gradient_rounds=2,
    params={"holdout_days": 28.0, "token_keys": 16.0, "token_types": 12.0, "token_categories": 8.0},
)


def build_shop():
    generator = np.random.default_rng(11)
    products = [
        Product(
            product_id=f"p{i}",
            category=f"category {i % 5}",
            product_type=f"type {i % 11}",
            brand=f"brand {i % 7}",
            maker=f"maker {i % 4}",
            size=f"{i % 3} l",
            price=1.0 + i % 9,
        )
        for i in range(40)
    ]
    # From a customer who bought nothing to one who bought 90 times.
    counts = np.linspace(0, 90, CUSTOMERS).astype(int)
    customer = np.repeat(np.arange(CUSTOMERS), counts)
    lines = len(customer)
    return ShopData(
        catalogue=Catalogue.build(SCHEMA, products),
        purchases=Purchases.of(
            customer,
            np.minimum(generator.geometric(0.08, lines) - 1, 39),
            generator.integers(19_000, 19_300, lines),
            generator.integers(1, 4, lines),
        ),
        customer_ids=tuple(f"c{i}" for i in range(CUSTOMERS)),
        as_of=19_300,
    )


PHASES = pytest.mark.parametrize("phase", PLAN.phases, ids=lambda phase: f"{phase.index} {phase.name}")


def tightened(phase):
    """With a clip so tight that nearly everybody contributes the whole clipping norm."""
    return replace(phase, clipping_norm=phase.clipping_norm * 0.05)


def states_before_phases(shop):
    """The released state before each phase, from a run without noise."""
    found = [initial_state(PLAN)]
    for phase in PLAN.phases:
        total = sum_over(PLAN, phase, found[-1], shop)
        found.append(apply_sum(PLAN, phase, found[-1], total, stores=1, noise_stddev=0.1))
    return found
