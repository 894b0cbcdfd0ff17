"""Measure rounds of secure sums: each in a fresh process on one thread, sides taking turns."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from highstreet.simulations.bench.measure import peak_of_this_process
from highstreet.simulations.bench.sum_case import REACH, STEPS, Role, RoleCost, RoundCost, SumCase, Tally
from highstreet.simulations.bench.sum_sides import SIDES
from highstreet.simulations.errors import SimulationsError

__all__ = [
    "LONG_SECONDS",
    "Limits",
    "Taken",
    "best",
    "check_error",
    "cost_of",
    "measure_round",
    "take_turns",
    "write_round",
]

#: A side whose first round took more processor seconds is measured once.
LONG_SECONDS = 15.0
_OUT_OF_MEMORY = 77
#: How often a running round's processor time is looked up.
_LOOK_SECONDS = 0.5
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one round may take before it is ended and left out.

    Attributes:
        seconds: of the processor, so that a busy machine leaves out nothing.
        memory_bytes: of the process's own memory.
    """

    seconds: float
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """One side on one case.

    Attributes:
        rounds: measured, in the order of the turns; empty if left out.
        left_out: why, or nothing.
    """

    rounds: tuple[RoundCost, ...] = ()
    left_out: str = ""


def take_turns(
    case: SumCase, *, turns: int, limits: Limits, left_out: Mapping[str, str], step: Callable[[str], None]
) -> dict[str, Taken]:
    """Measure every side on one case, one round each per turn, so that other work falls on all alike.

    Args:
        case: what to measure on.
        turns: rounds of each side, one for a side that takes longer than LONG_SECONDS.
        limits: of one round.
        left_out: sides that are not run, and why.
        step: told of each round before it is held.
    """
    found = {
        name: Taken(left_out=left_out.get(name, "") or side.why_not(case)) for name, side in SIDES.items()
    }
    for turn in range(turns):
        # Forwards, then backwards: nobody always comes after the same neighbour.
        for name in list(SIDES)[:: -1 if turn % 2 else 1]:
            taken = found[name]
            if taken.left_out or (taken.rounds and taken.rounds[0].total("processor_seconds") > LONG_SECONDS):
                continue
            step(f"{case.stores} stores, d = {case.dimension:,}, {SIDES[name].title}, round {turn + 1}")
            outcome = measure_round(name, case, limits=limits)
            if not isinstance(outcome, str):
                found[name] = replace(taken, rounds=(*taken.rounds, outcome))
            elif not taken.rounds:
                found[name] = Taken(left_out=outcome)
    return found


def measure_round(name: str, case: SumCase, *, limits: Limits) -> RoundCost | str:
    """Hold one round in a fresh process; return what it cost, or why it came to nothing.

    Raises:
        SimulationsError: the process failed, or its sum was wrong.
    """
    program = (
        "from highstreet.simulations.bench.sum_case import SumCase\n"
        "from highstreet.simulations.bench.sum_measure import Limits, write_round\n"
        f"write_round({name!r}, {case!r}, {limits!r})\n"
    )
    done = _run(program, limits)
    if done is None:
        return f"not finished within {limits.seconds:.0f} processor seconds"
    if done.returncode == _OUT_OF_MEMORY:
        return f"would need more than {limits.memory_bytes / 1e9:.1f} GB"
    if done.returncode < 0:  # what C code does when memory is refused to it
        return f"ended by signal {-done.returncode} with {limits.memory_bytes / 1e9:.1f} GB allowed"
    if done.returncode:
        raise SimulationsError(
            f"A process that measures {SIDES[name].title!r} ended with {done.returncode}: "
            f"{done.stderr.strip().splitlines()[-1:]}",
            next_step="Run with fewer stores or coordinates.",
        )
    return cost_of(json.loads(done.stdout))


def write_round(name: str, case: SumCase, limits: Limits) -> None:
    """Hold one round in this process within the limit of memory and write its cost to standard output.

    Raises:
        SimulationsError: the sum is wrong by more than rounding to the grid allows.
    """
    resource.setrlimit(resource.RLIMIT_DATA, (limits.memory_bytes, limits.memory_bytes))
    SIDES[name].hold(SumCase(stores=7, dimension=8), Tally())  # imports and first uses are no part of it
    held = _resident_bytes()
    tally = Tally()
    try:
        mean = SIDES[name].hold(case, tally)
        grown = peak_of_this_process() - held
        error = float(np.abs(mean - case.mean()).max())
    except MemoryError:
        raise SystemExit(_OUT_OF_MEMORY) from None
    check_error(error)
    cost = RoundCost(roles=tally.costs(), error=error, grown_bytes=grown)
    sys.stdout.write(json.dumps(asdict(cost)))


def check_error(error: float) -> None:
    """Refuse a mean that is further off than one step of the grid.

    Each vector is off by less than a step after rounding, down, up or to the nearest; so is their mean.
    """
    # Half a step more for single precision, which has 24 bits for 8 at most.
    if not error < 1.5 * 2 * REACH / STEPS:
        raise SimulationsError(f"A mean is off by {error:g}, more than rounding allows: the sum is wrong.")


def cost_of(plain: dict[str, object]) -> RoundCost:
    """Return a round's cost from what `dataclasses.asdict` made of it and JSON carried."""
    roles = plain["roles"]
    if not isinstance(roles, dict):
        raise SimulationsError("A measured round has no roles.")
    return RoundCost(
        roles={Role(role): RoleCost(**cost) for role, cost in roles.items()},
        error=float(str(plain["error"])),
        grown_bytes=int(str(plain["grown_bytes"])),
    )


def best(rounds: tuple[RoundCost, ...]) -> RoundCost:
    """Return the least of each time and of the memory over the rounds; sizes are those of the first."""

    def least(role: Role, seconds_of: Callable[[RoleCost], float]) -> float:
        return min(seconds_of(each.roles[role]) for each in rounds)

    roles = {
        role: replace(
            cost,
            processor_seconds=least(role, lambda each: each.processor_seconds),
            most_processor_seconds=least(role, lambda each: each.most_processor_seconds),
            seconds=least(role, lambda each: each.seconds),
        )
        for role, cost in rounds[0].roles.items()
    }
    return RoundCost(
        roles=roles,
        error=max(each.error for each in rounds),
        grown_bytes=min(each.grown_bytes for each in rounds),
    )


def _run(program: str, limits: Limits) -> subprocess.CompletedProcess[str] | None:
    """Run a program on one thread; end it and return None when it needs more processor seconds than allowed.

    They are looked up from here: under a limit of its own (RLIMIT_CPU) Linux tells a process its processor
    time in ticks, and a short step would seem to take none.
    """
    with subprocess.Popen(  # noqa: S603 - our own program, by this Python
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **dict.fromkeys(_THREADS, "1")},
    ) as process:
        while True:
            try:
                told, complained = process.communicate(timeout=_LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                if _processor_seconds(process.pid) > limits.seconds:
                    process.kill()
                    process.communicate()
                    return None
            else:
                return subprocess.CompletedProcess(process.args, process.returncode, told, complained)


def _processor_seconds(process: int) -> float:
    """Return the processor time of a child that was not waited for yet; Linux only."""
    status = Path(f"/proc/{process}/stat").read_text(encoding="ascii")
    user, system = status.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
