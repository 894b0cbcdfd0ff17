"""A page about a run of the slow tests: which there were, how they ended, how long each took.

    python -m pytest -m slow --junitxml=slow.xml; python scripts/slow_table.py slow.xml [another.xml ...]

The run's own reports are read, not its output. What failed is written down as that, and the exit code is 1
then.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]


class Ran(NamedTuple):
    """One test of a run; `ended` is passed, failed or skipped, `module` the file without its ending."""

    module: str
    name: str
    ended: str
    seconds: float


def main() -> int:
    """Write the page, and say by the exit code whether all passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("reports", nargs="+", type=Path)
    parser.add_argument("--command", default="make test-slow", help="what was run, to be written down")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    chosen = parser.parse_args()
    ran = sorted(
        (one for report in chosen.reports for one in read(report.read_text())), key=lambda one: one.module
    )
    finished = max(datetime.fromtimestamp(report.stat().st_mtime) for report in chosen.reports)
    about = f"`{chosen.command}`, commit {_commit()}, {_machine()}, finished {finished:%Y-%m-%d %H:%M}."
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "slow.md").write_text(page(ran, about))
    return 0 if ran and all(one.ended == "passed" for one in ran) else 1


def read(report: str) -> Iterator[Ran]:
    """Yield the tests of a JUnit report that pytest wrote."""
    for case in ET.fromstring(report).iter("testcase"):  # noqa: S314  written by our own run just now
        found = {child.tag for child in case}
        ended = "failed" if found & {"failure", "error"} else "skipped" if "skipped" in found else "passed"
        module = case.get("classname", "").removeprefix("tests.").replace(".", "/")
        yield Ran(module, case.get("name", ""), ended, float(case.get("time", 0)))


def page(ran: Iterable[Ran], about: str) -> str:
    """Return the page, a row for each test."""
    ran = list(ran)
    passed = sum(one.ended == "passed" for one in ran)
    rows = [
        f"| tests/{one.module}.py | {_in_words(one.name)} | {one.ended} | {one.seconds:.0f} |" for one in ran
    ]
    return "\n".join(
        [
            "# The slow tests",
            "",
            "What `make test` has no time for: a thousand kills of the ledger, the demo, real processes",
            "killed at every point, whole matchings, 100,000 steps of a store's life, rights on 100,000",
            "order lines, logs of 100,000 entries. `make test-slow` writes this page.",
            "",
            about,
            "",
            f"{passed} of {len(ran)} passed, in {sum(one.seconds for one in ran) / 60:.0f} minutes of tests.",
            "",
            "| file | test | ended | seconds |",
            "|---|---|---|---:|",
            *rows,
            "",
        ]
    )


def _in_words(name: str) -> str:
    words, bracket, case = name.removeprefix("test_").partition("[")
    return words.replace("_", " ") + bracket + case.replace("|", "/")


def _commit() -> str:
    def git(*words: str) -> str:
        answer = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)  # noqa: S603, S607
        return answer.stdout.strip()

    return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")


def _machine() -> str:
    system, machine, python = platform.system(), platform.machine(), platform.python_version()
    return f"{system} {machine}, {os.cpu_count()} cores, Python {python}"


if __name__ == "__main__":
    sys.exit(main())
