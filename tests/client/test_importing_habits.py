"""What spreadsheets and people do to exports: told, mended or refused, and nothing is lost on the quiet."""

from __future__ import annotations

from pathlib import Path

import pytest

from highstreet.client.errors import FileNotUnderstoodError, TooManyProblemsError
from highstreet.client.vault import Vault
from tests.client.conftest import contents
from tests.client.imported import HEADER, Load, saved_in

ANSWERS = "customer_id,consent_coop_learning,consent_recorded_at,consent_source\n"
YESES = "".join(f"c{n},yes,2026-05-01,form\n" for n in range(12))


def _lines(first: int, count: int) -> str:
    return "".join(f"{first + n},2026-05-01T09:00:00,ann,tea,1,2,0\n" for n in range(count))


class TestQuotationMarks:
    """A stray quotation mark makes one cell of many rows: what would be lost in it refuses the file."""

    @pytest.mark.parametrize(
        "stray",
        [
            'ann,yes,2026-05-01,"till\nben,no,2026-05-01,form\ncat,no,2026-05-01,form\n',
            'ann,yes,2026-05-01,"till\nben,no,2026-05-01,form\ncat,no,2026-05-01,form',
            'ann,yes,2026-05-01,"till\nben,no,2026-05-01,"form, paper"\n',
            'ann,yes,2026-05-01,"till\n',
        ],
        ids=["to the end", "no last line end", "closed by a cell of quotes", "in the last row"],
    )
    def test_noes_are_not_swallowed(self, load: Load, tmp_path: Path, vault: Vault, stray: str) -> None:
        (tmp_path / "c.csv").write_text(ANSWERS + YESES + stray)
        before = contents(vault)
        with pytest.raises(FileNotUnderstoodError, match="quotation mark near line 14 that is not closed"):
            load(tmp_path / "c.csv")
        assert contents(vault) == before

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    @pytest.mark.parametrize("ends", [True, False])
    def test_cells_of_several_lines_and_odd_marks_within_a_line_are_read(
        self, load: Load, tmp_path: Path, vault: Vault, end: str, ends: bool
    ) -> None:
        rows = (
            "product_id,title,category",
            'a,"two ""lines""\n,of it",x',
            'b,"Best" tea,x',
            'c,17" screen,"x"',
        )
        body = end.join(rows) + end * ends
        (tmp_path / "p.csv").write_bytes(body.encode())
        load(tmp_path / "p.csv")
        assert [row[1] for row in contents(vault)["products"]] == [
            'two "lines" ,of it',
            "Best tea",
            '17" screen',
        ]


class TestHeaders:
    """The first row may be odd, and may come again."""

    def test_a_column_name_of_several_lines(self, load: Load, tmp_path: Path, vault: Vault) -> None:
        header = HEADER.replace("quantity,", 'quantity,"Notes\n(ours, not theirs)",')
        (tmp_path / "o.csv").write_text("sep=,\n" + header + "1,2026-05-01,ann,tea,1,x,2,0\n,,,,,,,x\n")
        with pytest.raises(
            TooManyProblemsError, match=r"\(line 5\)"
        ):  # lines are still counted as they stand
            load(tmp_path / "o.csv")
        (tmp_path / "o.csv").write_text(header + "1,2026-05-01,ann,tea,1,x,2,0\n")
        load(tmp_path / "o.csv")
        assert contents(vault)["lines"] == [("1", "tea", 1.0, 20_000, 0)]

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ("x" * 200_000, "enormous cell near line 1"),
            (HEADER.strip() + "," + "x" * 200_000 + "\n", "none of the columns|enormous cell near line 1"),
            ('{"orders": [' + '{"id": 1},' * 20_000 + "]}", "columns, which no export"),
        ],
        ids=["one cell", "one name", "JSON on one line"],
    )
    def test_an_enormous_one_is_refused_in_words(
        self, load: Load, tmp_path: Path, body: str, message: str
    ) -> None:
        (tmp_path / "o.csv").write_text(body)
        with pytest.raises(FileNotUnderstoodError, match=message):
            load(tmp_path / "o.csv")

    @pytest.mark.parametrize("again", [HEADER, "\ufeff" + HEADER])
    def test_files_put_one_below_the_other_are_read_as_one(
        self, load: Load, tmp_path: Path, vault: Vault, again: str
    ) -> None:
        (tmp_path / "o.csv").write_text(HEADER + _lines(1, 2) + again + _lines(3, 2))
        (result,) = load(tmp_path / "o.csv")
        assert result.understanding is not None
        assert (result.understanding.rows_read, result.understanding.left_out) == (4, ())
        assert len(contents(vault)["lines"]) == 4

    @pytest.mark.parametrize(
        ("header", "row"),
        [
            ("product_id,title,category\n", "tea,Tea,Drinks\n"),
            ("customer_id,consent_recorded_at\n", "ann,\n"),
            ("Name,Email,Created at,Lineitem quantity,Lineitem name\n", "#1,a@x.org,2026-05-01,1,Tea\n"),
        ],
    )
    def test_column_names_become_no_product_and_nobody(
        self, load: Load, tmp_path: Path, vault: Vault, header: str, row: str
    ) -> None:
        (tmp_path / "1.csv").write_text(header + row)
        load(tmp_path / "1.csv")
        once = saved_in(vault)
        (tmp_path / "2.csv").write_text(header + row + header)
        load(tmp_path / "2.csv")
        assert saved_in(vault) == once

    def test_another_header_in_the_middle_refuses_the_file(
        self, load: Load, tmp_path: Path, vault: Vault
    ) -> None:
        other = "customer_id,consent_recorded_at,consent_coop_learning,consent_source\n"
        (tmp_path / "c.csv").write_text(ANSWERS + YESES + other + "dan,2026-05-01,yes,form\n")
        with pytest.raises(FileNotUnderstoodError, match="other column names in the middle, in line 14"):
            load(tmp_path / "c.csv")
        assert contents(vault)["customers"] == []

    def test_a_cell_that_is_a_columns_name_is_a_cell(self, load: Load, tmp_path: Path, vault: Vault) -> None:
        (tmp_path / "p.csv").write_text("product_id,title,category,size\ntitle,Title,category,x\n")
        load(tmp_path / "p.csv")
        assert [row[:3] for row in contents(vault)["products"]] == [("title", "Title", "category")]


def test_rows_of_nothing_but_commas_are_blank(load: Load, tmp_path: Path, vault: Vault) -> None:
    (tmp_path / "o.csv").write_text(HEADER + _lines(1, 2) + ",,,,,,\n" * 50)
    (result,) = load(tmp_path / "o.csv")
    assert result.understanding is not None
    assert (result.understanding.rows_read, result.understanding.left_out) == (2, ())
    assert len(contents(vault)["lines"]) == 2
