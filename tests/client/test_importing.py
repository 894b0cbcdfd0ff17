"""Imports: any column order, any common encoding, each line once, in whatever pieces the files come."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from highstreet.client.errors import TooManyProblemsError
from highstreet.client.importing.importer import FileOutcome, Importer
from highstreet.client.vault import Vault
from tests.client.conftest import CUSTOMERS, NOW, ORDERS, PRODUCTS, contents
from tests.client.imported import HEADER, Load, fresh_vault_of


def test_a_folder_is_imported_in_the_order_of_what_the_files_are(load: Load, shop_files: Path) -> None:
    results = load(shop_files)
    assert [result.file_name for result in results] == ["c_products.csv", "b_customers.csv", "a_orders.csv"]
    assert {result.outcome for result in results} == {FileOutcome.SAVED}


def test_what_the_files_say_is_what_the_vault_holds(full_vault: Vault) -> None:
    held = contents(full_vault)
    assert ("rye", "Rye bread", "Bakery", "Bread", "Own", "Village", "1 kg", 32_000, "", 1) in held[
        "products"
    ]
    assert ("1", "rye", 2.0, 32_000, 2_000) in held["lines"]
    assert ("4", None, 1_781_078_400) in held["orders"]  # 2026-06-10 08:00, a guest
    assert held["customers"] == [("ann",), ("ben",), ("cat",)]
    assert ("ben", "coop_learning", "refused", 1_735_812_000_000_000, "form") in held["consents"]
    assert len(held["consents"]) == 6  # nobody asked cat


def test_the_summary_says_it_in_plain_words(load: Load, shop_files: Path) -> None:
    said = [" ".join(result.understanding.in_words()) for result in load(shop_files) if result.understanding]
    assert "a list of products. 3 products in 3 categories, 2 with a price, 1 with a bar code." in said[0]
    assert "1 of 2 asked said yes to learning together with the co-op." in said[1]
    assert "4 orders (5 lines), 2 customers, 3 products, 1 May 2026 to 10 June 2026." in said[2]
    assert "1 order without a customer" in said[2]


def test_importing_twice_is_importing_once(load: Load, shop_files: Path, vault: Vault) -> None:
    load(shop_files)
    once = contents(vault)
    assert {result.outcome for result in load(shop_files)} == {FileOutcome.ALREADY_SAVED}
    assert contents(vault) == once


def test_a_trial_saves_nothing(load: Load, shop_files: Path, vault: Vault) -> None:
    before = contents(vault)
    assert {result.outcome for result in load(shop_files, dry_run=True)} == {FileOutcome.ONLY_SHOWN}
    assert contents(vault) == before


@pytest.mark.parametrize(
    ("row", "orders"),
    [
        ("3,2026-06-09T17:05:00,ann,rye,2,3.20,0", "1 order imported before with other lines"),  # not one
        ("4,2026-06-10T08:00:00,,tea,3,4.50,1.00", "1 order imported before with other lines"),
        ("3,2026-06-09T17:05:00,ann,rye,1,3.20,0", ""),
        ("3,2026-06-09T17:05:00,ben,rye,2,3.20,0", ""),
        ("4,2026-06-09T17:05:00,zoe,rye,2,3.20,0", ""),
        ("9,2026-06-09T17:05:00,ann,rye,2,3.20,0", ""),
    ],
    ids=["quantity", "a guest's discount", "the same", "of another", "of a stranger", "new"],
)
def test_orders_that_get_further_lines_are_told(
    load: Load, full_vault: Vault, tmp_path: Path, row: str, orders: str
) -> None:
    (tmp_path / "o.csv").write_text(f"{HEADER}{row}\n")
    (result,) = load(tmp_path / "o.csv")
    assert result.understanding is not None
    words = " ".join(result.understanding.facts)
    assert (orders in words) if orders else ("other lines" not in words)


def test_what_is_not_confirmed_is_not_saved(vault: Vault, shop_files: Path) -> None:
    before = contents(vault)
    results = list(Importer(vault, now=NOW, confirm=lambda _: False).run([shop_files]))
    assert {result.outcome for result in results} == {FileOutcome.DECLINED}
    assert contents(vault) == before


def test_products_known_from_orders_only_are_not_listed(load: Load, shop_files: Path, vault: Vault) -> None:
    (result,) = load(shop_files / "a_orders.csv")
    assert result.understanding is not None
    assert "3 products not on a list" in " ".join(result.understanding.facts)
    assert {row[-1] for row in contents(vault)["products"]} == {0}
    load(shop_files / "c_products.csv")
    assert {row[-1] for row in contents(vault)["products"]} == {1}


def test_an_empty_cell_does_not_erase_what_was_known(load: Load, tmp_path: Path, vault: Vault) -> None:
    (tmp_path / "1.csv").write_text(PRODUCTS)
    (tmp_path / "2.csv").write_text("product_id,title,category\nrye,Dark rye bread,\n")
    load(tmp_path / "1.csv")
    load(tmp_path / "2.csv")
    rye = next(row for row in contents(vault)["products"] if row[0] == "rye")
    assert rye == ("rye", "Dark rye bread", "Bakery", "Bread", "Own", "Village", "1 kg", 32_000, "", 1)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_encodings_and_delimiters_are_told_from_the_file(
    load: Load, tmp_path: Path, vault: Vault, encoding: str, delimiter: str
) -> None:
    text = PRODUCTS.replace("Green tea", "Thé vert à 5 €").replace(",", delimiter)
    (tmp_path / "p.csv").write_bytes(text.encode(encoding))
    load(tmp_path / "p.csv")
    assert "Thé vert à 5 €" in {row[1] for row in contents(vault)["products"]}


def test_excels_first_line_and_decimal_commas_are_understood(
    load: Load, tmp_path: Path, vault: Vault
) -> None:
    (tmp_path / "p.csv").write_text("sep=;\r\nproduct_id;title;category;price\r\ntea;Tea;Drinks;4,50\r\n")
    load(tmp_path / "p.csv")
    assert contents(vault)["products"][0][7] == 45_000


def test_a_number_with_a_comma_is_not_guessed_at_in_a_comma_file(load: Load, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text('product_id,title,category,price\ntea,Tea,Drinks,"1,234"\n')
    with pytest.raises(TooManyProblemsError, match="price that is not a number"):
        load(tmp_path / "p.csv")


def test_columns_that_are_not_needed_are_thrown_away(load: Load, tmp_path: Path, vault: Vault) -> None:
    (tmp_path / "o.csv").write_text("Card Number," + HEADER + "4111111111111111,1,2026-05-01,ann,tea,1,2,0\n")
    (result,) = load(tmp_path / "o.csv")
    assert result.understanding is not None
    assert "1 column not needed: thrown away." in result.understanding.in_words()
    assert b"4111111111111111" not in b"".join(p.read_bytes() for p in vault.path.parent.iterdir())


def _as_csv(header: list[str], rows: list[list[str]], order: list[int]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    for row in [header, *rows]:
        writer.writerow([row[place] for place in order])
    return out.getvalue().encode()


codes = st.text(alphabet="abcxyz0189 -_é,;\"'", min_size=1, max_size=6).filter(lambda text: text.strip())
order_numbers = st.integers(1, 8)
lines = st.tuples(
    order_numbers,
    codes,
    st.integers(1, 5),
    st.integers(0, 9_999).map(lambda cents: f"{cents / 100:.2f}"),
)


def _order_rows(drawn: list[tuple[int, str, int, str]]) -> list[list[str]]:
    """Order lines in which an order has one customer and one moment."""
    return [
        [f"o{number}", f"2026-03-{number:02d}T10:00:00", f"c{number % 3}", product, str(quantity), price]
        for number, product, quantity, price in drawn
    ]


ORDER_HEADER = ["order_id", "ordered_at", "customer_id", "product_id", "quantity", "unit_price"]


@settings(max_examples=40, deadline=None)
@given(drawn=st.lists(lines, min_size=1, max_size=30), order=st.permutations(range(6)))
def test_column_order_never_matters(drawn: list[tuple[int, str, int, str]], order: list[int]) -> None:
    rows = _order_rows(drawn)
    straight = fresh_vault_of([("o.csv", _as_csv(ORDER_HEADER, rows, list(range(6))))])
    assert fresh_vault_of([("o.csv", _as_csv(ORDER_HEADER, rows, order))]) == straight


@settings(max_examples=40, deadline=None)
@given(drawn=st.lists(lines, min_size=2, max_size=30), data=st.data())
def test_overlapping_pieces_make_the_whole(
    drawn: list[tuple[int, str, int, str]], data: st.DataObject
) -> None:
    rows = _order_rows(drawn)
    end = data.draw(st.integers(1, len(rows)))
    start = data.draw(st.integers(0, end - 1))
    order = list(range(6))
    whole = fresh_vault_of([("o.csv", _as_csv(ORDER_HEADER, rows, order))])
    pieces = [
        ("1.csv", _as_csv(ORDER_HEADER, rows[:end], order)),
        ("2.csv", _as_csv(ORDER_HEADER, rows[start:], order)),
    ]
    if data.draw(st.booleans()):
        pieces.reverse()
    assert fresh_vault_of(pieces) == whole


@settings(max_examples=15, deadline=None)
@given(order=st.permutations([("p.csv", PRODUCTS), ("c.csv", CUSTOMERS), ("o.csv", ORDERS)]))
def test_the_order_of_files_never_matters(order: list[tuple[str, str]]) -> None:
    files = [(name, text.encode()) for name, text in order]
    assert fresh_vault_of(files) == fresh_vault_of(sorted(files))
    assert fresh_vault_of([*files, *files]) == fresh_vault_of(files)
