"""Made-up shops for the trial of the gate: customers under 45 buy one range of products, the others another.

Nobody stands behind them. They are as many as it takes to decide a rule on bias under the privacy that the
demo promises: `highstreet coop charter check` says how many that is. The same arguments give the same bytes.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np

__all__ = ["AGES", "LAST_DAY", "LATER", "ONE_BAND", "write_age_shops"]

#: Years of age, one for each band that figures on bias know.
AGES = (22, 30, 40, 50, 60, 70)
#: The one that agrees before the first training.
ONE_BAND = 70
LAST_DAY = date(2017, 11, 5)
#: The answers as they are once everybody was asked.
LATER = "customers_later.csv"
DATA_NOTE = (
    "Made up, and drawn with a fixed public seed: customers under 45 buy other products than the rest."
)
_SEED = 20171105
_OLDER_FROM = 45
_RANGES = {"younger": "y", "older": "o"}
_PRODUCTS_OF_A_RANGE = 12
_BOUGHT_BEFORE, _BOUGHT_LATELY = 5, 3
_ASKED_FIRST, _ASKED_LATER = "2017-01-02T10:00:00Z", "2017-10-30T10:00:00Z"
_ANSWERS = ("consent_suggestions", "consent_shop_model", "consent_coop_learning")

Row = Sequence[object]


def write_age_shops(folder: Path, *, shops: int, of_a_band: int) -> None:
    """Write a folder of exports for each shop, and the index `stores.json`.

    Args:
        folder: made new.
        shops: how many.
        of_a_band: customers of each age in each shop; they all have bought five products of their range, and
            bought three others of it in the last days.
    """
    folder.mkdir(parents=True)
    names = [f"A{number}" for number in range(1, shops + 1)]
    for number, name in enumerate(names):
        place = folder / name
        place.mkdir()
        _write(place / "products.csv", _products())
        _write(place / "customers.csv", _customers(of_a_band, only=ONE_BAND))
        _write(place / LATER, _customers(of_a_band, only=None))
        _write(place / "orders.csv", _orders(of_a_band, np.random.default_rng((_SEED, number))))
    entries = [{"name": name, "customers": of_a_band * len(AGES)} for name in names]
    index = {"note": DATA_NOTE, "stores": entries}
    (folder / "stores.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _products() -> Iterable[Row]:
    yield ("product_id", "title", "category", "product_type", "brand", "maker", "size", "price")
    for letter in _RANGES.values():
        for number in range(_PRODUCTS_OF_A_RANGE):
            code = f"{letter}{number}"
            yield (code, f"Thing {code}", "things", code, "one brand", "one maker", "1 kg", "2.50")


def _customers(of_a_band: int, *, only: int | None) -> Iterable[Row]:
    """Everybody agrees to what stays in the shop; to the co-op those of one age, or all."""
    yield ("customer_id", *_ANSWERS, "consent_recorded_at", "age_band")
    for age, name in _everybody(of_a_band):
        if only is None:
            yield (name, "yes", "yes", "yes", _ASKED_LATER, age)
        else:
            yield (name, "yes", "yes", "yes" if age == only else "", _ASKED_FIRST, age)


def _orders(of_a_band: int, generator: np.random.Generator) -> Iterable[Row]:
    yield ("order_id", "ordered_at", "customer_id", "product_id", "quantity")
    for age, name in _everybody(of_a_band):
        letter = _RANGES["older" if age >= _OLDER_FROM else "younger"]
        chosen = generator.permutation(_PRODUCTS_OF_A_RANGE)[: _BOUGHT_BEFORE + _BOUGHT_LATELY]
        for place, product in enumerate(chosen):
            days_ago = 60 + place if place < _BOUGHT_BEFORE else 2
            if place == _BOUGHT_BEFORE + _BOUGHT_LATELY - 1:
                days_ago = 0
            day = LAST_DAY - timedelta(days=days_ago)
            yield (f"{name}-{place}", f"{day}T09:00:00", name, f"{letter}{product}", 1)


def _everybody(of_a_band: int) -> Iterable[tuple[int, str]]:
    for age in AGES:
        for number in range(of_a_band):
            yield age, f"C{age}-{number:04d}"


def _write(path: Path, rows: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
