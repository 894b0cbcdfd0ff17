"""Imports: any column order, any common encoding, each line once, each file whole or not at all."""

from __future__ import annotations

import csv
import io
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from highstreet.client.errors import (
    FileNotUnderstoodError,
    ImportBusyError,
    TooManyProblemsError,
    VaultFullError,
)
from highstreet.client.importing import importer
from highstreet.client.importing.importer import FileOutcome, Importer, ImportResult
from highstreet.client.vault import Vault
from highstreet.privacy.matching import IdentifierKind, identifier_input
from highstreet.privacy.matching.identifiers import normalise
from tests.client.conftest import CUSTOMERS, NOW, ORDERS, PRODUCTS, contents

Load = Callable[..., list[ImportResult]]
HEADER = "order_id,ordered_at,customer_id,product_id,quantity,unit_price,discount\n"


def _saved(vault: Vault) -> dict[str, list[tuple[object, ...]]]:
    """What is in a vault, without the notes about files."""
    return {name: rows for name, rows in contents(vault).items() if name != "imports"}


def _fresh(files: list[tuple[str, bytes]]) -> dict[str, list[tuple[object, ...]]]:
    """What is in a new vault after importing these files one after another."""
    with tempfile.TemporaryDirectory() as folder, Vault.open(Path(folder) / "s" / "vault.db") as vault:
        for name, body in files:
            path = Path(folder) / name
            path.write_bytes(body)
            list(Importer(vault, now=NOW).run([path]))
        return _saved(vault)


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
    held = _fresh([("customers_export.csv", body)])
    assert {(f"c{at}@example.com",) for at in range(60)} <= set(held["customers"])
    assert held["consents"] == []
    for (customer,) in held["customers"]:
        assert isinstance(customer, str)
        assert customer.isprintable()
        assert 0 < len(customer) <= 128
    for _, kind, value in held["identifiers"]:
        assert kind == "email"
        assert str(value).count("@") == 1


CUSTOMER_HEADER = "customer_id,consent_coop_learning,consent_recorded_at,email,loyalty_number\n"


