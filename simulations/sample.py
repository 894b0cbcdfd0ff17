"""The sample co-op: exports of a few shops, cut from the Complete Journey, as plain files.

Any shop could have such files, and they go through `highstreet store import` like anybody's. Shops share no
item id: what products have in common is in their descriptions. Consent answers are not in the data; they are
drawn once with a fixed public seed, and the files say so. The same arguments give the same bytes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from highstreet.simulations.errors import InvalidSplitError, SampleFolderError
from highstreet.simulations.journey import JOURNEY_NOTE, journey_lines, journey_products
from highstreet.simulations.sample_export import CONSENT_RATES, CONSENT_SEED, CONSENT_SOURCE, shop_tables

__all__ = ["SampleShop", "choose_stores", "write_sample"]

_MINIMUM_CUSTOMERS = 20
_INDEX = "stores.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleShop:
    """What was written for one shop.

    Attributes:
        name: of the shop and of its folder.
        customers, products, order_lines, holdout_lines: rows in its files.
        coop_learning: customers drawn as saying yes to co-op learning.
    """

    name: str
    customers: int
    products: int
    order_lines: int
    holdout_lines: int
    coop_learning: int


def choose_stores(lines: pl.DataFrame, *, count: int, until_week: int) -> list[int]:
    """Choose stores of different sizes by a public rule.

    Stores with at least 20 households up to the week are put in order of households, then number; of these
    `count` are taken at equal distances, the smallest and the largest among them. A single store is the
    largest.

    Raises:
        InvalidSplitError: fewer stores than asked for.
    """
    sizes = (
        lines.filter(pl.col("week") <= until_week)
        .group_by("store_id")
        .agg(pl.col("household_id").n_unique().alias("households"))
        .filter(pl.col("households") >= _MINIMUM_CUSTOMERS)
        .sort(["households", "store_id"])["store_id"]
        .to_list()
    )
    if not 1 <= count <= len(sizes):
        raise InvalidSplitError(
            f"{count} stores were asked for; the data have {len(sizes)} with {_MINIMUM_CUSTOMERS} households "
            f"up to week {until_week}.",
            next_step=f"Choose --stores between 1 and {len(sizes)}.",
        )
    last = len(sizes) - 1
    places = [last] if count == 1 else [round(place * last / (count - 1)) for place in range(count)]
    return [int(sizes[place]) for place in places]


def write_sample(
    folder: Path, *, stores: int = 6, until_week: int = 45, stand_in_gtin: bool = False
) -> list[SampleShop]:
    """Write the exports of some shops: a folder each, a README.txt and an index, stores.json.

    Args:
        folder: made anew; one that an earlier call wrote is replaced, any other that is not empty is refused.
        stores: how many.
        until_week: last week of orders.csv; later weeks go to holdout_orders.csv, for `store evaluate` only.
        stand_in_gtin: fill `gtin` with demonstration bar codes made of the data's product numbers.

    Raises:
        SampleFolderError: the folder holds something else, or cannot be written.
        MissingExtraError: the data are not installed.
        InvalidSplitError: more stores asked for than there are, or no such week.
    """
    if not 1 <= until_week <= 52:
        raise InvalidSplitError(
            f"Week {until_week} leaves nothing to learn from or to evaluate on.",
            next_step="Choose --until-week between 1 and 52.",
        )
    _refuse_foreign(folder)
    products = journey_products()
    lines = journey_lines(products)
    chosen = choose_stores(lines, count=stores, until_week=until_week)
    partial = folder.with_name(folder.name + ".partial")
    try:
        if partial.exists():
            shutil.rmtree(partial)
        partial.mkdir(parents=True)
        written = [
            _write_shop(partial, store, lines, products, until_week=until_week, stand_in_gtin=stand_in_gtin)
            for store in chosen
        ]
        (partial / "README.txt").write_text(_readme(written, until_week), encoding="utf-8")
        _write_index(partial, written, until_week)
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise SampleFolderError(
            f"The sample could not be written to {folder}: {error.strerror}.",
            next_step="Free some space or choose another folder with --out.",
        ) from error
    return written


def _refuse_foreign(folder: Path) -> None:
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _INDEX).is_file():
        raise SampleFolderError(
            f"{folder} holds something else and was left alone.",
            next_step="Choose an empty folder with --out.",
        )
    if folder.exists() and not folder.is_dir():
        raise SampleFolderError(f"{folder} is a file.", next_step="Choose another folder with --out.")


def _write_shop(
    folder: Path,
    store: int,
    lines: pl.DataFrame,
    products: pl.DataFrame,
    *,
    until_week: int,
    stand_in_gtin: bool,
) -> SampleShop:
    name = f"S{store}"
    place = folder / name
    place.mkdir()
    own = lines.filter(pl.col("store_id") == store)
    written = shop_tables(own, products, shop=name, until_week=until_week, stand_in_gtin=stand_in_gtin)
    for table, frame in written.items():
        frame.write_csv(place / f"{table}.csv", float_precision=2)
    return SampleShop(
        name=name,
        customers=len(written["customers"]),
        products=len(written["products"]),
        order_lines=len(written["orders"]),
        holdout_lines=len(written["holdout_orders"]),
        coop_learning=int((written["customers"]["consent_coop_learning"] == "yes").sum()),
    )


def _write_index(folder: Path, shops: Sequence[SampleShop], until_week: int) -> None:
    index = {
        "note": JOURNEY_NOTE,
        "until_week": until_week,
        "consent": {"seed": CONSENT_SEED, "rates": CONSENT_RATES},
        "stores": [
            {
                "name": shop.name,
                "customers": shop.customers,
                "coop_learning": shop.coop_learning,
                "products": shop.products,
                "order_lines": shop.order_lines,
                "holdout_lines": shop.holdout_lines,
            }
            for shop in shops
        ],
    }
    (folder / _INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _readme(shops: Sequence[SampleShop], until_week: int) -> str:
    rows = "\n".join(
        f"  {shop.name:<6} {shop.customers:>4} customers ({shop.coop_learning} yes to co-op learning), "
        f"{shop.products:>6} products, {shop.order_lines:>6} order lines"
        for shop in shops
    )
    return f"""The sample co-op of Highstreet
==============================

Where it comes from: {JOURNEY_NOTE}.
Not real shops, not real people. Do not pass these files on; write them anew instead: highstreet sample split

Consent answers: {CONSENT_SOURCE}
(chance of a yes to co-op learning: {CONSENT_RATES["consent_coop_learning"]:.0%}).
They are in customers.csv so that the files go through `highstreet store import` like anybody's.

Shops: of all with at least {_MINIMUM_CUSTOMERS} households, in order of size, every so many; the smallest and
the largest are among them.
{rows}

Files of each shop:
  products.csv         what the shop sold in weeks 1 to {until_week}; ids are the shop's own
  customers.csv        who bought, and their consent answers (drawn)
  orders.csv           order lines of weeks 1 to {until_week}, shop-local time
  holdout_orders.csv   later weeks, of the same customers and products: for `highstreet store evaluate` only,
                       never for training

A household that shops in two of these shops has two unrelated numbers, and a product has another number in
each shop.
"""
