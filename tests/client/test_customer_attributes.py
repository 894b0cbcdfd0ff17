"""Attributes of customers: imported in coarse groups, loaded only when measured, and only with consent."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from highstreet.audit.consent import Act, Method, Purpose
from highstreet.client.consent import ConsentDesk, How
from highstreet.client.customer_attributes import groups_of
from highstreet.client.importing.importer import Importer, ImportResult
from highstreet.client.shop_loader import load_shop
from highstreet.client.vault import Vault
from highstreet.models.customer_groups import ATTRIBUTES, DECLARED
from highstreet.models.schema import FeatureSchema
from highstreet.models.shop import ShopData

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HEAD = (
    "customer_id,consent_coop_learning,consent_recorded_at,age_band,household_size,income_band,language,place"
)
ROWS = (
    "ann,yes,2025-01-02T10:00:00Z,25-34,2,50-74K,de-AT,village",
    "ben,yes,2025-01-02T10:00:00Z,70,5+,,EN,",
    "cat,no,2025-01-02T10:00:00Z,19-24,1,Under 15K,fr,city",
    "dan,yes,2025-01-02T10:00:00Z,,,,,",
)


def _import(vault: Vault, folder: Path, *rows: str, head: str = HEAD) -> ImportResult:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "customers.csv").write_text("\n".join([head, *rows]) + "\n")
    (result,) = Importer(vault, now=NOW).run([folder])
    return result


def _load(vault: Vault, *attributes: str) -> ShopData:
    coop, day = Purpose.COOP_LEARNING, date(2026, 1, 1)
    cohort = ConsentDesk(vault).cohort(coop)
    return load_shop(vault, cohort, FeatureSchema(), day, purpose=coop, attributes=attributes)


def _cells(shop: ShopData, name: str) -> list[str]:
    return [ATTRIBUTES[name].all_cells[index] for index in shop.groups[name]]


@pytest.fixture
def vault(tmp_path: Path):
    with Vault.open(tmp_path / "vault.db") as opened:
        yield opened


def test_a_shops_words_are_kept_as_coarse_groups(vault: Vault, tmp_path: Path) -> None:
    result = _import(vault, tmp_path / "in", *ROWS)
    assert result.saved is not None
    assert result.saved.attributes == 5 + 3 + 5
    assert result.understanding is not None
    assert "3 with an age, household, income, language or place" in " ".join(result.understanding.in_words())
    shop = _load(vault, *DECLARED)
    assert _cells(shop, "age_band") == ["25_34", "65_plus", "unknown"]
    assert _cells(shop, "household_size") == ["2", "5_plus", "unknown"]
    assert _cells(shop, "income_band") == ["50k_75k", "unknown", "unknown"]
    assert _cells(shop, "language") == ["de", "en", "unknown"]
    assert _cells(shop, "place") == ["rural", "unknown", "unknown"]


def test_only_what_is_asked_for_is_loaded_and_only_of_those_who_agree(vault: Vault, tmp_path: Path) -> None:
    _import(vault, tmp_path / "in", *ROWS)
    assert _load(vault).groups == {}
    shop = _load(vault, "age_band")
    assert list(shop.groups) == ["age_band"]
    assert len(shop.customer_ids) == 3  # cat said no
    said = How(method=Method.FORM, source="form")
    ConsentDesk(vault).record("ann", Purpose.COOP_LEARNING, Act.WITHDRAWN, said)
    assert _cells(_load(vault, "age_band"), "age_band") == ["65_plus", "unknown"]
    nobody = vault.connection.execute("SELECT count(*) FROM customers").fetchone()
    assert nobody == (4,)


def test_cells_are_read_of_a_cohorts_customers_only_whoever_is_asked_for(
    vault: Vault, tmp_path: Path
) -> None:
    _import(vault, tmp_path / "in", *ROWS)
    ann, ben, cat = customers = np.array([vault.customer_key(name) for name in ("ann", "ben", "cat")])
    desk, coop = ConsentDesk(vault), Purpose.COOP_LEARNING
    cohort = desk.cohort(coop)
    desk.record("ben", coop, Act.WITHDRAWN, How(method=Method.FORM, source="form"))
    assert list(customers) == sorted(customers)
    with vault.read() as connection:
        groups = groups_of(cohort, vault, connection, customers, purpose=coop, attributes=["age_band"])
        stored = dict(
            connection.execute("SELECT customer, cell FROM customer_attributes WHERE attribute = 'age_band'")
        )
    assert stored == {ann: "25_34", ben: "65_plus", cat: "under_25"}  # there is something to leave out
    assert [ATTRIBUTES["age_band"].all_cells[index] for index in groups["age_band"]] == [
        "25_34",
        "unknown",
        "unknown",
    ]


def test_the_latest_file_counts_and_an_empty_cell_takes_away(vault: Vault, tmp_path: Path) -> None:
    _import(vault, tmp_path / "in", *ROWS)
    head = "customer_id,consent_recorded_at,age_band,place"
    result = _import(vault, tmp_path / "in", "ann,,36,", "ben,,70,town", head=head)
    assert result.saved is not None
    assert result.saved.attributes == 3  # changed, gone, new; what is the same is not counted
    shop = _load(vault, *DECLARED)
    assert _cells(shop, "age_band") == ["35_44", "65_plus", "unknown"]
    assert _cells(shop, "place") == ["unknown", "town", "unknown"]
    assert _cells(shop, "language") == ["de", "en", "unknown"]  # the file says nothing of it


def test_what_fits_no_group_is_said_and_taken_as_not_known(vault: Vault, tmp_path: Path) -> None:
    _import(vault, tmp_path / "in", *ROWS)
    odd = "ann,yes,2025-01-03T10:00:00Z,old,2,50-74K,de," + "x" * 200
    result = _import(vault, tmp_path / "in", odd)
    assert result.understanding is not None
    assert "fits no group" in " ".join(result.understanding.in_words())
    shop = _load(vault, *DECLARED)
    assert _cells(shop, "age_band")[0] == "unknown"
    assert _cells(shop, "place")[0] == "unknown"
    assert _cells(shop, "household_size")[0] == "2"
    assert len(shop.customer_ids) == 3  # the rest of the row counts, its yes too


def test_attributes_go_with_the_customer(vault: Vault, tmp_path: Path) -> None:
    _import(vault, tmp_path / "in", "eve,,,40,2,,,", head=HEAD)
    with vault.write() as connection:
        connection.execute("DELETE FROM customers WHERE customer_id = 'eve'")
    assert vault.connection.execute("SELECT count(*) FROM customer_attributes").fetchone() == (0,)


def test_groups_stand_beside_the_customers_they_are_of(vault: Vault, tmp_path: Path) -> None:
    _import(vault, tmp_path / "in", *ROWS)
    shop = _load(vault, "age_band").select(np.array([1, 0]))
    assert _cells(shop, "age_band") == ["65_plus", "25_34"]