class TestIdentifiers:
    """What customers are matched by: in its one spelling, the latest word of the shop, never shown."""

    @staticmethod
    def _file(path: Path, *rows: str, header: str = CUSTOMER_HEADER) -> Path:
        path.write_text(header + "".join(f"{row}\n" for row in rows), encoding="utf-8")
        return path

    def test_they_are_kept_in_their_one_spelling(self, load: Load, tmp_path: Path, vault: Vault) -> None:
        rows = ("ann,,, Ａnn@Example.COM ,0042", "ben,yes,2025-01-01,ben@example.org,", "cat,,,,")
        (result,) = load(self._file(tmp_path / "c.csv", *rows))
        assert contents(vault)["identifiers"] == [
            ("ann", "email", "ann@example.com"),
            ("ann", "loyalty-number", "0042"),
            ("ben", "email", "ben@example.org"),
        ]
        assert result.saved is not None
        assert (result.saved.customers, result.saved.identifiers) == (3, 3)
        assert result.understanding is not None
        assert result.understanding.ignored_columns == 0
        said = " ".join(result.understanding.in_words())
        assert "2 with an e-mail address or loyalty number" in said
        assert "1 of 1 asked said yes to learning together with the co-op." in said

    def test_consent_to_matching_comes_in_a_column(self, load: Load, tmp_path: Path, vault: Vault) -> None:
        header = "customer_id,consent_matching,consent_recorded_at\n"
        load(self._file(tmp_path / "c.csv", "ann,yes,2025-01-01", "ben,no,2025-01-01", header=header))
        assert [row[:3] for row in contents(vault)["consents"]] == [
            ("ann", "matching", "given"),
            ("ben", "matching", "refused"),
        ]

    def test_the_latest_file_replaces_and_an_empty_cell_takes_away(
        self, load: Load, tmp_path: Path, vault: Vault
    ) -> None:
        load(self._file(tmp_path / "1.csv", "ann,,,ann@old.org,1", "ben,,,ben@old.org,2"))
        (result,) = load(self._file(tmp_path / "2.csv", "ann,,,ann@new.org,1", "ben,,,,2"))
        assert result.saved is not None
        assert result.saved.identifiers == 2
        kept = [
            ("ann", "email", "ann@new.org"),
            ("ann", "loyalty-number", "1"),
            ("ben", "loyalty-number", "2"),
        ]
        assert contents(vault)["identifiers"] == kept
        files = b"".join(file.read_bytes() for file in vault.path.parent.iterdir())
        assert b"@new.org" in files
        assert b"@old.org" not in files  # overwritten, left neither in free space nor in a log
        without = "customer_id,consent_recorded_at\n"
        load(self._file(tmp_path / "3.csv", "ann,", "ben,", header=without))  # says nothing of them
        assert contents(vault)["identifiers"] == kept

    def test_of_two_in_one_file_the_last_counts(self, load: Load, tmp_path: Path, vault: Vault) -> None:
        load(self._file(tmp_path / "c.csv", "ann,,,first@a.org,", "ann,,,last@a.org,", "ann,,,then@a.org,"))
        assert contents(vault)["identifiers"] == [("ann", "email", "then@a.org")]

    @pytest.mark.parametrize(
        "odd", ["-", "none", "a@b@c", "@b.org", "a b@c.org", "a\u200b@c.org", "a@" + "b" * 300]
    )
    def test_one_that_cannot_be_one_is_told_by_line_and_never_shown(
        self, load: Load, tmp_path: Path, vault: Vault, odd: str
    ) -> None:
        load(self._file(tmp_path / "1.csv", "ann,,,ann@old.org,1"))
        (result,) = load(self._file(tmp_path / "2.csv", f"ann,yes,2025-01-01,{odd},1", "ben,,,,"))
        assert result.understanding is not None
        (problem,) = result.understanding.left_out
        assert problem.first_lines == (2,)
        assert "e-mail address or loyalty number that cannot be one" in problem.in_words()
        assert odd not in problem.in_words() or odd == "-"
        held = contents(vault)
        assert held["identifiers"] == [("ann", "loyalty-number", "1")]  # the old address is not hers any more
        assert [row[:3] for row in held["consents"]] == [("ann", "coop_learning", "given")]

    def test_many_odd_ones_do_not_refuse_the_file(self, load: Load, tmp_path: Path, vault: Vault) -> None:
        load(self._file(tmp_path / "c.csv", *(f"c{n},,,unknown,{n}" for n in range(20))))
        assert len(contents(vault)["identifiers"]) == 20

    def test_shopifys_customers_are_matched_by_e_mail(self, load: Load, tmp_path: Path, vault: Vault) -> None:
        header = "Name,Email,Created at,Lineitem quantity,Lineitem name\n"
        rows = (
            "#1,Ann@Example.com,2026-05-01 09:50:26 +0200,1,Tea",
            "#1,,,2,Rye",
            "#2,till 2,2026-05-01 09:50:26 +0200,1,Tea",
            "#3,ann@example.com,2026-05-02 09:50:26 +0200,1,Tea",
        )
        (result,) = load(self._file(tmp_path / "o.csv", *rows, header=header))
        held = contents(vault)
        assert held["identifiers"] == [("ann@example.com", "email", "ann@example.com")]
        assert len(held["lines"]) == 4  # what the till sold is there
        assert result.understanding is not None
        assert [count.first_lines for count in result.understanding.left_out] == [(4,)]

    def test_they_go_with_the_customer(self, load: Load, tmp_path: Path, vault: Vault) -> None:
        load(self._file(tmp_path / "c.csv", "ann,,,ann@a.org,1", "ben,,,ben@a.org,2"))
        with vault.write() as connection:
            connection.execute("DELETE FROM customers WHERE customer_id = 'ann'")
        assert {row[0] for row in contents(vault)["identifiers"]} == {"ben"}

    def test_files_imported_before_identifiers_were_kept_can_be_imported_once_more(
        self, load: Load, tmp_path: Path, vault: Vault
    ) -> None:
        file = self._file(tmp_path / "c.csv", "ann,yes,2025-01-01,ann@a.org,1")
        load(file)
        before = contents(vault)
        _as_version_2_left_it(vault)
        with Vault.open(vault.path) as again:
            assert contents(again)["identifiers"] == []
            (result,) = Importer(again, now=NOW).run([file])
            assert result.outcome is FileOutcome.SAVED
            after = contents(again)
        assert {name: rows for name, rows in after.items() if name != "imports"} == {
            name: rows for name, rows in before.items() if name != "imports"
        }

    @settings(max_examples=60, deadline=None)
    @given(cells=st.lists(st.text(max_size=20), min_size=1, max_size=6))
    def test_whatever_is_kept_can_be_hashed_and_is_its_own_spelling(self, cells: list[str]) -> None:
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(["customer_id", "consent_recorded_at", "email", "loyalty_number"])
        for number, cell in enumerate(cells):
            writer.writerow([f"c{number}", "", cell.replace("\x00", ""), cell.replace("\x00", "")])
        try:
            held = _fresh([("c.csv", out.getvalue().encode("utf-8", "replace"))])
        except (FileNotUnderstoodError, TooManyProblemsError):
            return
        for _, kind, value in held["identifiers"]:
            assert normalise(str(value)) == value
            assert identifier_input(IdentifierKind(str(kind)), str(value))


