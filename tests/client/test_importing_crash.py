"""An import that is killed at any statement leaves the vault as it was, and the next one goes through."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from highstreet.client.importing.importer import FileOutcome, Importer
from highstreet.client.vault import Vault
from tests.client.conftest import CUSTOMERS, NOW, ORDERS, PRODUCTS, contents

#: Imports a file and dies, by SIGKILL, before the n-th statement; says how many there were when it lives.
_PROGRAM = """
import os, signal, sys
from datetime import datetime
from pathlib import Path
from highstreet.client.importing.importer import Importer
from highstreet.client.vault import Vault

vault_path, file_path, now, deadly = sys.argv[1:]
vault = Vault.open(Path(vault_path))
count = 0

def step(statement):
    global count
    count += 1
    if count == int(deadly):
        os.kill(os.getpid(), signal.SIGKILL)

vault.connection.set_trace_callback(step)
list(Importer(vault, now=datetime.fromisoformat(now)).run([Path(file_path)]))
sys.stdout.write(str(count))
"""


def _run(vault: Path, file: Path, *, deadly: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(vault), str(file), NOW.isoformat(), str(deadly)],
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    path = tmp_path / "orders.csv"
    path.write_text(ORDERS)
    return path


def _prepared(folder: Path) -> Path:
    """A vault that has products and customers, and waits for orders."""
    folder.mkdir()
    path = folder / "store" / "vault.db"
    with Vault.open(path) as vault:
        for name, text in (("p.csv", PRODUCTS), ("c.csv", CUSTOMERS)):
            (folder / name).write_text(text)
            list(Importer(vault, now=NOW).run([folder / name]))
    return path


def test_an_import_killed_at_any_statement_is_whole_or_nothing(tmp_path: Path, orders: Path) -> None:
    finished = _prepared(tmp_path / "finished")
    with Vault.open(finished) as vault:
        before = contents(vault)
    statements = int(_run(finished, orders, deadly=0).stdout)
    with Vault.open(finished) as vault:
        after = contents(vault)
    assert statements > 20
    assert after != before
    points = sorted({*range(1, statements, max(statements // 9, 1)), statements - 1, statements})
    outcomes = set()
    for point in points:
        path = _prepared(tmp_path / f"killed-{point}")
        assert _run(path, orders, deadly=point).returncode == -9
        with Vault.open(path) as vault:
            left = contents(vault)
            was_reading = [note for note in left["imports"] if note[1] == "reading"]
            left["imports"] = [note for note in left["imports"] if note[1] != "reading"]
            assert left in (before, after)
            assert vault.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            importer = Importer(vault, now=NOW)
            assert importer.interrupted_files() == ["orders.csv"] * len(was_reading)
            assert importer.interrupted_files() == []
            (result,) = importer.run([orders])
            assert (result.outcome is FileOutcome.ALREADY_SAVED) == (left == after)
            outcomes.add((result.outcome, bool(was_reading)))
            again = contents(vault)
            again["imports"] = [note for note in again["imports"] if note[1] == "saved"]
            assert again == after
        assert {file.name for file in path.parent.iterdir()} == {"vault.db", "consent.head", "import.lock"}
    # Points lie before the note that reading began, between it and the end of saving, and after that.
    assert outcomes == {
        (FileOutcome.SAVED, False),
        (FileOutcome.SAVED, True),
        (FileOutcome.ALREADY_SAVED, False),
    }


def test_a_stale_lock_of_a_dead_process_does_not_block(tmp_path: Path, orders: Path) -> None:
    path = _prepared(tmp_path / "store")
    _run(path, orders, deadly=10)
    with Vault.open(path) as vault:
        (result,) = Importer(vault, now=datetime.now(UTC)).run([orders])
    assert result.outcome is FileOutcome.SAVED
