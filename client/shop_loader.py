"""The shop loader: consented customers' purchases and the catalogue, as models compute with them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

import numpy as np

from highstreet.audit.consent import Channel, Purpose
from highstreet.client.consented_cohort import ConsentedCohort, sensitive_granted, still_granted
from highstreet.client.customer_attributes import groups_of
from highstreet.client.special_products import is_judged_by_title, read_special_products
from highstreet.client.vault import Vault
from highstreet.models.schema import FeatureSchema
from highstreet.models.shop import Catalogue, Product, Purchases, ShopData

__all__ = [
    "MONEY_UNIT",
    "LoadedShop",
    "day_number",
    "judged_by_title",
    "load_consented",
    "load_products",
    "load_shop",
    "special_products",
]

#: Steps of stored money in one unit of currency.
MONEY_UNIT = 10_000
_SECONDS_A_DAY = 86_400
_EPOCH = date(1970, 1, 1)

_PURCHASES = """
    SELECT o.customer, l.product, o.ordered_at / 86400, l.quantity
    FROM orders AS o JOIN lines AS l ON l."order" = o."order"
    WHERE o.customer IN (SELECT value FROM json_each(?)) AND o.ordered_at < ?
"""
_PRODUCTS = """
    SELECT product, product_id, title, category, product_type, brand, maker, size, price, gtin
    FROM products WHERE listed = 1 ORDER BY product_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedShop:
    """A cohort's data, and the consent it was loaded under, of one state of the vault.

    Attributes:
        data: as models compute with it.
        sensitive: row keys of those of the cohort whose purchases of a sensitive kind are in it.
    """

    data: ShopData
    sensitive: frozenset[int]


def day_number(day: date) -> int:
    """Return days since 1970-01-01."""
    return (day - _EPOCH).days


def load_products(connection: sqlite3.Connection) -> tuple[list[int], list[Product]]:
    """Return the listed products' row keys and the products beside them, in the order of the shop's own ids.

    That order is public. The order of row keys is not: a product that was sold before it was listed has its
    key from the first sale, so one customer could turn the whole catalogue around.
    """
    keys, products = [], []
    for key, product_id, *texts, price, gtin in connection.execute(_PRODUCTS):
        title, category, product_type, brand, maker, size = texts
        keys.append(key)
        products.append(
            Product(
                product_id=product_id,
                title=title,
                category=category,
                product_type=product_type,
                brand=brand,
                maker=maker,
                size=size,
                price=None if price is None else price / MONEY_UNIT,
                gtin=gtin,
            )
        )
    return keys, products


def special_products(vault: Vault) -> frozenset[str]:
    """Return the shop's own ids of the listed products of a sensitive kind.

    Raises:
        StoreConfigError: the shop's list of them cannot be read.
    """
    special = read_special_products(vault.path.parent)
    with vault.read() as connection:
        _, products = load_products(connection)
    return frozenset(product.product_id for product in products if special.kind_of(product) is not None)


def judged_by_title(vault: Vault) -> int:
    """Count the listed products of which only the title says whether they are special."""
    with vault.read() as connection:
        _, products = load_products(connection)
    return sum(map(is_judged_by_title, products))


def load_shop(
    vault: Vault,
    cohort: ConsentedCohort,
    schema: FeatureSchema,
    as_of: date,
    *,
    purpose: Purpose,
    channel: Channel = Channel.EVERYWHERE,
    only: frozenset[int] | None = None,
    attributes: Collection[str] = (),
) -> ShopData:
    """Load what a cohort's customers bought before a day, and the whole listed catalogue.

    Every customer of the cohort who has not withdrawn is there, with or without purchases, and nobody else. A
    customer is named by the vault's row key in decimal digits (`ShopData.customer_ids`), never by the
    shop's name for them. Products that no file of products lists are left out, so that the catalogue says
    nothing about purchases. Purchases of special products are there only for customers who agreed to that
    too; the catalogue is the same for all.

    Args:
        vault: the shop's data.
        cohort: from `ConsentDesk.cohort`.
        schema: the public feature space.
        as_of: only orders before this day count. For anything that leaves the shop it must be a public day,
            never one computed from orders.
        purpose: what the data is loaded for; the cohort was made for it.
        channel: where what is made of it is shown; the cohort was made for that channel.
        only: of the cohort, only these row keys; all of it when None.
        attributes: what to load of customers beside purchases (`models.customer_groups`): what is measured
            and nothing more.

    Raises:
        WrongPurposeError: the cohort was made for something else, or another channel; nothing is read.
        ForgedCohortError, CohortExpiredError, InconsistentConsentLogError: nothing is loaded.
        StoreConfigError: the shop's list of special products cannot be read; nothing is loaded.
    """
    return load_consented(
        vault, cohort, schema, as_of, purpose=purpose, channel=channel, only=only, attributes=attributes
    ).data


def load_consented(
    vault: Vault,
    cohort: ConsentedCohort,
    schema: FeatureSchema,
    as_of: date,
    *,
    purpose: Purpose,
    channel: Channel = Channel.EVERYWHERE,
    only: frozenset[int] | None = None,
    attributes: Collection[str] = (),
) -> LoadedShop:
    """Load as `load_shop`, and say under which consent: who agreed is read in the transaction of the rows.

    Asked for afterwards, who withdrew in between would seem never to have been in it.

    Raises: as `load_shop`.
    """
    with vault.read() as connection:
        granted = still_granted(cohort, vault, connection, purpose, channel=channel)
        sensitive = sensitive_granted(cohort, vault, connection, purpose, channel=channel)
        special = read_special_products(vault.path.parent)
        wanted = granted if only is None else [customer for customer in granted if customer in only]
        customers = np.array(wanted, dtype=np.int64)
        keys, products = load_products(connection)
        groups = groups_of(
            cohort, vault, connection, customers, purpose=purpose, channel=channel, attributes=attributes
        )
        rows = connection.execute(
            _PURCHASES, (json.dumps(customers.tolist()), day_number(as_of) * _SECONDS_A_DAY)
        ).fetchall()
    hidden = {
        key for key, product in zip(keys, products, strict=True) if special.kind_of(product) is not None
    }
    data = ShopData(
        catalogue=Catalogue.build(schema, products),
        purchases=_purchases(_usable(rows, hidden, sensitive), customers, np.array(keys, dtype=np.int64)),
        customer_ids=tuple(str(key) for key in customers.tolist()),
        as_of=day_number(as_of),
        groups=groups,
    )
    return LoadedShop(data=data, sensitive=sensitive.intersection(wanted))


def _usable(
    rows: list[tuple[int, int, int, float]], hidden: set[int], sensitive: frozenset[int]
) -> list[tuple[int, int, int, float]]:
    """Leave out purchases of a sensitive kind by customers who did not agree to those."""
    return [row for row in rows if row[1] not in hidden or row[0] in sensitive]


def _purchases(
    rows: list[tuple[int, int, int, float]], customers: np.ndarray, products: np.ndarray
) -> Purchases:
    """Purchases of listed products, in catalogue rows; `products` has the key of each catalogue row."""
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    table = table[np.isin(table[:, 1], products)]
    ascending = np.argsort(products)
    item = ascending[np.searchsorted(products, table[:, 1].astype(np.int64), sorter=ascending)]
    # One order whatever the order of import, so that the same purchases always give the same sums, bit by
    # bit.
    order = np.lexsort((table[:, 3], item, table[:, 2], table[:, 0]))
    table, item = table[order], item[order]
    return Purchases.of(
        np.searchsorted(customers, table[:, 0].astype(np.int64)), item, table[:, 2], table[:, 3]
    )
