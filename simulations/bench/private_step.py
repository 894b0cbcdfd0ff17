"""The bench of a private training step: runs every case, writes docs/results/private-step.json and .md."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from highstreet.simulations.bench.measure import Measured, measure
from highstreet.simulations.bench.step_case import Case
from highstreet.simulations.bench.step_methods import METHODS
from highstreet.simulations.provenance import command
from highstreet.simulations.provenance import commit as commit_of_the_code
from highstreet.simulations.replay_report import machine
from highstreet.simulations.report_files import ready_folder

__all__ = ["ITEMS", "run_bench", "tables_of"]

ITEMS = (2_000, 20_000, 70_000, 200_000)

_INTRODUCTION = """# A private training step on item tables

Seconds of one step, over those of the same optimised step without privacy; medians of steps that took turns
in one process, quartiles in brackets. {customers} customers of {taken} items, tables of {width} columns,
single precision. *Processor* is the ratio of processor time over all cores, which other work on the machine
disturbs less. Memory is the peak of all resident memory of a fresh process that takes three steps, Python and
torch included.

Machine: {machine}, {threads} torch threads. Commit {commit}.

Load average while it ran: {loads}.

    {command}
"""


def run_bench(
    out: Path,
    *,
    items: Sequence[int],
    turns: int,
    memory_limit_bytes: int,
    say: Callable[[str], None],
) -> list[Path]:
    """Measure all cases and write the results; return the paths."""
    ready_folder(out)
    found, loads, commit = [], [], commit_of_the_code()
    for case in (Case(items=size, tables=tables) for size in items for tables in (1, 2)):
        measured = measure(case, turns=turns, memory_limit_bytes=memory_limit_bytes)
        loads.append(os.getloadavg()[0])
        found.extend(measured)
        for each in measured:
            say(f"{case.items} items, {case.tables} table(s), {METHODS[each.method].title}: {_cell(each)}")
    facts = _facts(found[0].case, loads, commit)
    paths = [out / "private-step.json", out / "private-step.md"]
    paths[0].write_text(json.dumps(facts | {"results": [asdict(each) for each in found]}, indent=1) + "\n")
    paths[1].write_text(_INTRODUCTION.format_map(facts) + "\n" + tables_of(found))
    return paths


def tables_of(found: Sequence[Measured]) -> str:
    """Return a Markdown table for each number of tables: a row for each method, a column for each size."""
    parts = []
    for tables, words in ((1, "One table on both sides"), (2, "A table for each side")):
        chosen = [each for each in found if each.case.tables == tables]
        sizes = sorted({each.case.items for each in chosen})
        if not sizes:
            continue
        lines = [f"## {words}", "", "| | " + " | ".join(f"{size:,} items" for size in sizes) + " |"]
        lines.append("|---" * (1 + len(sizes)) + "|")
        for name, method in METHODS.items():
            row = [each for each in chosen if each.method == name]
            cells = [_cell(each) for each in sorted(row, key=lambda each: each.case.items)]
            lines.append(f"| {method.title} | " + " | ".join(cells) + " |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _cell(measured: Measured) -> str:
    if measured.skipped:
        return measured.skipped
    quartiles = statistics.quantiles(measured.ratios, n=4) if len(measured.ratios) > 1 else [0.0, 0.0, 0.0]
    return (
        f"{measured.ratio:.2f}x ({quartiles[0]:.2f}-{quartiles[2]:.2f}), "
        f"processor {statistics.median(measured.processor_ratios or (0.0,)):.2f}x, "
        f"{1000 * statistics.median(measured.seconds):.0f} ms, {measured.peak_bytes / 1e6:.0f} MB"
    )


def _facts(case: Case, loads: Sequence[float], commit: str) -> dict[str, object]:
    import torch

    return {
        "customers": case.customers,
        "taken": case.taken,
        "width": case.width,
        "machine": machine(),
        "threads": torch.get_num_threads(),
        "loads": ", ".join(f"{load:.1f}" for load in loads),
        "commit": commit,
        "command": command(),
    }