def _as_version_2_left_it(vault: Vault) -> None:
    """Take away what later versions know: identifiers, and of consents all but plain answers."""
    for table in (
        "identifiers",
        "customer_attributes",
        "exclusions",
        "notices",
        "pseudonyms",
        "rights_requests",
    ):
        vault.connection.execute(f"DROP TABLE {table}")
    vault.connection.execute("ALTER TABLE consents RENAME TO later")
    vault.connection.execute(
        "CREATE TABLE consents (position INTEGER PRIMARY KEY, customer INTEGER NOT NULL,"
        " purpose TEXT NOT NULL, answer TEXT NOT NULL, recorded_at INTEGER NOT NULL, source TEXT NOT NULL)"
    )
    vault.connection.execute(
        "INSERT INTO consents SELECT position, customer, purpose,"
        " CASE act WHEN 'given' THEN 'grant' ELSE 'withdrawal' END, \"at\", source FROM later"
    )
    for table in ("later", "consent_anchor"):
        vault.connection.execute(f"DROP TABLE {table}")
    vault.connection.execute("PRAGMA user_version = 2")
    vault.path.with_name("consent.head").unlink()


class TestRowsLeftOut:
    """A row that cannot be read is counted, listed by line and left out; the rest is saved."""

    GOOD = "".join(f"9{i},2026-05-01T09:00:00,ann,tea,1,2,0\n" for i in range(20))

    @pytest.mark.parametrize(
        ("row", "reason"),
        [
            (",2026-05-01,ann,tea,1,2,0", "no order number"),
            ("1,2026-05-01,ann,,1,2,0", "no product code"),
            ("1,,ann,tea,1,2,0", "no date"),
            ("1,01/05/2026,ann,tea,1,2,0", "a date that cannot be read"),
            ("1,2026-02-30,ann,tea,1,2,0", "a date that cannot be read"),
            ("1,2031-05-01,ann,tea,1,2,0", "a date in the future"),
            ("1,1899-12-30,ann,tea,1,2,0", "a date before 1980"),
            ("1,2026-05-01,ann,tea,-1,2,0", "a negative quantity"),
            ("1,2026-05-01,ann,tea,0,2,0", "a quantity of zero"),
            ("1,2026-05-01,ann,tea,some,2,0", "a quantity that is not a number"),
            ("1,2026-05-01,ann,tea,nan,2,0", "a quantity that is not a number"),
            ("1,2026-05-01,ann,tea,1e300,2,0", "a number too large"),
            ("1,2026-05-01,ann,tea,1,-2,0", "a negative price"),
            ("1,2026-05-01,ann,tea,1,free,0", "a price that is not a number"),
            ("1,2026-05-01,ann,tea,1,2,-1", "a negative price"),
            ("1,2026-05-01,ann,tea,1,1e12,0", "a number too large"),
            ("1,2026-05-01,ann," + "t" * 129 + ",1,2,0", "a code longer than 128 characters"),
            ("1,2026-05-01,ann,te\x07a,1,2,0", "a code with unprintable characters"),
            ("1,2026-05-01,ann,tea,1,2,0,surplus", "more cells than the header"),
            ("90,2026-05-01T09:00:00,ann,tea,1,2,0", "the same line again"),
            ("90,2026-05-01T09:00:00,,jam,1,2,0", "no customer, though another line of that order has one"),
        ],
    )
    def test_a_bad_line_is_left_out_with_its_reason(
        self, load: Load, tmp_path: Path, vault: Vault, row: str, reason: str
    ) -> None:
        (tmp_path / "o.csv").write_text(f"{HEADER}{self.GOOD}{row}\n")
        (result,) = load(tmp_path / "o.csv")
        assert result.understanding is not None
        (left_out,) = result.understanding.left_out
        assert reason in left_out.problem
        assert left_out.first_lines == (22,)
        assert len(contents(vault)["lines"]) == 20

    def test_line_numbers_count_the_lines_of_quoted_cells(self, load: Load, tmp_path: Path) -> None:
        body = 'product_id,title,category\na,"two\nlines",x\nb,B,x\nc,C,x\nd,D,x\ne,E,x\n,none,x\n'
        (tmp_path / "p.csv").write_text(body)
        (result,) = load(tmp_path / "p.csv")
        assert result.understanding is not None
        assert result.understanding.left_out[0].first_lines == (8,)

    def test_more_than_a_fifth_unreadable_refuses_the_file(
        self, load: Load, tmp_path: Path, vault: Vault
    ) -> None:
        before = contents(vault)
        bad = "".join(f"8{i},yesterday,zoe@example.com,tea,1,2,0\n" for i in range(6))
        (tmp_path / "o.csv").write_text(f"{HEADER}{self.GOOD}{bad}")
        with pytest.raises(TooManyProblemsError, match="6 of the 26 rows") as caught:
            load(tmp_path / "o.csv")
        assert "zoe" not in caught.value.for_user()
        assert contents(vault) == before

    def test_a_fifth_is_still_taken(self, load: Load, tmp_path: Path, vault: Vault) -> None:
        bad = "".join(f"8{i},yesterday,ann,tea,1,2,0\n" for i in range(5))
        (tmp_path / "o.csv").write_text(f"{HEADER}{self.GOOD}{bad}")
        load(tmp_path / "o.csv")
        assert len(contents(vault)["lines"]) == 20

    def test_a_no_without_a_date_counts_and_a_yes_without_one_does_not(
        self, load: Load, tmp_path: Path, vault: Vault
    ) -> None:
        dated = "".join(f"c{i},no,yes,2025-01-01\n" for i in range(9))
        head = "customer_id,consent_suggestions,consent_coop_learning,consent_recorded_at\n"
        (tmp_path / "c.csv").write_text(f"{head}{dated}ann,no,yes,2031-01-01\n")
        (result,) = load(tmp_path / "c.csv")
        assert result.understanding is not None
        assert [p.problem.value for p in result.understanding.left_out] == [
            "a yes without a usable date (taken as not asked)"
        ]
        said = [row[1:3] for row in contents(vault)["consents"] if row[0] == "ann"]
        assert said == [("suggestions_here", "refused")]


