"""What spreadsheets and people do to exports: told, mended or refused, and nothing is lost on the quiet."""

from __future__ import annotations

from pathlib import Path

import pytest

from highstreet.client.errors import FileNotUnderstoodError, TooManyProblemsError
from highstreet.client.vault import Vault
from tests.client.conftest import contents
from tests.client.imported import HEADER, Load

ANSWERS = "customer_id,consent_coop_learning,consent_recorded_at,consent_source\n"
YESES = "".join(f"c{n},yes,2026-05-01,form\n" for n in range(12))


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
