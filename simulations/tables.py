"""Canonical tables: the three files any data set is given to the lab as.

A folder holds `orders` and `products`, and perhaps `customers`, each as `.csv` or `.parquet`, with these
columns (more are ignored, the order does not matter):

    orders      customer_id   text      who bought                                            required
                product_id    text      what                                                  required
                ordered_at    when      ISO date or date-time in shop-local time, a parquet date or
                                        date-time, or whole Unix seconds                      required
                store_id      text      at which shop; without it everything is one shop
                quantity      number    1 when missing; lines of 0 or less are left out (returns)
                unit_price    number    shelf price paid per piece, gives `price` where products have none
    products    product_id    text      unique                                                required
                title, category, product_type, brand, maker, size, gtin    text               may be missing
                price         number    shelf price                                           may be missing
    customers   customer_id   text      unique                                                required
                person_id     text      who it is across shops; without it the same customer_id in two
                                        shops is the same person

Weeks are counted from 1; week 1 begins on the Monday on or before the first order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from highstreet.simulations.errors import InvalidTableError

__all__ = ["PRODUCT_TEXTS", "Tables", "load_tables", "tables_of"]

PRODUCT_TEXTS = ("title", "category", "product_type", "brand", "maker", "size", "gtin")
#: The first and last second of the years 1 to 9999, which is what dates can be.
_SECONDS = (-62_135_596_800, 253_402_300_799)
_SEE = "The columns are listed by `highstreet lab schema`."


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tables:
    """A data set in canonical form, checked.

    Attributes:
        name: of the data set, shown beside every figure.
        note: what a reader must know about where it comes from.
        orders: store_id, person_id, customer_id, product_id (text), day (date), week (from 1), quantity,
        unit_price. products: product_id, the texts, price; one row per product that occurs in orders.
        first_monday: the day week 1 begins.
    """

    name: str
    note: str
    orders: pl.DataFrame
    products: pl.DataFrame
    first_monday: date

    @property
    def last_week(self) -> int:
        """The last week with an order."""
        return int(self.orders["week"].max() or 0)  # type: ignore[arg-type]  # an integer column

    def day_number(self, week: int) -> int:
        """Return the days since 1970-01-01 of the Monday a week begins."""
        return (self.first_monday - date(1970, 1, 1)).days + 7 * (week - 1)


def load_tables(folder: Path) -> Tables:
    """Read and check a folder of canonical tables.

    Raises:
        InvalidTableError: a file or column is missing, a value cannot be what its column says; the message
            names the file, the column and the first line at fault.
    """
    if not folder.is_dir():
        raise InvalidTableError(
            f"{folder} is not a folder.", next_step=f"Give a folder with orders and products tables. {_SEE}"
        )
    customers = _find(folder, "customers")
    return tables_of(
        name=folder.resolve().name,
        note="given as canonical tables",
        orders=_read(_require(folder, "orders")),
        products=_read(_require(folder, "products")),
        customers=None if customers is None else _read(customers),
    )


def tables_of(
    *,
    name: str,
    note: str,
    orders: pl.DataFrame,
    products: pl.DataFrame,
    customers: pl.DataFrame | None = None,
) -> Tables:
    """Check frames with the columns above and put them into canonical form."""
    lines = _canonical_orders(orders)
    if lines.is_empty():
        raise InvalidTableError("orders holds no line with a quantity above zero.", next_step=_SEE)
    lines = _with_persons(lines, customers)
    first = lines["day"].min()
    if not isinstance(first, date):
        raise InvalidTableError("orders: no line has a usable ordered_at.", next_step=_SEE)
    monday = first - timedelta(days=first.weekday())
    since = (pl.col("day") - pl.lit(monday)).dt.total_days()
    lines = lines.with_columns(week=(since // 7 + 1).cast(pl.Int32))
    return Tables(
        name=name,
        note=note,
        orders=lines,
        products=_canonical_products(products, lines),
        first_monday=monday,
    )


def _canonical_orders(orders: pl.DataFrame) -> pl.DataFrame:
    _require_columns(orders, "orders", ("customer_id", "product_id", "ordered_at"))
    quantity = _numbers(orders, "orders", "quantity", default=1.0)
    store = _ids(orders, "orders", "store_id") if "store_id" in orders.columns else pl.lit("shop")
    return orders.select(
        store_id=store,
        customer_id=_ids(orders, "orders", "customer_id"),
        product_id=_ids(orders, "orders", "product_id"),
        day=_days(orders),
        quantity=quantity,
        unit_price=_numbers(orders, "orders", "unit_price", default=None),
    ).filter(pl.col("quantity") > 0)


def _canonical_products(products: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    _require_columns(products, "products", ("product_id",))
    texts = [
        (_cast(products, "products", name, pl.String()) if name in products.columns else pl.lit(""))
        .fill_null("")
        .alias(name)
        for name in PRODUCT_TEXTS
    ]
    known = products.select(
        _ids(products, "products", "product_id"),
        *texts,
        price=_numbers(products, "products", "price", default=None),
    )
    _refuse_duplicates(known, "products", "product_id")
    ordered = lines.select(pl.col("product_id").unique().sort())
    complete = ordered.join(known, on="product_id", how="left", maintain_order="left")
    return complete.with_columns(pl.col(name).fill_null("") for name in PRODUCT_TEXTS)


def _with_persons(lines: pl.DataFrame, customers: pl.DataFrame | None) -> pl.DataFrame:
    if customers is None or "person_id" not in customers.columns:
        return lines.with_columns(person_id=pl.col("customer_id"))
    _require_columns(customers, "customers", ("customer_id",))
    known = customers.select(
        _ids(customers, "customers", "customer_id"), _ids(customers, "customers", "person_id")
    )
    _refuse_duplicates(known, "customers", "customer_id")
    return lines.join(known, on="customer_id", how="left").with_columns(
        pl.col("person_id").fill_null(pl.col("customer_id"))
    )


def _days(orders: pl.DataFrame) -> pl.Series:
    column = orders["ordered_at"]
    if column.dtype == pl.Date:
        days = column
    elif isinstance(column.dtype, pl.Datetime):
        days = column.dt.date()
    elif column.dtype.is_integer():
        days = _days_of_seconds(column)
    elif column.dtype == pl.String:
        text = column.str.strip_chars()
        # A CSV file holds seconds as digits, like everything else.
        seconds = _days_of_seconds(text.cast(pl.Int64, strict=False))
        days = text.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False).fill_null(seconds)
    else:
        raise InvalidTableError(
            f"orders: ordered_at has type {column.dtype}, which is no date.", next_step=_SEE
        )
    _refuse(days.is_null(), "orders", "ordered_at", "is not an ISO date, a date-time or Unix seconds")
    return days.alias("day")


def _days_of_seconds(seconds: pl.Series) -> pl.Series:
    """Days of whole Unix seconds; none where there is no such day, as of milliseconds taken for seconds."""
    known = pl.DataFrame({"at": seconds.cast(pl.Int64, strict=False)}).with_columns(
        pl.when(pl.col("at").is_between(*_SECONDS)).then(pl.col("at")).alias("at")
    )
    return pl.from_epoch(known["at"], time_unit="s").dt.date()


def _cast(frame: pl.DataFrame, table: str, column: str, wanted: pl.DataType) -> pl.Series:
    """A column as text or numbers, missing where a value is neither; lists and bytes are refused."""
    try:
        return frame[column].cast(wanted, strict=False)
    except pl.exceptions.PolarsError as error:
        raise InvalidTableError(
            f"{table}: {column} has type {frame[column].dtype}, which is neither text nor a number.",
            next_step=_SEE,
        ) from error


def _ids(frame: pl.DataFrame, table: str, column: str) -> pl.Series:
    text = _cast(frame, table, column, pl.String()).str.strip_chars()
    _refuse(text.is_null() | (text == ""), table, column, "is empty")
    return text


def _numbers(frame: pl.DataFrame, table: str, column: str, *, default: float | None) -> pl.Series:
    if column not in frame.columns:
        return pl.Series(column, [default], dtype=pl.Float64).new_from_index(0, len(frame))
    raw = frame[column]
    if raw.dtype == pl.String:
        raw = raw.str.strip_chars().replace("", None)
    values = _cast(raw.to_frame(), table, column, pl.Float64())
    odd = (values.is_null() & raw.is_not_null()) | ~values.is_finite().fill_null(True)
    _refuse(odd, table, column, "is not a number")
    if column in ("price", "unit_price"):
        _refuse((values < 0).fill_null(False), table, column, "is below zero")
    return values if default is None else values.fill_null(default)


def _refuse(wrong: pl.Series, table: str, column: str, fact: str) -> None:
    count = int(wrong.sum())
    if count:
        first = int(wrong.arg_max() or 0) + 1
        raise InvalidTableError(
            f"{table}: {column} {fact} in {count} row{'s' if count > 1 else ''}, first in data row {first}.",
            next_step="Mend or remove these rows and run again.",
        )


def _refuse_duplicates(frame: pl.DataFrame, table: str, column: str) -> None:
    _refuse(frame[column].is_duplicated(), table, column, "occurs more than once")


def _require_columns(frame: pl.DataFrame, table: str, columns: Sequence[str]) -> None:
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise InvalidTableError(
            f"{table}: column{'s' if len(missing) > 1 else ''} {', '.join(missing)} missing; "
            f"there are {', '.join(frame.columns[:12])}.",
            next_step=f"Rename or add the columns. {_SEE}",
        )


def _find(folder: Path, table: str) -> Path | None:
    places = [folder / f"{table}{ending}" for ending in (".parquet", ".csv")]
    found = [place for place in places if place.is_file()]
    if len(found) > 1:
        raise InvalidTableError(
            f"{folder} holds both {found[0].name} and {found[1].name}.", next_step="Keep one of the two."
        )
    return found[0] if found else None


def _require(folder: Path, table: str) -> Path:
    found = _find(folder, table)
    if found is None:
        raise InvalidTableError(f"{folder} holds no {table}.csv or {table}.parquet.", next_step=_SEE)
    return found


def _read(path: Path) -> pl.DataFrame:
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path, glob=False)  # a folder's name may hold brackets
        return pl.read_csv(path, infer_schema=False, glob=False)
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        raise InvalidTableError(
            f"{path} cannot be read as {path.suffix[1:]}.",
            next_step="Check that the file is whole and in UTF-8.",
        ) from error
