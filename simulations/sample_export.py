"""One shop's exports for the sample co-op: products, customers with drawn consent answers, order lines.

Each shop has ids of its own for products, customers and orders, numbered in an order of its own, so that no
id means anything in another shop.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import polars as pl

__all__ = ["CONSENT_RATES", "CONSENT_SEED", "CONSENT_SOURCE", "shop_tables"]

CONSENT_SEED = 20170101
#: Chance of a yes, by column of customers.csv.
CONSENT_RATES = {"consent_suggestions": 0.95, "consent_shop_model": 0.95, "consent_coop_learning": 0.85}
CONSENT_SOURCE = f"drawn with public seed {CONSENT_SEED}, nobody was asked"
_CONSENT_AT = "2017-01-01T00:00:00Z"
_TEXTS = ("title", "category", "product_type", "brand", "maker", "size")


def shop_tables(
    own: pl.DataFrame, products: pl.DataFrame, *, shop: str, until_week: int, stand_in_gtin: bool
) -> Mapping[str, pl.DataFrame]:
    """Return the tables of one shop by file name: products, customers, orders, holdout_orders.

    Args:
        own: the shop's order lines, as `journey.journey_lines` gives them.
        products: as `journey.journey_products` gives them.
        shop: its name, the beginning of every id.
        until_week: last week of orders; later lines of the same customers and products go to holdout_orders.
        stand_in_gtin: fill `gtin` with demonstration bar codes, else leave it empty.
    """
    past = own.filter(pl.col("week") <= until_week)
    customers = _renumber(past, "household_id", shop=shop, letter="C", digits=4)
    items = _renumber(past, "product_id", shop=shop, letter="", digits=6)
    order_ids = own.sort(["ordered_at", "basket_id"]).select(pl.col("basket_id").unique(maintain_order=True))
    baskets = _numbered(order_ids, "basket_id", shop=shop, letter="R", digits=6)
    named = own.join(customers, on="household_id").join(items, on="product_id").join(baskets, on="basket_id")
    return {
        "products": _products(past, products, items, stand_in_gtin=stand_in_gtin),
        "customers": _consents(customers["household_id_shop"].to_list()),
        "orders": _order_lines(named.filter(pl.col("week") <= until_week)),
        "holdout_orders": _order_lines(named.filter(pl.col("week") > until_week)),
    }


def _order_lines(named: pl.DataFrame) -> pl.DataFrame:
    """One line per order and product."""
    pieces = pl.col("quantity").sum()
    keys = {"order_id": "basket_id_shop", "customer_id": "household_id_shop", "product_id": "product_id_shop"}
    return (
        named.group_by(pl.col(old).alias(new) for new, old in keys.items())
        .agg(
            pl.col("ordered_at").min().dt.strftime("%Y-%m-%dT%H:%M:%S"),
            pieces,
            ((pl.col("unit_price") * pl.col("quantity")).sum() / pieces).round(2).alias("unit_price"),
            pl.col("discount").sum().round(2),
        )
        .sort("order_id", "product_id")
        .select("order_id", "ordered_at", "customer_id", "product_id", "quantity", "unit_price", "discount")
    )


def _renumber(lines: pl.DataFrame, column: str, *, shop: str, letter: str, digits: int) -> pl.DataFrame:
    """The shop's own ids, in an order that differs from shop to shop."""
    values = lines[column].unique().to_list()
    mixed = sorted(values, key=lambda value: hashlib.sha256(f"{shop} {column} {value}".encode()).digest())
    return _numbered(pl.DataFrame({column: mixed}), column, shop=shop, letter=letter, digits=digits)


def _numbered(old: pl.DataFrame, column: str, *, shop: str, letter: str, digits: int) -> pl.DataFrame:
    new = [f"{shop}-{letter}{number:0{digits}d}" for number in range(1, len(old) + 1)]
    return old.with_columns(pl.Series(f"{column}_shop", new, dtype=pl.String))


def _products(
    past: pl.DataFrame, products: pl.DataFrame, items: pl.DataFrame, *, stand_in_gtin: bool
) -> pl.DataFrame:
    price = past.group_by("product_id").agg(pl.col("unit_price").median().round(2).alias("price"))
    return (
        items.join(products, on="product_id")
        .join(price, on="product_id")
        .sort("product_id_shop")
        .select(
            pl.col("product_id_shop").alias("product_id"),
            *(_not_a_formula(name) for name in _TEXTS),
            "price",
            gtin=pl.col("gtin") if stand_in_gtin else pl.lit(""),
        )
    )


def _not_a_formula(column: str) -> pl.Expr:
    """A text that a spreadsheet would run as a formula loses the sign it begins with."""
    return pl.col(column).str.strip_chars_start("=+-@\t\r ")


def _consents(customer_ids: Sequence[str]) -> pl.DataFrame:
    answers = {
        column: ["yes" if _draw(column, customer) < rate else "no" for customer in customer_ids]
        for column, rate in CONSENT_RATES.items()
    }
    frame = pl.DataFrame({"customer_id": list(customer_ids), **answers})
    return frame.with_columns(
        consent_source=pl.lit(CONSENT_SOURCE), consent_recorded_at=pl.lit(_CONSENT_AT)
    ).sort("customer_id")


def _draw(column: str, customer: str) -> float:
    """A number in [0, 1) that anybody can draw again."""
    digest = hashlib.sha256(f"{CONSENT_SEED} {column} {customer}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2.0**64
