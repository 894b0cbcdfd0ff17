"""The whole demo, as a newcomer runs it; minutes long."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(3600)]

_FOR_EVER = 1500.0  # how fast it is, its report says; a busy machine fails nothing
_EIGHT_GIB = 8 << 30


def _start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp")}
    for name in ("home", "tmp"):
        (folder / name).mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "highstreet.cli", "demo", "--out", str(folder / "out"), *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _left_over(folder: Path) -> list[str]:
    """Command lines of processes that still work in the folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            environment = (entry / "environ").read_bytes()
        except OSError:
            continue
        if f"TMPDIR={folder / 'tmp'}".encode() in environment.split(b"\0") and int(entry.name) != os.getpid():
            found.append((entry / "cmdline").read_bytes().decode(errors="replace"))
    return found


def _look_at_the_audit_part(audit: dict[str, Any], out: Path) -> None:
    before, after = audit["withdrawal"]["before"], audit["withdrawal"]["after"]
    assert before["round"] < after["round"]
    assert after["customers"] == before["customers"] - 1
    assert before["cohort_root"] != after["cohort_root"]
    skewed, fair = audit["gate"]["candidates"]
    assert (skewed["is_released"], fair["is_released"]) == (False, True)
    assert skewed["trained_on"] * 6 == skewed["measured_on"] == fair["trained_on"]
    assert audit["log"]["witnesses"] == 3
    assert len(audit["statements"]) == 2
    for stated in audit["statements"]:
        assert hashlib.sha256((out / stated["file"]).read_bytes()).hexdigest() == stated["sha256"]
        assert f'href="{stated["page"]}"' in (out / "report.html").read_text()


def test_the_demo_ends_well_twice_and_leaves_nothing_behind(tmp_path: Path) -> None:
    for _ in range(2):
        run = _start(tmp_path, "--stores", "3")
        try:
            shown, _ = run.communicate(timeout=_FOR_EVER)
        finally:
            run.kill()  # what it started ends with it
        assert run.returncode == 0, shown
        record = json.loads((tmp_path / "out" / "record.json").read_text())
        assert all(check["passed"] for check in record["checks"])
        assert {store["active_release"] for store in record["stores"]} == {1}
        sent = {(each["round"], each["what"]) for store in record["stores"] for each in store["rounds"]}
        steps = ("contribution", "inspection", "agreement", "share of the sum")
        assert sent == {(number, step) for number in range(len(record["phases"])) for step in steps}
        assert record["contribution"]["names_found"] == 0
        _look_at_the_audit_part(record["audit"], tmp_path / "out")
        assert record["machine"]["peak_rss_bytes"] < _EIGHT_GIB
        assert "<svg" in (tmp_path / "out" / "report.html").read_text()
        assert _left_over(tmp_path) == []
        assert list((tmp_path / "home").iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_demo_that_is_stopped_leaves_no_process(tmp_path: Path, number: signal.Signals) -> None:
    run = _start(tmp_path, "--stores", "3")
    assert run.stdout is not None
    for line in run.stdout:
        if "✓ Start the shops' stores" in line:
            break
    run.send_signal(number)
    # The pipe closes when the last process that holds it has ended.
    run.communicate(timeout=120)
    assert run.returncode == (130 if number is signal.SIGINT else -signal.SIGKILL)
    assert _left_over(tmp_path) == []
