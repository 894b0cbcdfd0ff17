"""Mutation testing of the consent desk and the bias gate: how many small wrong changes the tests notice.

    python scripts/mutate.py [--area desk ...] [--seconds 1800] [--out docs/results]

Every mutant (scripts/mutations.py) of an area's modules is run against the area's tests, one after the other,
each in a process of its own that the working tree is not changed for: the module's source is exchanged while
it is imported. The first test that fails, or no end within the limit, kills it. What nobody can notice, since
nothing that anybody can see differs, is listed with the reason in scripts/mutation_equivalents.toml, and
counted apart. Without `--seconds` all are tried; with it as many as go, drawn at random, and the table says
how many.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import importlib.machinery
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from mutations import Mutant, mutants_of  # noqa: E402

EQUIVALENTS = ROOT / "scripts" / "mutation_equivalents.toml"
_FLAGS = ("-x", "-q", "-p", "no:cacheprovider", "--hypothesis-seed=1", "-m", "not slow")
_SLOWER = 6.0
_OURS = ("highstreet", "tests", "conftest", "mutations")


@dataclass(frozen=True, slots=True)
class Area:
    """What is mutated, and the tests that have to notice; the quickest to notice come first."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    left_out: tuple[str, ...] = ()

    @property
    def arguments(self) -> list[str]:
        """What pytest is told."""
        return [*self.tests, *(f"--deselect={each}" for each in self.left_out)]


AREAS = {
    "desk": Area(
        (
            "client/consent.py",
            "client/consent_dating.py",
            "client/consent_ends.py",
            "client/consent_counts.py",
            "client/consent_intake.py",
            "client/consent_in_use.py",
            "client/consented_cohort.py",
        ),
        (
            "tests/client/test_consent_desk_edges.py",
            "tests/client/test_consent_desk.py",
            "tests/client/test_withdrawal_in_flight.py",
            "tests/client/test_consent_rewind.py",
            "tests/client/test_consent_papers.py",
        ),
        (
            "tests/client/test_consent_desk.py"
            "::test_whatever_happens_no_customer_is_loaded_without_a_standing_grant",
        ),
    ),
    "fold": Area(
        (
            "audit/consent.py",
            "audit/consent_states.py",
            "audit/consent_tree.py",
            "audit/consent_leaf.py",
        ),
        (
            "tests/audit/test_consent_states.py",
            "tests/audit/test_consent.py",
        ),
        (
            "tests/audit/test_consent_states.py"
            "::test_a_million_events_of_one_person_fold_in_seconds_and_are_judged_in_one",
        ),
    ),
    "gate": Area(("audit/bias_gate.py",), ("tests/audit/test_bias_gate.py",)),
    "rules": Area(
        ("audit/bias_rules.py",), ("tests/audit/test_bias_rules.py", "tests/audit/test_bias_planning.py")
    ),
}


def main() -> int:
    """Run, write the table, and say by the exit code whether every area reaches 95 %."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--area", action="append", choices=sorted(AREAS), help="all without")
    parser.add_argument("--seconds", type=float, help="for each area")
    parser.add_argument(
        "--survivors", action="store_true", help="only what survived the last time, once more"
    )
    parser.add_argument("--seed", type=int, default=1, help="of which are tried first")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    chosen = parser.parse_args()
    done = _known(chosen.out)
    for name in chosen.area or sorted(AREAS):
        if chosen.survivors:
            done[name] = _again(name, AREAS[name], done[name])
        else:
            done[name] = _run(name, AREAS[name], seconds=chosen.seconds, seed=chosen.seed)
        _write(chosen.out, done)
    return 0 if all(_share(each) >= 0.95 for each in done.values()) else 1


def _run(name: str, area: Area, *, seconds: float | None, seed: int) -> dict[str, Any]:
    limit = _ready(name, area)
    every = [(module, each) for module in area.modules for each in mutants_of((ROOT / module).read_text())]
    random.Random(seed).shuffle(every)  # noqa: S311 - which are tried first
    equivalents = _equivalents()
    counted = [(module, each) for module, each in every if (module, each.name) not in equivalents]
    began, tried, survivors = time.monotonic(), 0, []
    for module, mutant in counted:
        if seconds is not None and time.monotonic() - began > seconds:
            break
        tried += 1
        if _survives(name, module, mutant, area, limit):
            survivors.append((module, mutant))
    took = time.monotonic() - began
    _say(f"{name}: {tried - len(survivors)} of {tried} killed in {took:.0f} s")
    return {
        "modules": {module: _sha256(module) for module in area.modules},
        "tests": list(area.tests),
        "mutants": len(every),
        "equivalent": [
            {"module": module, "mutant": each.name, "reason": equivalents[module, each.name]}
            for module, each in every
            if (module, each.name) in equivalents
        ],
        "tried": tried,
        "killed": tried - len(survivors),
        "survivors": [
            {"module": module, "line": each.line, "mutant": each.name} for module, each in survivors
        ],
        "seconds": round(took),
        "command": f"python scripts/mutate.py --area {name}"
        + ("" if seconds is None else f" --seconds {seconds:g} --seed {seed}"),
        "commit": _commit(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}",
    }


def _again(name: str, area: Area, known: dict[str, Any]) -> dict[str, Any]:
    """Try what survived once more: what tests killed they kill still, as long as tests were only added."""
    if known["modules"] != {module: _sha256(module) for module in area.modules}:
        raise SystemExit(f"{name}: its modules were changed since; run it without --survivors")
    limit, equivalents = _ready(name, area), _equivalents()
    left, equivalent = [], list(known["equivalent"])
    for each in known["survivors"]:
        module, mutant = each["module"], each["mutant"]
        if (module, mutant) in equivalents:
            equivalent.append({"module": module, "mutant": mutant, "reason": equivalents[module, mutant]})
            continue
        (found,) = (one for one in mutants_of((ROOT / module).read_text()) if one.name == mutant)
        if _survives(name, module, found, area, limit):
            left.append(each)
    tried = known["tried"] - (len(equivalent) - len(known["equivalent"]))
    _say(f"{name}: {tried - len(left)} of {tried} killed")
    return known | {
        "survivors": left,
        "equivalent": equivalent,
        "tried": tried,
        "killed": tried - len(left),
        "tests": list(area.tests),
        "commit": f"{known['commit']}, survivors again at {_commit()}",
    }


def _ready(name: str, area: Area) -> float:
    """Run the tests as they are, and return after how many seconds a mutant counts as one that never ends."""
    os.chdir(ROOT)
    if (status := _baseline(area)) != 0:
        raise SystemExit(f"{name}: the tests fail without a change ({status})")
    began = time.monotonic()
    _tried(None, area, limit_seconds=600)  # with what tests import in place
    return 20 + _SLOWER * (time.monotonic() - began)


def _survives(name: str, module: str, mutant: Mutant, area: Area, limit: float) -> bool:
    survives = _tried((module, mutant), area, limit_seconds=limit) == 0
    if survives:
        _say(f"{name}: survived {module}:{mutant.line} {mutant.name}")
    return survives


def _tried(change: tuple[str, Mutant] | None, area: Area, *, limit_seconds: float) -> int:
    """Run the tests over a change in a process of its own; 0 when all of them pass."""
    child = os.fork()
    if child == 0:
        code = 70
        with suppress(BaseException):
            _be_quiet()
            if change is not None:
                _exchange((ROOT / change[0]).resolve(), change[1].source)
            code = _pytest(area)
        os._exit(code)
    end = time.monotonic() + limit_seconds
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -signal.SIGKILL


def _baseline(area: Area) -> int:
    """Run the tests as they are; import here, once for all, what others wrote of what they import."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        code = 70
        with suppress(BaseException):
            _be_quiet()
            code = _pytest(area)
            names = [each for each in sys.modules if each.split(".")[0] not in _OURS]
            with os.fdopen(writing, "w") as pipe:
                json.dump(names, pipe)
        os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    for name in json.loads(text) if text else []:
        with suppress(BaseException):
            importlib.import_module(name)
    return os.waitstatus_to_exitcode(status)


