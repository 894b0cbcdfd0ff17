"""Measure steps: seconds by taking turns in one process, peak memory each in a process of its own."""

from __future__ import annotations

import gc
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from highstreet.simulations.bench.step_case import Case
from highstreet.simulations.bench.step_methods import METHODS, Method, prepared
from highstreet.simulations.errors import SimulationsError

__all__ = ["Measured", "measure", "peak_of_this_process", "take_steps"]

_STEPS_FOR_PEAK = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One method on one case.

    Attributes:
        case: what was measured.
        method: its name.
        seconds: of each step, in the order of the turns; empty if skipped.
        ratios: seconds over those of the plain step of the same turn.
        processor_seconds: of each step, over all cores. They say more than seconds where other work has the
            machine, if idle threads sleep (OMP_WAIT_POLICY=passive).
        processor_ratios: these over those of the plain step of the same turn.
        peak_bytes: most resident memory of a fresh process that takes three steps, all of Python and torch
            included.
        skipped: why there is nothing, or empty.
    """

    case: Case
    method: str
    seconds: tuple[float, ...] = ()
    ratios: tuple[float, ...] = ()
    processor_seconds: tuple[float, ...] = ()
    processor_ratios: tuple[float, ...] = ()
    peak_bytes: int = 0
    skipped: str = ""

    @property
    def ratio(self) -> float:
        """Median of the ratios."""
        return statistics.median(self.ratios)


def measure(case: Case, *, turns: int, memory_limit_bytes: int) -> list[Measured]:
    """Measure every method on one case.

    Args:
        case: what to measure on.
        turns: how many steps of each method are timed, after one that is not. In each turn every method takes
            one step, so that whatever else the machine does falls on all alike.
        memory_limit_bytes: a method that would need more is skipped, and says so.
    """
    reasons = {name: _reason(method, case, memory_limit_bytes) for name, method in METHODS.items()}
    chosen = [METHODS[name] for name, reason in reasons.items() if not reason]
    seconds, processor = _by_turns(chosen, case, turns)
    found = []
    for name, reason in reasons.items():
        if reason:
            found.append(Measured(case=case, method=name, skipped=reason))
            continue
        found.append(
            Measured(
                case=case,
                method=name,
                seconds=tuple(seconds[name]),
                ratios=_over(seconds[name], seconds["plain"]),
                processor_seconds=tuple(processor[name]),
                processor_ratios=_over(processor[name], processor["plain"]),
                peak_bytes=_peak_of(name, case),
            )
        )
    return found


def take_steps(name: str, case: Case) -> None:
    """Take a few steps by one method, for the peak of this process's memory."""
    with prepared(METHODS[name], case) as step:
        for _ in range(_STEPS_FOR_PEAK):
            step()


def peak_of_this_process() -> int:
    """Return the most resident memory of this process since it started its program, in bytes; Linux only.

    Not `getrusage`: there the peak of the process that started this one lives on.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(each for each in status.splitlines() if each.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def _over(seconds: Sequence[float], plain: Sequence[float]) -> tuple[float, ...]:
    return tuple(each / other for each, other in zip(seconds, plain, strict=True))


def _by_turns(
    methods: Sequence[Method], case: Case, turns: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Return seconds and processor seconds of each step of each method."""
    seconds: dict[str, list[float]] = {method.name: [] for method in methods}
    processor: dict[str, list[float]] = {method.name: [] for method in methods}
    with ExitStack() as stack:
        steps = {method.name: stack.enter_context(prepared(method, case)) for method in methods}
        for step in steps.values():
            step()
        for turn in range(turns):
            # Forwards, then backwards: nobody always comes after the same neighbour.
            for name in sorted(steps, key=list(steps).index, reverse=bool(turn % 2)):
                gc.collect()
                start, busy = time.perf_counter(), time.process_time()
                steps[name]()
                seconds[name].append(time.perf_counter() - start)
                processor[name].append(time.process_time() - busy)
    return seconds, processor


def _reason(method: Method, case: Case, memory_limit_bytes: int) -> str:
    """Say why a method is left out, or nothing."""
    if case.tables == 1 and not method.one_table:
        return "refuses a table used on both sides"
    needed = method.needed_bytes(case)
    if needed > memory_limit_bytes:
        return f"would need {needed / 1e9:.0f} GB"
    return ""


def _peak_of(name: str, case: Case) -> int:
    """Take a few steps in a fresh process and return its peak."""
    program = (
        "from highstreet.simulations.bench.measure import peak_of_this_process, take_steps\n"
        "from highstreet.simulations.bench.step_case import Case\n"
        "import sys\n"
        f"take_steps({name!r}, {case!r})\n"
        "sys.stdout.write(str(peak_of_this_process()))\n"
    )
    done = subprocess.run(  # noqa: S603 - our own program, by this Python
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    if done.returncode:
        raise SimulationsError(
            f"A process that measures the memory of {name!r} ended with {done.returncode}.",
            next_step="Run with fewer items, or a lower --memory-limit.",
        )
    return int(done.stdout)
