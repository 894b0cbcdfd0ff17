"""The page about the slow tests says how each ended, as the run's own report does."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.checkout

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "slow_table.py"
TESTS = """
import pytest

@pytest.mark.slow
def test_that_passes(): pass

@pytest.mark.slow
@pytest.mark.parametrize("point", ["a_|b"])
def test_that_fails(point): assert not point

@pytest.mark.slow
def test_that_is_skipped(): pytest.skip("nothing here")

@pytest.mark.slow
def test_whose_start_breaks(unknown): pass

def test_that_is_not_slow(): pass
"""


@pytest.fixture(scope="module")
def slow_table() -> ModuleType:
    spec = importlib.util.spec_from_file_location("slow_table", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _report(folder: Path, text: str) -> Path:
    (folder / "tests").mkdir()
    (folder / "tests" / "test_made_up.py").write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = slow: long\n")
    words = ["-m", "pytest", "-q", "-m", "slow", "-p", "no:cacheprovider", "--junitxml=slow.xml"]
    subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, check=False)
    return folder / "slow.xml"


def test_a_page_names_every_test_and_how_it_ended(
    slow_table: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = _report(tmp_path, TESTS)
    monkeypatch.setattr("sys.argv", ["slow_table.py", str(report), "--out", str(tmp_path / "out")])
    assert slow_table.main() == 1
    page = (tmp_path / "out" / "slow.md").read_text()
    assert "1 of 4 passed" in page
    assert "`make test-slow`, commit " in page
    for row in ("that passes | passed", "that is skipped | skipped", "whose start breaks | failed"):
        assert f"| tests/test_made_up.py | {row} | 0 |" in page
    assert "| that fails[a_/b] | failed |" in page
    assert "not slow" not in page


def test_only_a_run_in_which_all_passed_ends_well(
    slow_table: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passing = "import pytest\n\n@pytest.mark.slow\ndef test_that_passes(): pass\n"
    report, out = _report(tmp_path, passing), tmp_path / "out"
    monkeypatch.setattr("sys.argv", ["slow_table.py", str(report), "--out", str(out), "--command", "a | b"])
    assert slow_table.main() == 0
    assert "1 of 1 passed" in (out / "slow.md").read_text()
    assert "`a | b`, commit " in (out / "slow.md").read_text()
    report.write_text("<testsuites><testsuite/></testsuites>")
    assert slow_table.main() == 1  # nothing was run
