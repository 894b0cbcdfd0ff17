"""Small shops to test with: files as they are exported, and vaults they were imported into."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from highstreet.client import consent_log
from highstreet.client.home import StoreHome
from highstreet.client.importing.importer import Importer, ImportResult
from highstreet.client.vault import Vault

sys.path.insert(0, str(Path(__file__).parent))

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

PRODUCTS = """product_id,title,category,product_type,brand,maker,size,price,gtin
tea,Green tea,Drinks,Tea,Leaf,Leaf Co,100 g,4.50,4006381333931
rye,Rye bread,Bakery,Bread,Own,Village,1 kg,3.20,
jam,Plum jam,Spreads,Jam,Orchard,Orchard Co,250 g,,
"""
_ANSWERS = "consent_suggestions,consent_shop_model,consent_coop_learning"
CUSTOMERS = f"""customer_id,{_ANSWERS},consent_source,consent_recorded_at
ann,yes,yes,yes,form,2025-01-02T10:00:00Z
ben,no,yes,no,form,2025-01-02T10:00:00Z
cat,,,,,
"""
ORDERS = """order_id,ordered_at,customer_id,product_id,quantity,unit_price,discount
1,2026-05-01T09:00:00,ann,tea,1,4.50,0
1,2026-05-01T09:00:00,ann,rye,2,3.20,0.20
2,2026-05-03T10:30:00,ben,jam,1,2.95,0
3,2026-06-09T17:05:00,ann,rye,1,3.20,0
4,2026-06-10T08:00:00,,tea,3,4.50,0
"""


@pytest.fixture
def shop_files(tmp_path: Path) -> Path:
    folder = tmp_path / "exports"
    folder.mkdir()
    (folder / "a_orders.csv").write_text(ORDERS)
    (folder / "b_customers.csv").write_text(CUSTOMERS)
    (folder / "c_products.csv").write_text(PRODUCTS)
    return folder


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with Vault.open(tmp_path / "store" / "vault.db") as opened:
        yield opened


@pytest.fixture
def load(vault: Vault) -> Callable[..., list[ImportResult]]:
    """Import paths into the vault."""

    def into_vault(*paths: Path, dry_run: bool = False) -> list[ImportResult]:
        return list(Importer(vault, now=NOW).run(paths, dry_run=dry_run))

    return into_vault


@pytest.fixture
def full_vault(vault: Vault, load: Callable[..., list[ImportResult]], shop_files: Path) -> Vault:
    load(shop_files)
    return vault


def contents(vault: Vault) -> dict[str, list[tuple[object, ...]]]:
    """Everything a vault says, free of row keys, so that two vaults can be compared."""
    questions = {
        "products": "SELECT product_id, title, category, product_type, brand, maker, size, price, gtin,"
        " listed FROM products",
        "customers": "SELECT customer_id FROM customers",
        "orders": "SELECT order_id, customer_id, ordered_at FROM orders LEFT JOIN customers USING (customer)",
        "lines": "SELECT order_id, product_id, quantity, unit_price, discount FROM lines"
        ' JOIN orders USING ("order") JOIN products USING (product)',
        "consents": 'SELECT customer_id, purpose, act, "at", source FROM consents'
        " JOIN customers USING (customer)",
        "identifiers": "SELECT customer_id, kind, value FROM identifiers JOIN customers USING (customer)",
        "imports": "SELECT file_name, state FROM imports",
    }
    with vault.read() as connection:
        return {
            name: sorted(connection.execute(question).fetchall(), key=repr)
            for name, question in questions.items()
        }


def tasteful_files(folder: Path, *, customers: int = 24, days: int = 240) -> Path:
    """Write exports of a shop whose customers each have a favourite category.

    The orders of the last thirty days go to holdout_orders.csv.
    """
    folder.mkdir(parents=True)
    end = date(2026, 10, 1)
    products = ["product_id,title,category,product_type,brand,maker,size,price"]
    products += [
        f"p{n},Product {n},category {n % 4},type {n % 8},own,maker {n % 5},{n % 3} kg,{1 + n % 9}.50"
        for n in range(32)
    ]
    answers = [f"customer_id,{_ANSWERS},consent_recorded_at"]
    lines: dict[bool, list[str]] = {True: [_ORDER_COLUMNS], False: [_ORDER_COLUMNS]}
    for n in range(customers):
        # The last two did not agree to anything.
        said = "yes" if n < customers - 2 else "no"
        answers.append(f"c{n},{said},{said},{said},2026-01-01T00:00:00Z")
        for visit, before in enumerate(range(days - n % 7, 0, -12)):
            day = end - timedelta(days=before)
            for pick in (n % 4 + 4 * (visit % 3), n % 4 + 4 * (visit % 8), (7 * visit + n) % 32):
                lines[before <= 30].append(f"o{n}-{visit},{day}T10:00:00,c{n},p{pick},1,2.50,0")
    for name, rows in (
        ("products", products),
        ("customers", answers),
        ("orders", lines[False]),
        ("holdout_orders", lines[True]),
    ):
        (folder / f"{name}.csv").write_text("\n".join(rows) + "\n")
    return folder


_ORDER_COLUMNS = "order_id,ordered_at,customer_id,product_id,quantity,unit_price,discount"


@pytest.fixture(scope="session")
def tasteful_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store's folder that such a shop was imported into; only to be read or copied."""
    files = tasteful_files(tmp_path_factory.mktemp("shop") / "exports")
    home = files.parent / "store"
    with Vault.open(home / "vault.db") as opened:
        list(Importer(opened, now=NOW).run([files]))
    return home


@pytest.fixture
def shop_home(tasteful_shop: Path, tmp_path: Path) -> StoreHome:
    """A store of one's own with that shop in it."""
    shutil.copytree(tasteful_shop, tmp_path / "home")
    return StoreHome(tmp_path / "home")


@pytest.fixture
def shop_holdout(tasteful_shop: Path) -> Path:
    return tasteful_shop.parent / "exports" / "holdout_orders.csv"


@pytest.fixture
def begin_anew() -> Callable[[], None]:
    """Do as another process does: it knows nothing of what this one read of the consent log."""
    return consent_log._FOLDS.clear


@pytest.fixture(autouse=True)
def _forget_folds() -> Iterator[None]:
    yield
    consent_log._FOLDS.clear()
