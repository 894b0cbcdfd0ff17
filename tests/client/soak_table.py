"""The table of a long run of the store's machine, as `make soak` leaves it in docs/results."""

from __future__ import annotations

import os
import platform
import subprocess
from collections import Counter
from pathlib import Path

import hypothesis

__all__ = ["write_table"]

_PLACE = Path(__file__).resolve().parents[2]
_HEAD = """# A store's life, step by step

Hypothesis does to a store whatever can happen to it, in any order (`tests/client/store_machine.py`), and
holds it against an account of its own: who may be used is whoever agrees, no more and no less; what was kept
is sent bit for bit; the log replayed is the state; nothing planted of an erased person is in any byte on the
disk; epsilon and the store's log never go back. One call of one rule is one step. All of it held; a run that
ends otherwise writes no table. Mistakes that the same machine finds: `tests/client/store_twins.py`.
"""


def write_table(folder: Path, *, steps: Counter[str], seeds: int, seconds: float, cpu_seconds: float) -> None:
    """Write store-machine.md into a folder."""
    rows = [f"| {name.replace('_', ' ')} | {count:,} |" for name, count in steps.most_common()]
    lines = [
        _HEAD,
        f"`make soak`, commit {_commit()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, Hypothesis {hypothesis.__version__}.\n",
        f"{steps.total():,} steps in {seconds:,.0f} s ({cpu_seconds:,.0f} s of CPU time). "
        f"Seeds 0 to {seeds - 1}, each 20 lives of 100 steps.\n",
        "| step | times |",
        "|---|---:|",
        *rows,
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "store-machine.md").write_text("\n".join(lines) + "\n")


def _commit() -> str:
    asked = ["git", "-C", str(_PLACE), "describe", "--always", "--dirty", "--exclude", "*"]
    said = subprocess.run(asked, capture_output=True, text=True, check=False)
    return said.stdout.strip() or "unknown"
