"""Sizes of the audits: the claims that are attacked, and how much is run."""

from __future__ import annotations

from dataclasses import dataclass

from highstreet.models.schema import FeatureSchema
from highstreet.simulations.audits.plans import SMALL_PARAMS, SMALL_SCHEMA

__all__ = ["CLAIMS", "CONFIDENCE", "FULL", "SHORT", "Size"]

CLAIMS = (1.0, 3.0, 8.0)
#: Of all bounds of the table together.
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is run.

    Attributes:
        stores, customers: shops, and customers of each besides canaries.
        canaries: with directions of their own; baskets: with purchases.
        runs: of a likelihood-ratio audit of worst-case customers, each with several of them.
        customer_runs: of one of an ordinary customer.
        item_rounds, attribute_rounds: transcripts read.
        schema, params: of the runs with many canaries; audits of many runs always use the small ones.
    """

    stores: int
    customers: int
    canaries: int
    baskets: int
    runs: int
    customer_runs: int
    item_rounds: int
    attribute_rounds: int
    schema: FeatureSchema
    params: dict[str, float]


FULL = Size(
    stores=5,
    customers=20,
    canaries=1200,
    baskets=1000,
    runs=25,
    customer_runs=60,
    item_rounds=60,
    attribute_rounds=1000,
    schema=FeatureSchema(),
    params={},
)
#: A few minutes; for trying things. Its bounds are valid, but weak.
SHORT = Size(
    stores=4,
    customers=6,
    canaries=200,
    baskets=60,
    runs=8,
    customer_runs=20,
    item_rounds=40,
    attribute_rounds=200,
    schema=SMALL_SCHEMA,
    params=dict(SMALL_PARAMS),
)
