"""A shop's own data, in the shape the recommender computes with: catalogue, purchases, customers.

Nothing in here is computed from several customers (no popularity, no counts over people): whatever a shared
sum is made of must depend on one customer's own data and on public values only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from highstreet.models.customer_groups import ATTRIBUTES
from highstreet.models.errors import InvalidShopDataError
from highstreet.models.schema import FIELDS, FeatureSchema

__all__ = ["Catalogue", "Product", "Purchases", "ShopData"]

IntArray = NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One row of a shop's catalogue: public attributes as raw text; any but the id may be empty.

    Attributes:
        product_id: the shop's own id (SKU); never leaves the shop.
        title, category, product_type, brand, maker, size: raw text.
        price: typical shelf price, None when unknown.
        gtin: bar code digits, empty when none.
    """

    product_id: str
    title: str = ""
    category: str = ""
    product_type: str = ""
    brand: str = ""
    maker: str = ""
    size: str = ""
    price: float | None = None
    gtin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Catalogue:
    """A shop's products as columns in the public feature space of a schema.

    Attributes:
        product_ids: the shop's own ids, row by row.
        shared_key: int64 (n,), bucket of the product's public key; 0 when it has none.
        category, product_type, brand, maker, size, price_band: int32 (n,), bucket per field; 0 when not
            given.
    """

    product_ids: tuple[str, ...]
    shared_key: NDArray[np.int64]
    category: IntArray
    product_type: IntArray
    brand: IntArray
    maker: IntArray
    size: IntArray
    price_band: IntArray

    def __post_init__(self) -> None:
        for name in ("shared_key", *FIELDS, "price_band"):
            if getattr(self, name).shape != (len(self.product_ids),):
                raise InvalidShopDataError(
                    f"The catalogue's column {name} does not have one value per product."
                )

    def __len__(self) -> int:
        return len(self.product_ids)

    def column(self, name: str) -> IntArray:
        """Return a field's buckets by the field's name."""
        return np.asarray(getattr(self, name))

    @classmethod
    def build(cls, schema: FeatureSchema, products: Iterable[Product]) -> Catalogue:
        """Put products into the schema's buckets, in the order given."""
        rows = list(products)
        columns = {
            name: np.array([schema.bucket(name, getattr(row, name)) for row in rows], dtype=np.int32)
            for name in FIELDS
        }
        keys = [
            schema.shared_key(gtin=row.gtin, descriptors=tuple(getattr(row, name) for name in FIELDS))
            for row in rows
        ]
        return cls(
            product_ids=tuple(row.product_id for row in rows),
            shared_key=np.array(keys, dtype=np.int64),
            price_band=np.array([schema.price_band(row.price) for row in rows], dtype=np.int32),
            **columns,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Purchases:
    """Order lines as columns of equal length.

    Attributes:
        customer: int32 (m,), row of the customer in `ShopData.customer_ids`.
        item: int32 (m,), row of the product in the catalogue.
        day: int32 (m,), days since 1970-01-01.
        quantity: float32 (m,), above zero.
    """

    customer: IntArray
    item: IntArray
    day: IntArray
    quantity: NDArray[np.float32]

    def __post_init__(self) -> None:
        if not self.customer.shape == self.item.shape == self.day.shape == self.quantity.shape:
            raise InvalidShopDataError("The columns of the purchases differ in length.")

    def __len__(self) -> int:
        return len(self.customer)

    @classmethod
    def of(cls, customer: object, item: object, day: object, quantity: object) -> Purchases:
        """Build purchases from anything numpy takes as a column."""
        return cls(
            customer=np.asarray(customer, dtype=np.int32),
            item=np.asarray(item, dtype=np.int32),
            day=np.asarray(day, dtype=np.int32),
            quantity=np.asarray(quantity, dtype=np.float32),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShopData:
    """What one shop's model is computed from.

    Attributes:
        catalogue: the shop's products.
        purchases: order lines of the customers below; the order of lines carries no meaning.
        customer_ids: the shop's own ids, row by row.
        as_of: days since 1970-01-01; only purchases on earlier days count.
        weights: float64 (customers,), in [0, 1]: how much of a customer's clipped contribution counts in a
            shared sum (0: as if not there); None for all of everybody's. Of no account to the shop's own
            model.
        groups: by name of a declared attribute (`models.customer_groups`), int64 (customers,): the index of
            each customer's cell, 0 where it is not known. Only those that were asked for.
    """

    catalogue: Catalogue
    purchases: Purchases
    customer_ids: tuple[str, ...]
    as_of: int
    weights: NDArray[np.float64] | None = None
    groups: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._check_weights()
        self._check_groups()
        bought = self.purchases
        if len(bought) == 0:
            return
        if bought.customer.min() < 0 or bought.customer.max() >= len(self.customer_ids):
            raise InvalidShopDataError("A purchase names a customer row that does not exist.")
        if bought.item.min() < 0 or bought.item.max() >= len(self.catalogue):
            raise InvalidShopDataError("A purchase names a catalogue row that does not exist.")

    def select(self, customers: NDArray[np.integer]) -> ShopData:
        """Return only these distinct customer rows, renumbered as given; the catalogue stays whole."""
        rows = np.asarray(customers, dtype=np.int64)
        if rows.size and (rows.min() < 0 or rows.max() >= len(self.customer_ids)):
            raise InvalidShopDataError("A selected customer row does not exist.")
        if len(np.unique(rows)) != len(rows):
            raise InvalidShopDataError("A customer row was selected twice.")
        renumbered = np.full(len(self.customer_ids), -1, dtype=np.int32)
        renumbered[rows] = np.arange(len(rows), dtype=np.int32)
        new = renumbered[self.purchases.customer]
        kept = new >= 0
        return ShopData(
            catalogue=self.catalogue,
            purchases=Purchases(
                customer=new[kept],
                item=self.purchases.item[kept],
                day=self.purchases.day[kept],
                quantity=self.purchases.quantity[kept],
            ),
            customer_ids=tuple(self.customer_ids[row] for row in rows),
            as_of=self.as_of,
            weights=None if self.weights is None else self.weights[rows],
            groups={name: column[rows] for name, column in self.groups.items()},
        )

    def before(self, day: int) -> ShopData:
        """Return the same shop as it stood at the beginning of a day: later purchases are left out."""
        kept = self.purchases.day < day
        bought = self.purchases
        return ShopData(
            catalogue=self.catalogue,
            purchases=Purchases(
                customer=bought.customer[kept],
                item=bought.item[kept],
                day=bought.day[kept],
                quantity=bought.quantity[kept],
            ),
            customer_ids=self.customer_ids,
            as_of=min(day, self.as_of),
            weights=self.weights,
            groups=self.groups,
        )

    def _check_groups(self) -> None:
        for name, column in self.groups.items():
            attribute = ATTRIBUTES.get(name)
            if attribute is None or not attribute.is_declared:
                raise InvalidShopDataError("A shop's customers are grouped by an attribute nobody declares.")
            if column.shape != (len(self.customer_ids),) or column.dtype != np.int64:
                raise InvalidShopDataError("A shop's groups must be one whole number per customer.")
            if len(column) and not (column.min() >= 0 and column.max() <= len(attribute.cells)):
                raise InvalidShopDataError("A customer is in a group that does not exist.")

    def _check_weights(self) -> None:
        if self.weights is None:
            return
        if self.weights.shape != (len(self.customer_ids),) or self.weights.dtype != np.float64:
            raise InvalidShopDataError("A shop's weights must be one double-precision number per customer.")
        if not ((self.weights >= 0) & (self.weights <= 1)).all():
            raise InvalidShopDataError("A customer's weight must lie between 0 and 1.")
