"""What spreadsheets and people do to exports: told, mended or refused, and nothing is lost on the quiet."""

from __future__ import annotations

from pathlib import Path

import pytest

from highstreet.client.errors import FileNotUnderstoodError, TooManyProblemsError
from highstreet.client.vault import Vault
from tests.client.conftest import contents
from tests.client.imported import HEADER, Load


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
