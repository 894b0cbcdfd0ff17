"""What a report says of the published benchmark is in the published table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from highstreet.simulations.report.published import NOISE_IN_THE_SUM

pytestmark = pytest.mark.checkout

_ROOT = Path(__file__).resolve().parent.parent.parent
_ROWS = (
    "co-op prior + local, epsilon 3 per customer, noise once in the sum",
    "co-op prior + local, epsilon 3 per customer, noise in every store",
    "each shop alone: its own best model",
)


def test_the_figures_are_those_of_the_table_it_names() -> None:
    (name,) = re.findall(r"docs/results/\S+\.md", NOISE_IN_THE_SUM)
    table = (_ROOT / name).read_text(encoding="utf-8").split("## Quality")[1].split("## ")[0]
    rows = [re.split(r" *\| *", line) for line in table.splitlines() if line.startswith("|")]
    column = rows[0].index("novel NDCG@10")
    found = {row[1]: row[column].split()[0] for row in rows}
    assert re.findall(r"\.0\d{3}", NOISE_IN_THE_SUM) == [found[row] for row in _ROWS]
    assert "not measured in this run" in NOISE_IN_THE_SUM