BAD_FILES: dict[str, tuple[str, bytes, str]] = {
    "missing columns": ("o.csv", b"order_id,ordered_at,product_id\n1,2026-05-01,tea\n", "lacks the columns"),
    "unknown columns": ("o.csv", b"a,b,c\n1,2,3\n", "none of the columns that are known"),
    "no rows": ("o.csv", HEADER.encode(), "no rows"),
    "empty": ("o.csv", b"", "is empty"),
    "zip": ("exports.zip", b"PK\x03\x04" + bytes(100), "zip archive, not a text file. Unpack it"),
    "spreadsheet": ("orders.xlsx", b"PK\x03\x04" + bytes(100), "a spreadsheet.*Save it as CSV"),
    "old spreadsheet": ("orders.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old Excel workbook"),
    "gzip": ("orders.csv.gz", b"\x1f\x8b\x08" + bytes(20), "gzip archive"),
    "database": ("vault.db", b"SQLite format 3\x00" + bytes(100), "a database"),
    "NUL bytes": ("o.csv", HEADER.encode() + b"1,2026-05-01,ann,te\x00a,1,2,0\n", "NUL"),
    "unknown encoding": ("o.csv", HEADER.encode() + b"1,2026-05-01,\x81\xff,tea,1,2,0\n", "encoding"),
    "half UTF-16": ("o.csv", ("\ufeff" + HEADER).encode("utf-16-le") + b"\x31", "encoding"),
    "enormous cell": ("o.csv", HEADER.encode() + b"1,2026-05-01,ann," + b"t" * 200_000, "enormous cell"),
    "enormous line": ("o.csv", b"x" * 3_000_000, "enormous cell near line 1"),
    "open quote": ("o.csv", HEADER.encode() + b'1,"2026' + b",a,b\n" * 50_000, "quotation mark"),
    "quote over many lines": ("o.csv", HEADER.encode() + b'"' + b'x","\n' * 700_000, "enormous cell"),
    "column bomb": ("o.csv", b"," * 100_000 + b"\n1\n", "columns, which no export of a shop has"),
    "column twice": ("p.csv", b"product_id,title,title,category\na,b,c,d\n", "column title twice"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_file_gets_one_sentence_and_a_next_step_and_changes_nothing(
    load: Load, tmp_path: Path, full_vault: Vault, kind: str
) -> None:
    name, body, message = BAD_FILES[kind]
    (tmp_path / name).write_bytes(body)
    before = contents(full_vault)
    with pytest.raises((FileNotUnderstoodError, TooManyProblemsError)) as caught:
        load(tmp_path / name)
    assert re.search(message, caught.value.for_user(), re.DOTALL)
    assert caught.value.next_step
    assert name in caught.value.what
    assert "\n" not in caught.value.for_user()
    assert contents(full_vault) == before
    assert {p.name for p in full_vault.path.parent.iterdir()} <= {
        "vault.db",
        "vault.db-wal",
        "vault.db-shm",
        "import.lock",
        "consent.head",
    }


def test_paths_that_are_not_there_and_folders_without_exports_are_told(load: Load, tmp_path: Path) -> None:
    with pytest.raises(FileNotUnderstoodError, match="not a file or folder"):
        load(tmp_path / "nothing.csv")
    (tmp_path / "photos").mkdir()
    with pytest.raises(FileNotUnderstoodError, match="no CSV files"):
        load(tmp_path / "photos")


def test_one_bad_file_among_several_saves_none(load: Load, shop_files: Path, vault: Vault) -> None:
    (shop_files / "z.csv").write_text("a,b\n1,2\n")
    before = contents(vault)
    with pytest.raises(FileNotUnderstoodError, match=r"z\.csv"):
        load(shop_files)
    assert contents(vault) == before


def test_a_file_that_changes_while_it_is_read_is_not_saved(vault: Vault, shop_files: Path) -> None:
    orders = shop_files / "a_orders.csv"

    def meddle(name: str, done: int, total: int) -> None:
        if done == total:
            orders.write_text(ORDERS + "5,2026-06-11,ann,tea,1,4.50,0\n")

    before = contents(vault)
    with pytest.raises(FileNotUnderstoodError, match="changed while it was being read"):
        list(Importer(vault, now=NOW, progress=meddle).run([orders]))
    assert contents(vault) == before


def test_a_full_disk_saves_nothing_of_the_file(load: Load, tmp_path: Path, full_vault: Vault) -> None:
    (tmp_path / "big.csv").write_text(
        HEADER + "".join(f"n{i},2026-05-01T09:00:00,c{i},tea,1,2,0\n" for i in range(5_000))
    )
    before = contents(full_vault)
    (pages,) = full_vault.connection.execute("PRAGMA page_count").fetchone()
    full_vault.connection.execute(f"PRAGMA main.max_page_count = {pages + 20}")
    with pytest.raises(VaultFullError):
        load(tmp_path / "big.csv")
    assert _saved(full_vault) == {k: v for k, v in before.items() if k != "imports"}


def test_a_file_larger_than_the_free_disk_is_refused_before_it_is_read(
    full_vault: Vault, load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "o.csv").write_text(HEADER + TestRowsLeftOut.GOOD)
    monkeypatch.setattr(importer.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1000, 900, 100))
    before = contents(full_vault)
    with pytest.raises(VaultFullError, match="free disk") as caught:
        load(tmp_path / "o.csv")
    assert "split it" in caught.value.next_step
    assert contents(full_vault) == before


def test_two_imports_at_once_are_refused(vault: Vault, shop_files: Path) -> None:
    first = Importer(vault, now=NOW).run([shop_files])
    next(first)
    with Vault.open(vault.path) as again, pytest.raises(ImportBusyError):
        list(Importer(again, now=NOW).run([shop_files]))
    assert len(list(first)) == 2


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
    straight = _fresh([("o.csv", _as_csv(ORDER_HEADER, rows, list(range(6))))])
    assert _fresh([("o.csv", _as_csv(ORDER_HEADER, rows, order))]) == straight


@settings(max_examples=40, deadline=None)
@given(drawn=st.lists(lines, min_size=2, max_size=30), data=st.data())
def test_overlapping_pieces_make_the_whole(
    drawn: list[tuple[int, str, int, str]], data: st.DataObject
) -> None:
    rows = _order_rows(drawn)
    end = data.draw(st.integers(1, len(rows)))
    start = data.draw(st.integers(0, end - 1))
    order = list(range(6))
    whole = _fresh([("o.csv", _as_csv(ORDER_HEADER, rows, order))])
    pieces = [
        ("1.csv", _as_csv(ORDER_HEADER, rows[:end], order)),
        ("2.csv", _as_csv(ORDER_HEADER, rows[start:], order)),
    ]
    if data.draw(st.booleans()):
        pieces.reverse()
    assert _fresh(pieces) == whole


@settings(max_examples=15, deadline=None)
@given(order=st.permutations([("p.csv", PRODUCTS), ("c.csv", CUSTOMERS), ("o.csv", ORDERS)]))
def test_the_order_of_files_never_matters(order: list[tuple[str, str]]) -> None:
    files = [(name, text.encode()) for name, text in order]
    assert _fresh(files) == _fresh(sorted(files))
    assert _fresh([*files, *files]) == _fresh(files)


@settings(max_examples=150, deadline=None)
@given(body=st.binary(max_size=400), head=st.sampled_from([b"", HEADER.encode(), PRODUCTS.encode()]))
def test_any_bytes_are_imported_or_refused_in_words(body: bytes, head: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder, Vault.open(Path(folder) / "s" / "vault.db") as vault:
        path = Path(folder) / "any.csv"
        path.write_bytes(head + body)
        refusal = None
        try:
            list(Importer(vault, now=NOW).run([path]))
        except (FileNotUnderstoodError, TooManyProblemsError) as error:
            refusal = error
        # Anything else that is raised fails the test.
        assert refusal is None or (refusal.next_step and not any(_saved(vault).values()))
