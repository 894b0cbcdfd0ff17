"""A row that cannot be read is left out and told; a file that cannot is refused and changes nothing."""

from __future__ import annotations

import re
import shutil
import tempfile
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
from highstreet.client.importing.importer import Importer
from highstreet.client.importing.problems import ProblemCount
from highstreet.client.importing.records import Problem
from highstreet.client.vault import Vault
from tests.client.conftest import NOW, ORDERS, PRODUCTS, contents
from tests.client.imported import HEADER, Load, saved_in


class TestRowsLeftOut:
    """A row that cannot be read is counted, listed by line and left out; the rest is saved."""

    GOOD = "".join(f"9{i},2026-05-01T09:00:00,ann,tea,1,2,0\n" for i in range(20))

    @staticmethod
    def left_out_of_the_last(load: Load, folder: Path, others: str, last: str) -> ProblemCount:
        """Load nine customers who answered alike and then ann; return the one problem, which is hers."""
        head = "customer_id,consent_suggestions,consent_coop_learning,minor,consent_recorded_at\n"
        rows = "".join(f"c{i},{others}\n" for i in range(9))
        (folder / "c.csv").write_text(f"{head}{rows}ann,{last}\n")
        (result,) = load(folder / "c.csv")
        assert result.understanding is not None
        (left_out,) = result.understanding.left_out
        assert left_out.first_lines == (11,)
        return left_out

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
            ("7.00638E+12,2026-05-01,ann,tea,1,2,0", "a code that a spreadsheet has rounded"),
            ("1,2026-05-01,4.1E+09,tea,1,2,0", "a code that a spreadsheet has rounded"),
            ("1,2026-05-01,ann,4E+12,1,2,0", "a code that a spreadsheet has rounded"),
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
        left_out = self.left_out_of_the_last(load, tmp_path, "no,yes,,2025-01-01", "no,yes,,2031-01-01")
        assert left_out.problem is Problem.UNDATED_YES
        said = [row[1:3] for row in contents(vault)["consents"] if row[0] == "ann"]
        assert said == [("suggestions_here", "refused")]

    @pytest.mark.parametrize("cells", ["oui,no,", "no,x,", ",no,perhaps", "yes,no,ja"])
    def test_a_no_beside_what_cannot_be_read_counts_and_a_yes_does_not(
        self, load: Load, tmp_path: Path, vault: Vault, cells: str
    ) -> None:
        left_out = self.left_out_of_the_last(load, tmp_path, "yes,yes,,2025-01-01", f"{cells},2025-01-01")
        assert left_out.problem is Problem.ODD_ANSWER
        assert [row[2] for row in contents(vault)["consents"] if row[0] == "ann"] == ["refused"]

    def test_codes_that_only_look_rounded_are_codes_and_a_rounded_bar_code_is_none(
        self, load: Load, tmp_path: Path, vault: Vault
    ) -> None:
        head = "product_id,title,category,gtin\n"
        (tmp_path / "1.csv").write_text(head + "1E5,A,x,4006381333931\n2E+5,B,x,\n3e+12,C,x,\n")
        (tmp_path / "2.csv").write_text(head + '1E5,A,x,4.00638E+12\n2E+5,B,x,"4,00638E+12"\n')
        load(tmp_path / "1.csv")
        (result,) = load(tmp_path / "2.csv")
        assert result.understanding is not None
        (left_out,) = result.understanding.left_out
        assert (left_out.problem, left_out.count) == (Problem.ROUNDED_BAR_CODE, 2)
        assert [(row[0], row[8]) for row in contents(vault)["products"]] == [
            ("1E5", "4006381333931"),
            ("2E+5", ""),
            ("3e+12", ""),
        ]


BAD_FILES: dict[str, tuple[str, bytes, str]] = {
    "missing columns": ("o.csv", b"order_id,ordered_at,product_id\n1,2026-05-01,tea\n", "lacks the columns"),
    "unknown columns": ("o.csv", b"a,b,c\n1,2,3\n", "none of the columns that are known"),
    "another tool's": (
        "wc.csv",
        b"ID,Type,SKU,Name,Categories\n1,simple,S,Tea,A\n",
        "wc.csv has too few of the",
    ),
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
    assert saved_in(full_vault) == {k: v for k, v in before.items() if k != "imports"}


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
        assert refusal is None or (refusal.next_step and not any(saved_in(vault).values()))
