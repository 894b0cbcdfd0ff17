"""Who is who and which product is of what class, for the lab's tables of bias: from the data themselves.

The Complete Journey says age, household size and income of about a third of its households. Classes of
products come from what was really sold, without noise, so that they are the same for every condition.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from highstreet.models.baselines import bought
from highstreet.models.bias_rows import cells_of_purchases
from highstreet.models.customer_groups import ATTRIBUTES, cell_of
from highstreet.models.exposure import popularity_tenths, price_classes, private_label
from highstreet.models.history import Timeline
from highstreet.models.schema import FeatureSchema
from highstreet.simulations.journey import read_journey
from highstreet.simulations.protocol import Federation, LabStore
from highstreet.simulations.summary import SIZE_EDGES

__all__ = ["CELLS", "DECLARED_HERE", "ProductClasses", "groups_of_units", "product_classes", "with_groups"]

#: Attributes of customers that the data set says something about, and its columns.
DECLARED_HERE = {"age_band": "age", "household_size": "household_size", "income_band": "income"}
_SIZES = tuple(f"{low}_to_{high - 1}" for low, high in pairwise(SIZE_EDGES[1:]))
#: Every way of dividing judged pairs here, and its cells by index: those of customers, and the shop's size.
CELLS: dict[str, tuple[str, ...]] = {
    **{name: attribute.all_cells for name, attribute in ATTRIBUTES.items()},
    "shop_customers": (f"under_{SIZE_EDGES[1]}", *_SIZES, f"{SIZE_EDGES[-1]}_or_more"),
}
_SMALL_SHARE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProductClasses:
    """Classes of products, one entry per catalogue row; -1 for none.

    Attributes:
        small, private: 0 where it is from a small supplier, or of private label.
        price: place in `exposure.PRICE_CLASSES`.
        tenth: by number of customers, the least popular tenth first.
        category: of the schema, renumbered.
    """

    small: NDArray[np.int64]
    private: NDArray[np.int64]
    price: NDArray[np.int64]
    tenth: NDArray[np.int64]
    category: NDArray[np.int64]


def with_groups(federation: Federation) -> Federation:
    """Return the federation with what the Complete Journey says of its households, where it says anything."""
    table = read_journey("demographics").with_columns(pl.col("household_id").cast(pl.String))
    cells = {
        name: {
            household: ATTRIBUTES[name].all_cells.index(cell_of(name, said) or "unknown")
            for household, said in table.select("household_id", pl.col(column).cast(pl.String)).iter_rows()
            if said is not None
        }
        for name, column in DECLARED_HERE.items()
    }

    def grouped(store: LabStore) -> LabStore:
        groups = {
            name: np.array([known.get(one, 0) for one in store.shop.customer_ids], dtype=np.int64)
            for name, known in cells.items()
        }
        return replace(store, shop=replace(store.shop, groups=groups))

    return replace(federation, stores=tuple(grouped(store) for store in federation.stores))


def groups_of_units(federation: Federation) -> dict[str, NDArray[np.int64]]:
    """Return by name in CELLS the cell of each judged pair, in the order of `judging.units_of`."""
    columns: dict[str, list[NDArray[np.int64]]] = {}
    for store in federation.stores:
        rows = store.judged
        size = np.searchsorted(SIZE_EDGES, len(store.persons), side="right") - 1
        every = {"shop_customers": np.full(len(store.persons), size, dtype=np.int64)}
        for name, column in {**store.shop.groups, **_from_purchases(store), **every}.items():
            columns.setdefault(name, []).append(column[rows])
    return {name: np.concatenate(parts) for name, parts in columns.items()}


def _from_purchases(store: LabStore) -> dict[str, NDArray[np.int64]]:
    """The cells that follow from a customer's own purchases, as the bias phase has them."""
    past = Timeline(store.shop).before(store.shop.as_of, np.arange(len(store.persons)), ())
    return {name: cells_of_purchases(name, past) for name in ("history", "tenure")}


def product_classes(federation: Federation, schema: FeatureSchema) -> ProductClasses:
    """Class the catalogue by its attributes and by what was sold in the weeks fitted on."""
    catalogue = federation.catalogue
    customers = np.zeros(len(catalogue))
    for store in federation.stores:
        customers += np.asarray((bought(store.shop) > 0).sum(axis=0)).ravel()
    makers, maker = np.unique(catalogue.maker, return_inverse=True)
    sold = np.bincount(maker, weights=np.where(catalogue.maker > 0, customers, 0.0), minlength=len(makers))
    order = np.argsort(sold, kind="stable")
    small_makers = np.zeros(len(makers), dtype=bool)
    small_makers[order[np.cumsum(sold[order]) <= _SMALL_SHARE * sold.sum()]] = True
    is_small = small_makers[maker] & (catalogue.maker > 0)
    used, category = np.unique(catalogue.category, return_inverse=True)
    return ProductClasses(
        small=np.where(is_small, 0, -1),
        private=np.where(private_label(schema, catalogue), 0, -1),
        price=price_classes(schema, catalogue),
        tenth=popularity_tenths(customers),
        category=np.where(used[category] > 0, category, -1),
    )