def _pytest(area: Area) -> int:
    import pytest

    return int(
        pytest.main(
            [*_FLAGS, f"--basetemp={Path(tempfile.gettempdir()) / 'highstreet-mutation'}", *area.arguments]
        )
    )


def _be_quiet() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)


def _exchange(path: Path, source: str) -> None:
    """Let one module's source be another while it is imported; no file is changed."""
    loader = importlib.machinery.SourceFileLoader
    as_it_is = loader.get_code

    def get_code(self: importlib.machinery.SourceFileLoader, fullname: str) -> Any:
        if Path(self.path).resolve() == path:
            return compile(source, self.path, "exec", dont_inherit=True)
        return as_it_is(self, fullname)

    loader.get_code = get_code  # type: ignore[method-assign]


def _sha256(module: str) -> str:
    return hashlib.sha256((ROOT / module).read_bytes()).hexdigest()


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _equivalents() -> dict[tuple[str, str], str]:
    if not EQUIVALENTS.exists():
        return {}
    plain = tomllib.loads(EQUIVALENTS.read_text())
    return {(each["module"], each["mutant"]): each["reason"] for each in plain.get("equivalent", [])}


def _commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)  # noqa: S603  fixed words
    return answer.stdout.strip()


def _share(done: dict[str, Any]) -> float:
    return float(done["killed"] / done["tried"]) if done["tried"] else 0.0


def _known(out: Path) -> dict[str, Any]:
    file = out / "mutation.json"
    return dict(json.loads(file.read_text())["areas"]) if file.exists() else {}


def _write(out: Path, done: dict[str, Any]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "mutation.json").write_text(json.dumps({"areas": done}, indent=2) + "\n")
    lines = [
        "# Mutation testing",
        "",
        "Small wrong changes of the modules that decide about consent and releases, one at a time, and how",
        "many of them the tests notice. `make mutate` writes this page; `scripts/mutate.py` says how.",
        "",
        "| area | mutants | equivalent | tried | killed | share | seconds | commit |",
        "|---|---:|---:|---:|---:|---:|---:|---|",
    ]
    for name, each in sorted(done.items()):
        lines.append(
            f"| {name} | {each['mutants']} | {len(each['equivalent'])} | {each['tried']} | {each['killed']} "
            f"| {100 * _share(each):.1f} % | {each['seconds']} | {each['commit']} |"
        )
    for name, each in sorted(done.items()):
        lines += ["", f"## {name}", "", f"`{each['command']}`, {each['machine']}."]
        lines += ["", f"Modules: {', '.join(each['modules'])}. Tests: {', '.join(each['tests'])}."]
        if each["survivors"]:
            lines += ["", "Survived:", ""]
            lines += [f"- {one['module']}:{one['line']} `{one['mutant']}`" for one in each["survivors"]]
        if each["equivalent"]:
            lines += ["", "Nobody can notice, and so not counted:", ""]
            lines += [f"- {one['module']} `{one['mutant']}`: {one['reason']}" for one in each["equivalent"]]
    (out / "mutation.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
