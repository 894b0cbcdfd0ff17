"""The catalogue's order is public: no customer can change another's rows through it."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from highstreet.audit.consent import Purpose
from highstreet.client import personal_model
from highstreet.client.consent import ConsentDesk
from highstreet.client.contribution import sum_over
from highstreet.client.home import StoreHome
from highstreet.client.importing.importer import Importer
from highstreet.client.personal_model import current_model
from highstreet.client.shop_loader import load_shop
from highstreet.client.vault import Vault
from highstreet.models.plan import PhasePlan
from highstreet.models.programme import apply_sum, default_plan, initial_state
from highstreet.models.schema import FeatureSchema
from highstreet.models.shop import Catalogue, ShopData
from highstreet.privacy.summing import ROUNDING_SLACK

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SCHEMA = FeatureSchema(
    key_buckets=256,
    category_buckets=16,
    product_type_buckets=64,
    brand_buckets=16,
    maker_buckets=4,
    size_buckets=4,
)
PLAN = default_plan(
    SCHEMA,
    noise_multiplier=5.0,
    gradient_rounds=1,
    params={
        "token_keys": 12.0,
        "candidates": 40.0,
        "own_candidates": 20.0,
        "holdout_days": 20.0,
        "gradient_clipping_norm": 0.2,
        "curvature_clipping_norm": 2.0,
    },
)
PRODUCTS, CUSTOMERS = 200, 60
VICTIM = "o-first,2025-01-02,victim,p000,1"


def _others() -> list[str]:
    generator = np.random.default_rng(1)
    return [
        f"o{customer}-{month},2025-{month + 1:02d}-{1 + generator.integers(27):02d},"
        f"c{customer},p{product:03d},1"
        for customer in range(CUSTOMERS)
        for month in range(8)
        for product in generator.choice(PRODUCTS - 1, 5, replace=False) + 1
    ]


def _files(folder: Path, orders: list[str]) -> dict[str, Path]:
    folder.mkdir()
    customers = sorted({line.split(",")[2] for line in orders})
    tables = {
        "products": ["product_id,title,category,product_type,brand,price"]
        + [
            f"p{n:03d},t{n},category {n % 7},type {n % 31},brand {n % 11},{1 + n % 9}"
            for n in reversed(range(PRODUCTS))
        ],
        "customers": ["customer_id,consent_recorded_at,consent_coop_learning,consent_shop_model"]
        + [f"{customer},2024-01-01,yes,yes" for customer in customers],
        "orders": ["order_id,ordered_at,customer_id,product_id,quantity", *orders],
    }
    for name, lines in tables.items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return {name: folder / f"{name}.csv" for name in tables}


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[list[str], list[str]], ShopData]:
    """Import these orders, files in this order, and load the shop for a round."""
    numbers = itertools.count()

    def load(orders: list[str], sequence: list[str]) -> ShopData:
        folder = tmp_path_factory.mktemp("shop") / str(next(numbers))
        files = _files(folder, orders)
        with Vault.open(folder / "vault.db") as vault:
            for name in sequence:
                list(Importer(vault, now=NOW).run([files[name]]))
            cohort = ConsentDesk(vault).cohort(Purpose.COOP_LEARNING)
            return load_shop(vault, cohort, SCHEMA, date(2025, 9, 1), purpose=Purpose.COOP_LEARNING)

    return load


ORDERS_FIRST = ["customers", "orders", "products"]


@pytest.fixture(scope="module")
def pair(imported: Callable[[list[str], list[str]], ShopData]) -> tuple[ShopData, ShopData]:
    """The shop with a customer whose only purchase is the first of all, and without."""
    return imported([VICTIM, *_others()], ORDERS_FIRST), imported(_others(), ORDERS_FIRST)


def _moves(shop: ShopData, rest: ShopData) -> Iterator[tuple[PhasePlan, float]]:
    """How far each phase's sum moves, in clipping norms, from states the rest would have released."""
    state = initial_state(PLAN)
    for phase in PLAN.phases:
        whole, without = (sum_over(PLAN, phase, state, each) for each in (shop, rest))
        yield phase, float(np.linalg.norm(whole - without)) / phase.clipping_norm
        state = apply_sum(PLAN, phase, state, without, stores=1, noise_stddev=0.01)


