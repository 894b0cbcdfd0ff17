"""A product bought before any list names it: listing it later gives the shop that listing it first gives."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from highstreet.audit.consent import Purpose
from highstreet.client.consent import ConsentDesk
from highstreet.client.importing.importer import Importer
from highstreet.client.shop_loader import load_shop
from highstreet.client.vault import Vault
from highstreet.models.schema import FeatureSchema
from highstreet.models.shop import ShopData
from tests.client.conftest import CUSTOMERS, NOW, ORDERS, PRODUCTS

HEADER, TEA, RYE, JAM = PRODUCTS.splitlines(keepends=True)
LATER = {
    "the whole list later": [CUSTOMERS, ORDERS, PRODUCTS],
    "one product later": [HEADER + TEA + JAM, CUSTOMERS, ORDERS, PRODUCTS],
    "one product alone, later": [HEADER + TEA + JAM, CUSTOMERS, ORDERS, HEADER + RYE],
    "the orders again after it": [
        HEADER + TEA,
        CUSTOMERS,
        ORDERS,
        HEADER + JAM + RYE,
        ORDERS + "1,2026-05-01T09:00:00,ann,rye,2,3.20,0.20\n",
    ],
}


def _shop(folder: Path, files: list[str]) -> ShopData:
    folder.mkdir()
    with Vault.open(folder / "store" / "vault.db") as vault:
        for number, text in enumerate(files):
            path = folder / f"{number}.csv"
            path.write_text(text)
            list(Importer(vault, now=NOW).run([path]))
        cohort = ConsentDesk(vault).cohort(Purpose.SHOP_MODEL)
        return load_shop(vault, cohort, FeatureSchema(), date(2026, 11, 22), purpose=Purpose.SHOP_MODEL)


@pytest.mark.parametrize("files", LATER.values(), ids=LATER)
def test_a_product_listed_after_it_was_bought_gives_the_same_shop(tmp_path: Path, files: list[str]) -> None:
    first = _shop(tmp_path / "first", [PRODUCTS, CUSTOMERS, ORDERS])
    later = _shop(tmp_path / "later", files)
    assert later.catalogue.product_ids == first.catalogue.product_ids
    assert np.array_equal(later.catalogue.shared_key, first.catalogue.shared_key)
    assert later.customer_ids == first.customer_ids
    assert len(first.purchases) == 4
    for name in ("customer", "item", "day", "quantity"):
        assert np.array_equal(getattr(later.purchases, name), getattr(first.purchases, name))


def test_what_was_bought_of_an_unlisted_product_is_not_seen_until_it_is_listed(tmp_path: Path) -> None:
    shop = _shop(tmp_path / "shop", [HEADER + TEA + JAM, CUSTOMERS, ORDERS])
    assert shop.catalogue.product_ids == ("jam", "tea")
    assert len(shop.purchases) == 2
