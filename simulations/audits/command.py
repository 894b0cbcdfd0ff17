"""`highstreet lab audit`: runs the audits, keeps the report up to date, says what was found."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from highstreet.simulations.audits.bench import bounds
from highstreet.simulations.audits.findings import Bound, Reading, Verdict
from highstreet.simulations.audits.leaks import readings
from highstreet.simulations.audits.report import AuditFacts, write_audit_report
from highstreet.simulations.audits.sizes import CLAIMS, FULL, SHORT, Size
from highstreet.simulations.provenance import command, commit
from highstreet.simulations.replay_report import machine
from highstreet.simulations.report_files import ready_folder

__all__ = ["run_audit"]

_SOUND = {Verdict.BELOW, Verdict.FOUND, Verdict.AT_CEILING, Verdict.TOO_SMALL}


def run_audit(
    out: Path, *, short: bool, seed: int, console: Console | None = None, size: Size | None = None
) -> bool:
    """Run every audit, write the report after each, and return whether all came out as they must.

    Args:
        out: folder of the report; made when it is not there.
        short: run the short form.
        seed: of shops, canaries and coins. The noise is the operating system's and differs every time.
        console: to report progress on.
        size: of the audits, in place of the two there are.
    """
    screen = console or Console(stderr=True)
    ready_folder(out)
    typed, head = command(), commit()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    _one_thread()
    chosen = size or (SHORT if short else FULL)
    started = time.monotonic()
    found: list[Bound] = []
    read: list[Reading] = []

    def step(words: str) -> None:
        screen.print(f"{time.monotonic() - started:6.0f} s  {words}", highlight=False)

    def write() -> list[Path]:
        return write_audit_report(out, _facts(chosen, typed, head), found, read)

    for reading in readings(chosen, seed=seed, step=step):
        read.append(reading)
        write()
    for bound in bounds(chosen, seed=seed, step=step):
        found.append(bound)
        write()
    paths = write()
    return _conclude(found, read, screen.print, paths)


def _conclude(found: list[Bound], read: list[Reading], say: Callable[..., None], paths: list[Path]) -> bool:
    odd = [
        f"{each.audit}, {each.path}: {each.verdict(CLAIMS)}"
        for each in found
        if each.verdict(CLAIMS) not in _SOUND
    ]
    odd += [f"{each.what}, {each.transcript}: {each.verdict}" for each in read if each.verdict.isupper()]
    for line in odd:
        say(line, highlight=False)
    say(f"{len(found)} bounds, {len(read)} readings, {len(odd)} not as they must be.")
    say("Reports: " + ", ".join(map(str, paths)))
    return not odd


def _facts(size: Size, typed: str, head: str) -> AuditFacts:
    return AuditFacts(
        command=typed,
        commit=head,
        machine=machine(),
        finished_at=datetime.now(tz=UTC).isoformat(timespec="seconds"),
        size=(
            f"{size.stores} shops of {size.customers} customers besides {size.canaries} canaries with random "
            f"directions, or {size.baskets} with baskets, each in by a fair coin. Likelihood ratios: "
            f"{size.runs} runs of the whole programme with several targets each, {size.customer_runs} with "
            f"an ordinary customer, over a small feature space."
        ),
    )


def _one_thread() -> None:
    """Many small products: more threads only wait for each other."""
    import torch

    torch.set_num_threads(1)