def test_removing_who_bought_first_moves_every_phase_by_at_most_its_clipping_norm(
    pair: tuple[ShopData, ShopData],
) -> None:
    moved = {phase.name: move for phase, move in _moves(*pair)}
    assert set(moved) == {"popularity", "cooccurrence", "curvature", "ranker", "evaluation"}
    assert max(moved.values()) <= 1 + ROUNDING_SLACK, moved
    assert moved["popularity"] > 0


def _in_order(catalogue: Catalogue, rows: np.ndarray) -> Catalogue:
    columns = {field.name: getattr(catalogue, field.name) for field in fields(catalogue)}
    return Catalogue(
        **{
            name: tuple(column[row] for row in rows) if isinstance(column, tuple) else column[rows]
            for name, column in columns.items()
        }
    )


def test_a_catalogue_in_another_order_moves_the_others_by_more_than_the_clipping_norm(
    pair: tuple[ShopData, ShopData],
) -> None:
    """The twin that fails: what it would be if the first product sold came first."""
    shop, rest = pair
    turned = np.roll(np.arange(PRODUCTS), 1)
    catalogue = _in_order(rest.catalogue, turned)
    purchases = replace(rest.purchases, item=np.argsort(turned).astype(np.int32)[rest.purchases.item])
    other = replace(rest, catalogue=catalogue, purchases=purchases)
    moved = {phase.name: move for phase, move in _moves(shop, other)}
    assert max(moved["curvature"], moved["ranker"]) > 1 + ROUNDING_SLACK


def test_the_order_of_files_and_of_products_in_them_does_not_matter(
    imported: Callable[[list[str], list[str]], ShopData], pair: tuple[ShopData, ShopData]
) -> None:
    shop, rest = pair
    listed_first = imported(_others(), ["products", "customers", "orders"])
    assert shop.catalogue.product_ids == rest.catalogue.product_ids == listed_first.catalogue.product_ids
    assert list(rest.catalogue.product_ids) == sorted(rest.catalogue.product_ids)
    for column in ("customer", "item", "day", "quantity"):
        assert np.array_equal(getattr(rest.purchases, column), getattr(listed_first.purchases, column))


def test_a_shop_model_kept_in_another_order_of_products_is_fitted_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model's rows are the catalogue's: one kept by an earlier version must not be read in this order."""
    home = StoreHome(tmp_path / "home")
    files = _files(tmp_path / "files", _others())
    with Vault.open(home.vault) as vault:
        for name in ORDERS_FIRST:
            list(Importer(vault, now=NOW).run([files[name]]))
        in_key_order = [row[0] for row in _rows(vault, "product")]
        assert in_key_order != sorted(in_key_order)
        kept = current_model(home, vault)
        basis = personal_model._basis(vault, ConsentDesk(vault).cohort(Purpose.SHOP_MODEL), 0)
        assert basis.products_sha256 == _digest(_rows(vault, "product_id"))
        assert basis.products_sha256 != _digest(_rows(vault, "product"))
    assert kept is not None
    fitted: list[int] = []
    monkeypatch.setattr(personal_model, "fit_local", lambda *_, **__: fitted.append(1))
    with Vault.open(home.vault) as vault:
        assert current_model(home, vault) is not None
    assert not fitted


def _rows(vault: Vault, order: str) -> list[tuple[object, ...]]:
    query = f"SELECT product_id, * FROM products WHERE listed = 1 ORDER BY {order}"  # noqa: S608
    with vault.read() as connection:
        return list(connection.execute(query))


def _digest(rows: list[tuple[object, ...]]) -> str:
    digest = hashlib.sha256(b"[]")  # no product is of a sensitive kind here
    for row in rows:
        digest.update(repr(row[1:]).encode())
    return digest.hexdigest()
