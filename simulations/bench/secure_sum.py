"""The bench of secure sums: runs every case that is missing, writes docs/results/secure-sum.json and .md."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from highstreet.simulations.bench.sum_case import SumCase
from highstreet.simulations.bench.sum_measure import LONG_SECONDS, Limits, Taken, cost_of, take_turns
from highstreet.simulations.bench.sum_sides import SIDES
from highstreet.simulations.bench.sum_tables import Measured, tables_of
from highstreet.simulations.errors import UnreadableResultsError
from highstreet.simulations.provenance import command
from highstreet.simulations.provenance import commit as commit_of_the_code
from highstreet.simulations.replay_report import machine
from highstreet.simulations.report_files import ready_folder

__all__ = ["DIMENSIONS", "STORES", "Asked", "run_bench"]

STORES = (5, 20, 50, 200)
DIMENSIONS = (10_000, 100_000, 1_000_000)

_INTRODUCTION = """# Secure sums: Highstreet's and Flower's SecAgg+

- One round, every party in one process without network, on one thread, nobody drops out. All sides sum the
  same single-precision vectors on a grid of 2^22 steps over -8 to 8 (flwr's default), and every result was
  checked against the plain mean. Every round is a fresh process; sides take turns, as many rounds as the
  table of seconds says (one for a side that needs more than {long:.0f} s), and the least of each time is
  shown. Seconds are the processor's; the clock's, which hold the waiting for other work on the machine, are
  in the JSON.
- flwr {flwr}: its own `SecAggPlusWorkflow` and `secaggplus_mod`, called stage by stage. It has no default for
  shares and threshold; its published example uses 3 and 2. 5 and 4 are the numbers of our committee of five
  with one colluder. A share for everybody is the protocol without neighbourhoods (flwr's `SecAggWorkflow`).
- In flwr's favour: its serialisation, FedAvg's averaging and the model that stage 2 carries are not counted;
  of ours the encoding of messages is.
- The two do not promise the same. flwr's clients trust the server to relay their keys, which are not signed,
  and in stage 4 give their shares for a client that is listed as there and as gone at once: its promise is
  against a server that keeps to the protocol. Its masks come from numpy's RandomState, with a seed folded to
  32 bits; ours from ChaCha20 with 256.
- *Contributor*: what every store does. *Seat*: what a store on the committee does besides, mean over the
  seats. *Opening*: of ours, from the answers to the sum; of flwr's, stage 4, in which clients' seconds do not
  count. A contributor sends one message and may be gone; one with a seat sends three more: what it found in
  the boxes, its agreement and its answer. With SecAgg+ every store sends four.
- What is measured is the protocol, up to its own limit of 512 MiB a message. A real co-op's messages travel
  over Flower in 64 MiB at most: it refuses d = 1,000,000 with more than 16 stores and d = 100,000 with more
  than 166, so the longest rows are of sums that no co-op holds.
- A round is ended after {limit_seconds:.0f} processor seconds or {limit_gb:.1f} GB and left out; nothing is
  extrapolated.
- Command: `{command}`
- Machine: {machine}. Load average after each case: {loads}.
- Commit: {commits}.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked for on the command line; see `highstreet lab bench secure-sum --help`."""

    out: Path
    stores: Sequence[int]
    dimensions: Sequence[int]
    turns: int
    limits: Limits


def run_bench(asked: Asked, *, say: Callable[[str], None]) -> list[Path]:
    """Measure the cases that are not there yet, write the results after each; return the paths."""
    folder = asked.out / "runs" / "secure-sum"
    ready_folder(folder)
    cases = [SumCase(stores=n, dimension=d) for n in sorted(asked.stores) for d in sorted(asked.dimensions)]
    found = [_load(folder, case) for case in cases]
    say(f"{sum(each is not None for each in found)} of {len(cases)} cases are there.")
    commit = commit_of_the_code()
    for place, case in enumerate(cases):
        if found[place] is None:
            taken = take_turns(
                case,
                turns=asked.turns,
                limits=asked.limits,
                left_out=_hopeless(case, [each for each in found if each is not None]),
                step=say,
            )
            measured = Measured(case=case, commit=commit, load=os.getloadavg()[0], taken=taken)
            found[place] = measured
            _write(folder / _name(case), json.dumps(asdict(measured), indent=1))
        _report(asked, [each for each in found if each is not None])
    return _report(asked, [each for each in found if each is not None])


def _hopeless(case: SumCase, found: Sequence[Measured]) -> dict[str, str]:
    """Return the sides that failed on the same stores with fewer coordinates, and why."""
    return {
        name: f"not tried: {taken.left_out} at d = {smaller.case.dimension:,}"
        for smaller in found
        if smaller.case.stores == case.stores and smaller.case.dimension < case.dimension
        for name, taken in smaller.taken.items()
        if taken.left_out.startswith(("not finished", "would need", "ended by"))
    }


def _report(asked: Asked, found: Sequence[Measured]) -> list[Path]:
    facts: dict[str, object] = {
        "long": LONG_SECONDS,
        "flwr": version("flwr"),
        "limit_seconds": asked.limits.seconds,
        "limit_gb": asked.limits.memory_bytes / 1e9,
        "command": command(),
        "machine": machine(),
        "loads": ", ".join(f"{each.load:.1f}" for each in found),
        "commits": ", ".join(dict.fromkeys(each.commit for each in found)),
    }
    tables = "\n".join(table.markdown() for table in tables_of(found))
    paths = [asked.out / "secure-sum.json", asked.out / "secure-sum.md"]
    _write(paths[0], json.dumps(facts | {"cases": [asdict(each) for each in found]}, indent=1) + "\n")
    _write(paths[1], _INTRODUCTION.format_map(facts) + "\n" + tables)
    return paths


def _name(case: SumCase) -> str:
    return f"{case.stores}-stores-{case.dimension}.json"


def _load(folder: Path, case: SumCase) -> Measured | None:
    """Return a case measured before; None where there is none.

    Raises:
        UnreadableResultsError: the file holds something else.
    """
    path = folder / _name(case)
    if not path.exists():
        return None
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        taken = {name: _taken(plain["taken"][name]) for name in SIDES}
        return Measured(case=case, commit=str(plain["commit"]), load=float(plain["load"]), taken=taken)
    except (ValueError, KeyError, TypeError) as failure:
        raise UnreadableResultsError(
            f"{path} is no case of this bench.", next_step="Remove it and run the command again."
        ) from failure


def _taken(plain: Mapping[str, object]) -> Taken:
    rounds = plain["rounds"]
    if not isinstance(rounds, list):
        raise TypeError("rounds")
    return Taken(rounds=tuple(map(cost_of, rounds)), left_out=str(plain["left_out"]))


def _write(path: Path, content: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(content, encoding="utf-8")
    os.replace(partial, path)
