"""Cells of hostile length: refused in words, or read, and never kept in memory."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from highstreet.client.importing import cells
from highstreet.client.importing.cells import CellReader
from highstreet.client.importing.importer import ImportResult
from highstreet.client.importing.records import Problem, RowError
from highstreet.client.vault import Vault
from tests.client.conftest import NOW, contents

READER = CellReader(decimal_comma=False, now=NOW)


@pytest.fixture(autouse=True)
def empty_caches() -> None:
    cells._parse_number.cache_clear()
    cells._parse_moment.cache_clear()


@pytest.mark.parametrize(
    ("read", "cell", "problem"),
    [
        (READER.quantity, "1." + "0" * 63, Problem.ODD_QUANTITY),
        (READER.money, "1." + "0" * 63, Problem.ODD_PRICE),
        (READER.wall_clock, "2025-01-01T00:00:00." + "0" * 45, Problem.ODD_DATE),
        (READER.span, "2025-01-01T00:00:00." + "0" * 45, Problem.ODD_DATE),
    ],
)
def test_a_number_or_moment_of_more_than_64_characters_is_refused_and_not_kept(
    read: Callable[[str], object], cell: str, problem: Problem
) -> None:
    with pytest.raises(RowError) as caught:
        read(cell)
    assert caught.value.problem is problem
    assert cells._parse_number.cache_info().currsize == cells._parse_moment.cache_info().currsize == 0


def test_a_number_or_moment_of_64_characters_is_read() -> None:
    assert READER.quantity("1." + "0" * 62) == 1.0
    assert READER.span("2025-01-01T00:00:00Z") == READER.span("2025-01-01T00:00:00." + "0" * 38 + "+00:00")


@pytest.fixture(params=["America/New_York", "Pacific/Kiritimati"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A computer far from Greenwich."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("zone")
@pytest.mark.parametrize("read", [READER.span, READER.wall_clock])
@pytest.mark.parametrize("cell", ["9999-12-31", "9999-12-31T23:59:59", "9999-12-31T00:00:00-12:00"])
def test_what_tills_write_for_never_is_a_date_in_the_future(read: Callable[[str], object], cell: str) -> None:
    with pytest.raises(RowError) as caught:
        read(cell)
    assert caught.value.problem is Problem.FUTURE_DATE


def test_blanks_around_a_value_do_not_count() -> None:
    assert READER.quantity(" " * 200 + "2" + " " * 200) == 2.0


def test_a_file_of_enormous_cells_leaves_no_memory_behind(
    vault: Vault, load: Callable[..., list[ImportResult]], tmp_path: Path
) -> None:
    blanks = " " * 50_000
    rows = (
        f"{n},2025-01-01T00:{n // 60:02}:{n % 60:02}{blanks},ann,tea,{n + 1}{blanks},{n}.5{blanks}\n"
        for n in range(100)
    )
    header = "order_id,ordered_at,customer_id,product_id,quantity,unit_price\n"
    (tmp_path / "o.csv").write_text(header + "".join(rows))
    tracemalloc.start()
    try:
        load(tmp_path / "o.csv")
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(contents(vault)["lines"]) == 100
    assert kept < 2_000_000
