"""Shopify's own exports are recognised; of its customers only their addresses are kept, and no consent."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from highstreet.client.vault import Vault
from tests.client.conftest import contents
from tests.client.imported import Load, fresh_vault_of


def test_a_shopify_export_is_recognised(load: Load, tmp_path: Path, vault: Vault) -> None:
    columns = (
        "Name,Email,Financial Status,Created at,Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku"
    )
    rows = (
        "#1001,Ann@Example.com,paid,2026-05-01 09:50:26 +0200,1,Tea - 100 g,4.50,TEA1\n"
        "#1001,,,,2,Rye bread,3.20,\n"
        "#1002,ben@example.com,refunded,2026-05-02 09:50:26 +0200,1,Jam,2.95,JAM1\n"
        "#1003,,paid,2026-05-03 09:50:26 +0200,1,Jam,2.95,JAM1\n"
    )
    (tmp_path / "orders_export.csv").write_text(f"{columns}\n{rows}")
    (result,) = load(tmp_path / "orders_export.csv")
    assert result.understanding is not None
    assert result.understanding.kind == "a Shopify orders export"
    held = contents(vault)
    assert held["lines"] == [
        ("#1001", "Rye bread", 2.0, 32_000, 0),
        ("#1001", "TEA1", 1.0, 45_000, 0),
        ("#1003", "JAM1", 1.0, 29_500, 0),
    ]
    assert ("#1001", "ann@example.com", 1_777_629_026) in held["orders"]  # 09:50:26 on the shop's clock
    assert held["consents"] == []  # e-mail marketing is not consent to learning


@pytest.mark.parametrize(
    ("title", "product"),
    [
        ("Thé\u00a0vert - 100\u00a0g", "Thé vert - 100 g"),
        ("抹茶\u3000大", "抹茶 大"),
        ("\u200fתה ירוק\u200f - 100", "תה ירוק - 100"),
        ("Mug 👨\u200d👩\u200d👧", "Mug 👨👩👧"),
        ("Rye  bread", "Rye  bread"),  # as it ever was
    ],
)
def test_a_title_written_for_people_names_a_product_without_a_code(
    load: Load, tmp_path: Path, vault: Vault, title: str, product: str
) -> None:
    columns = "Name,Email,Created at,Lineitem quantity,Lineitem name,Lineitem sku\n"
    (tmp_path / "o.csv").write_text(f"{columns}#1,a@example.com,2026-05-01 09:50:26 +0200,1,{title},\n")
    load(tmp_path / "o.csv")
    assert [row[1] for row in contents(vault)["lines"]] == [product]


SHOPIFY_CUSTOMERS = (
    "Customer ID,First Name,Last Name,Email,Accepts Email Marketing,Default Address City,Phone,"
    "Accepts SMS Marketing,Total Spent,Total Orders,Note,Tax Exempt,Tags\n"
)
SHOPIFY_CUSTOMERS_BEFORE = (
    "First Name,Last Name,Email,Accepts Marketing,Company,Address1,City,Country,Zip,Phone,"
    "Accepts SMS Marketing,Total Spent,Total Orders,Tags,Note,Tax Exempt\n"
)


def _shopify_customer(header: str, **cells: str) -> str:
    """A row with these cells, and with what must never be kept in all others."""
    row = io.StringIO()
    csv.writer(row).writerow([cells.get(name, "SECRET") for name in header.strip().split(",")])
    return row.getvalue()


@pytest.mark.parametrize("header", [SHOPIFY_CUSTOMERS, SHOPIFY_CUSTOMERS_BEFORE])
@pytest.mark.parametrize("accepts", ["yes", "no"])
def test_shopifys_customers_are_their_addresses_and_adverts_are_consent_to_nothing(
    load: Load, tmp_path: Path, vault: Vault, header: str, accepts: str
) -> None:
    said = dict.fromkeys(("Accepts Email Marketing", "Accepts Marketing", "Accepts SMS Marketing"), accepts)
    rows = [
        _shopify_customer(header, Email=address, **said)
        for address in ("Ann@Example.com", " ben@example.org ", "", "ann@example.com")
    ]
    (tmp_path / "customers_export.csv").write_text(header + "".join(rows))
    (result,) = load(tmp_path / "customers_export.csv")
    held = contents(vault)
    assert held["customers"] == [("ann@example.com",), ("ben@example.org",)]
    assert [row[1:] for row in held["identifiers"]] == [
        ("email", "ann@example.com"),
        ("email", "ben@example.org"),
    ]
    assert held["consents"] == []
    assert b"SECRET" not in b"".join(file.read_bytes() for file in vault.path.parent.iterdir())
    assert result.understanding is not None
    words = " ".join(result.understanding.in_words())
    assert "a Shopify customers export" in words
    assert "1 with no e-mail address" in words


def test_a_customer_of_shopifys_two_exports_is_one(load: Load, tmp_path: Path, vault: Vault) -> None:
    (tmp_path / "customers_export.csv").write_text(
        SHOPIFY_CUSTOMERS + _shopify_customer(SHOPIFY_CUSTOMERS, Email="ANN@example.com")
    )
    (tmp_path / "orders_export.csv").write_text(
        "Name,Email,Accepts Marketing,Created at,Lineitem quantity,Lineitem name\n"
        "#1,Ann@Example.com,yes,2026-05-01 09:50:26 +0200,1,Tea\n"
    )
    results = load(tmp_path)
    assert [result.file_name for result in results] == ["customers_export.csv", "orders_export.csv"]
    assert contents(vault)["customers"] == [("ann@example.com",)]
    assert contents(vault)["consents"] == []


HOSTILE_CELLS = st.one_of(
    st.text(st.characters(exclude_characters="\x00"), max_size=300),  # a file with NUL is refused as a whole
    st.sampled_from(
        [
            "=HYPERLINK(1)",
            "@SUM(A1)",
            "a@b\nc",
            "\u202ea@b",
            "a" * 200 + "@b",
            "a@b@c",
            "'; DROP TABLE customers; --",
            "none",
            "-",
        ]
    ),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(HOSTILE_CELLS, min_size=1, max_size=12))
def test_hostile_cells_of_a_shopify_customers_export_are_left_out_and_harm_nobody(cells: list[str]) -> None:
    sound = [_shopify_customer(SHOPIFY_CUSTOMERS, Email=f"c{at}@example.com") for at in range(60)]
    hostile = [_shopify_customer(SHOPIFY_CUSTOMERS, Email=cell) for cell in cells]
    body = (SHOPIFY_CUSTOMERS + "".join([*sound, *hostile])).encode("utf-8", "replace")
    held = fresh_vault_of([("customers_export.csv", body)])
    assert {(f"c{at}@example.com",) for at in range(60)} <= set(held["customers"])
    assert held["consents"] == []
    for (customer,) in held["customers"]:
        assert isinstance(customer, str)
        assert customer.isprintable()
        assert 0 < len(customer) <= 128
    for _, kind, value in held["identifiers"]:
        assert kind == "email"
        assert str(value).count("@") == 1
