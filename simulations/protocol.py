"""The evaluation protocol: who and what counts, what is fitted on, what is to be predicted.

Shops: those with at least so many customers in the weeks 1 to `catalogue_until`. Products: those bought by
most (shop, customer) pairs in the same weeks, ties by product id. A unit is a (shop, customer) pair with a
purchase of such a product in the weeks fitted on. All products are ranked for each unit that buys one in the
weeks to predict.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array

from highstreet.models.schema import FeatureSchema
from highstreet.models.shop import Catalogue, Product, Purchases, ShopData
from highstreet.simulations.errors import InvalidSplitError
from highstreet.simulations.tables import PRODUCT_TEXTS, Tables

__all__ = [
    "REPORT",
    "TUNE",
    "Federation",
    "LabStore",
    "Protocol",
    "Split",
    "build_federation",
    "parse_weeks",
    "refuse_nobody_judged",
]

_LATEST_CATALOGUE_WEEK = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Weeks to fit on (1 to `fit_until`) and to predict (`predict_from` to `predict_until`)."""

    fit_until: int
    predict_from: int
    predict_until: int
    catalogue_until: int

    def __post_init__(self) -> None:
        if not 1 <= self.catalogue_until <= self.fit_until < self.predict_from <= self.predict_until:
            raise InvalidSplitError(
                f"Fitting on weeks 1 to {self.fit_until} (catalogue to {self.catalogue_until}) and "
                f"predicting weeks {self.predict_from} to {self.predict_until} is no split.",
                next_step="Predict weeks after those fitted on: --fit-until 40 --predict 41-45.",
            )

    @classmethod
    def rolling(
        cls, *, fit_until: int, predict: tuple[int, int], catalogue_until: int | None = None
    ) -> Split:
        """Return a split; shops and products are chosen on weeks up to 40 at most, as published."""
        chosen = min(_LATEST_CATALOGUE_WEEK, fit_until) if catalogue_until is None else catalogue_until
        return cls(
            fit_until=fit_until, predict_from=predict[0], predict_until=predict[1], catalogue_until=chosen
        )

    def __str__(self) -> str:
        return f"fit 1-{self.fit_until}, predict {self.predict_from}-{self.predict_until}"


TUNE = Split.rolling(fit_until=40, predict=(41, 45))
REPORT = Split.rolling(fit_until=45, predict=(46, 53))


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """How large the lab is.

    Attributes:
        split: the weeks.
        minimum_customers: of a shop, in the weeks the catalogue is chosen on.
        catalogue_size: number of products ranked, at most.
        link: `gtin` gives shops the bar codes of the products table; `descriptors` withholds them, so that
            shops can only recognise each other's products by their public attributes.
    """

    split: Split
    minimum_customers: int = 20
    catalogue_size: int = 5000
    link: str = "gtin"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabStore:
    """One shop of the lab: what it may learn from and what it is judged by.

    Attributes:
        store_id: of the shop.
        shop: purchases in the weeks fitted on.
        persons: int64 (customers,), a number per person, the same in every shop.
        targets: (customers, products), True where bought in the weeks to predict.
    """

    store_id: str
    shop: ShopData
    persons: NDArray[np.int64]
    targets: csr_array

    @property
    def judged(self) -> NDArray[np.int64]:
        """Rows of the customers with something to predict."""
        return np.flatnonzero(np.diff(self.targets.indptr)).astype(np.int64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Federation:
    """All shops of the lab under one protocol; the catalogue's rows are the same in each.

    Attributes:
        name, note: of the data set.
        protocol: shops, products, customers and weeks were chosen by.
        catalogue: every shop's.
        stores: shops that are judged.
        members: shops that train, where they are others than those judged; see `newcomers`.
    """

    name: str
    note: str
    protocol: Protocol
    catalogue: Catalogue
    stores: tuple[LabStore, ...]
    members: tuple[LabStore, ...] | None = None

    @property
    def training(self) -> tuple[LabStore, ...]:
        """The shops that train."""
        return self.stores if self.members is None else self.members

    @property
    def customers(self) -> int:
        """Number of (shop, customer) pairs."""
        return sum(len(store.persons) for store in self.stores)

    @property
    def units(self) -> int:
        """Number of (shop, customer) pairs that are judged."""
        return sum(len(store.judged) for store in self.stores)


def parse_weeks(text: str) -> tuple[int, int]:
    """Read `41-45`, or `41` for a single week.

    >>> parse_weeks("41-45")
    (41, 45)
    """
    match = re.fullmatch(r"\s*(\d{1,4})\s*(?:-\s*(\d{1,4})\s*)?", text)
    if match is None:
        raise InvalidSplitError(f"{text!r} is no range of weeks.", next_step="Write it as 41-45.")
    first = int(match[1])
    return first, int(match[2] or first)


def build_federation(tables: Tables, protocol: Protocol, schema: FeatureSchema) -> Federation:
    """Apply the protocol to a data set.

    Raises:
        InvalidSplitError: no shop is large enough, or nothing is bought in the weeks to predict.
    """
    split = protocol.split
    if split.predict_from > tables.last_week:
        raise InvalidSplitError(
            f"The data end in week {tables.last_week}, before week {split.predict_from}.",
            next_step="Choose --fit-until and --predict within the data.",
        )
    chosen = tables.orders.filter(pl.col("week") <= split.catalogue_until)
    stores = (
        chosen.group_by("store_id")
        .agg(pl.col("customer_id").n_unique().alias("customers"))
        .filter(pl.col("customers") >= protocol.minimum_customers)
        .select("store_id")
    )
    if stores.is_empty():
        raise InvalidSplitError(
            f"No shop has {protocol.minimum_customers} customers in weeks 1 to {split.catalogue_until}.",
            next_step="Choose a smaller --minimum-customers or a later --fit-until.",
        )
    products = _catalogue_products(chosen.join(stores, on="store_id", how="semi"), protocol)
    catalogue = Catalogue.build(schema, _products(tables, products, chosen, protocol))
    lines = tables.orders.join(stores, on="store_id", how="semi").join(
        products.with_row_index("item"), on="product_id", how="inner"
    )
    built = _stores(lines, tables, split, catalogue)
    note = tables.note
    if split.predict_until > tables.last_week:
        note += f"; the data end in week {tables.last_week}, before the last one to predict"
    federation = Federation(name=tables.name, note=note, protocol=protocol, catalogue=catalogue, stores=built)
    refuse_nobody_judged(federation)
    return federation


def refuse_nobody_judged(federation: Federation) -> None:
    """Return only when somebody in the shops that are judged has something to predict.

    Raises:
        InvalidSplitError: nobody has.
    """
    split = federation.protocol.split
    if not federation.units:
        raise InvalidSplitError(
            f"Nobody who bought in weeks 1 to {split.fit_until} buys anything in weeks "
            f"{split.predict_from} to {split.predict_until} in the shops that are judged.",
            next_step="Choose --fit-until and --predict within the data, or more shops.",
        )


def _catalogue_products(chosen: pl.DataFrame, protocol: Protocol) -> pl.DataFrame:
    """The products, by id and not by sales: row order breaks ties."""
    pairs = chosen.select("store_id", "customer_id", "product_id").unique()
    counted = pairs.group_by("product_id").len().with_columns(_sortable("product_id"))
    ranked = counted.sort(["len", "number", "product_id"], descending=[True, False, False])
    return ranked.head(protocol.catalogue_size).sort(["number", "product_id"]).select("product_id")


def _sortable(column: str) -> pl.Expr:
    """Numeric ids in numeric order, others behind them in text order."""
    return pl.col(column).cast(pl.Int64, strict=False).fill_null(2**62).alias("number")


def _products(
    tables: Tables, chosen: pl.DataFrame, lines: pl.DataFrame, protocol: Protocol
) -> tuple[Product, ...]:
    """Products in the order chosen; a missing price is the median one paid in the same weeks."""
    paid = lines.group_by("product_id").agg(pl.col("unit_price").median().alias("paid"))
    rows = (
        chosen.join(tables.products, on="product_id", how="left", maintain_order="left")
        .join(paid, on="product_id", how="left", maintain_order="left")
        .with_columns(price=pl.coalesce("price", "paid"))
    )
    if protocol.link == "descriptors":
        rows = rows.with_columns(gtin=pl.lit(""))
    return tuple(
        Product(
            product_id=row["product_id"], price=row["price"], **{name: row[name] for name in PRODUCT_TEXTS}
        )
        for row in rows.iter_rows(named=True)
    )


def _stores(lines: pl.DataFrame, tables: Tables, split: Split, catalogue: Catalogue) -> tuple[LabStore, ...]:
    as_of = tables.day_number(split.fit_until + 1)
    persons = lines.select(pl.col("person_id").unique().sort()).with_row_index("person")
    lines = lines.join(persons, on="person_id").with_columns(_sortable("store_id"))
    groups = lines.sort(["number", "store_id"], maintain_order=True).partition_by(
        "store_id", maintain_order=True, as_dict=True
    )
    built = (_store(str(key[0]), frame, split, catalogue, as_of) for key, frame in groups.items())
    return tuple(store for store in built if store is not None)


def _store(
    store_id: str, lines: pl.DataFrame, split: Split, catalogue: Catalogue, as_of: int
) -> LabStore | None:
    fitted = lines.filter(pl.col("week") <= split.fit_until)
    if fitted.is_empty():
        return None
    customers = (
        fitted.group_by("customer_id")
        .agg(pl.col("person").first())
        .with_columns(_sortable("customer_id"))
        .sort(["number", "customer_id"])
        .select("customer_id", "person")
        .with_row_index("row")
    )
    rows = customers.select("customer_id", "row")
    fitted = fitted.join(rows, on="customer_id").sort(["row", "day", "item"])
    later = lines.filter(pl.col("week").is_between(split.predict_from, split.predict_until)).join(
        rows, on="customer_id"
    )
    wanted = later.select("row", "item").unique().sort(["row", "item"])
    shape = (len(customers), len(catalogue))
    shop = ShopData(
        catalogue=catalogue,
        purchases=Purchases.of(
            fitted["row"].to_numpy(),
            fitted["item"].to_numpy(),
            fitted["day"].cast(pl.Int32).to_numpy(),
            fitted["quantity"].to_numpy(),
        ),
        customer_ids=tuple(customers["customer_id"]),
        as_of=as_of,
    )
    place = (wanted["row"].to_numpy(), wanted["item"].to_numpy())
    targets = csr_array((np.ones(len(wanted), dtype=np.bool_), place), shape=shape)
    return LabStore(
        store_id=store_id, shop=shop, persons=customers["person"].to_numpy().astype(np.int64), targets=targets
    )
