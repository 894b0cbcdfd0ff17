"""Mutation testing of what decides on consent and on releases: how many small wrong changes the tests notice.

    python scripts/mutate.py [--area desk ...] [--seconds 1800] [--go-on] [--out docs/results]

Every mutant (scripts/mutations.py) of an area's modules is run against the area's tests, each in a process of
its own that the working tree is not changed for: the module's source is exchanged while it is imported. The
first test that fails, or no end within the limit, kills it; those that come past the changed line run first
(scripts/mutation_order.py). What nobody can notice, since nothing that anybody can see differs, is listed
with the reason in scripts/mutation_equivalents.toml, and counted apart. Without `--seconds` all are tried;
with it, or until Ctrl-C, as many as go, drawn at random, and the table says how many; `--go-on` tries the
rest.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import random
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

from mutation_trial import ROOT, Area, Trial, say
from mutations import mutants_of

EQUIVALENTS = ROOT / "scripts" / "mutation_equivalents.toml"


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
            "tests/client/test_consent_desk_clocks.py",
            "tests/client/test_consent_desk_validity.py",
            "tests/client/test_withdrawal_in_flight.py",
            "tests/client/test_consent_rewind.py",
            "tests/client/test_consent_restoration.py",
            "tests/client/test_consent_log_erasure.py",
            "tests/client/test_consent_older_answers.py",
            "tests/client/test_consent_papers.py",
            "tests/client/test_no_yes_revived.py",
            "tests/client/test_cohort_purposes.py",
        ),
        (
            "tests/client/test_consent_desk.py"
            "::test_whatever_happens_no_customer_is_loaded_without_a_standing_grant",
        ),
    ),
    "log": Area(
        (
            "client/consent_log.py",
            "client/consent_anchor.py",
            "client/consent_restoration.py",
        ),
        (
            "tests/client/test_consent_log.py",
            "tests/client/test_consent_rewind.py",
            "tests/client/test_consent_restoration.py",
            "tests/client/test_consent_log_erasure.py",
            "tests/client/test_consent_older_answers.py",
            "tests/client/test_consent_papers.py",
            "tests/client/test_no_yes_revived.py",
            "tests/client/test_consent_desk.py",
            "tests/client/test_consent_desk_edges.py",
            "tests/client/test_consent_desk_clocks.py",
            "tests/client/test_withdrawal_in_flight.py",
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
    "figures": Area(
        ("audit/bias_figures.py", "audit/bias_intervals.py", "audit/bias_cells.py"),
        (
            "tests/audit/test_bias_intervals.py",
            "tests/audit/test_bias_cells.py",
            "tests/audit/test_bias_figures.py",
            "tests/audit/test_bias_gate.py",
        ),
    ),
    "override": Area(("audit/bias_override.py",), ("tests/audit/test_bias_override.py",)),
    "report": Area(
        ("audit/bias_report.py", "audit/bias_previous.py"),
        (
            "tests/audit/test_bias_report.py",
            "tests/client/test_release_figures.py",
            "tests/client/gated/test_bias_releases.py",
        ),
    ),
    "release": Area(
        ("server/releases.py",),
        (
            "tests/server/test_releases.py",
            "tests/client/test_verdicts_in_the_log.py",
            "tests/client/gated/test_bias_releases.py",
            "tests/server/test_bias_gate_of_a_coop.py",
        ),
    ),
    "acceptance": Area(
        ("client/release_figures.py",),
        (
            "tests/client/test_release_figures.py",
            "tests/client/gated/test_bias_releases.py",
            "tests/client/test_refused_releases.py",
        ),
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
    parser.add_argument("--go-on", action="store_true", help="what was not tried yet, with the seed it had")
    parser.add_argument("--seed", type=int, default=1, help="of which are tried first")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="mutants at one time")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    chosen = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    done = _known(chosen.out)
    for name in chosen.area or sorted(AREAS):
        trial = Trial(name, AREAS[name], jobs=chosen.jobs)
        if chosen.survivors:
            done[name] = _again(trial, done[name])
        else:
            known = _untouched(trial, done[name]) if chosen.go_on and name in done else {}
            done[name] = _run(trial, known, seconds=chosen.seconds, seed=chosen.seed)
        _write(chosen.out, done)
        if trial.is_interrupted:
            say("interrupted; what was tried is kept, and --go-on tries the rest")
            return 130
    return 0 if all(_share(each) >= 0.95 for each in done.values()) else 1


def _run(trial: Trial, known: dict[str, Any], *, seconds: float | None, seed: int) -> dict[str, Any]:
    area, equivalents = trial.area, _equivalents()
    seed = known.get("seed", seed)
    every = [(module, each) for module in area.modules for each in mutants_of((ROOT / module).read_text())]
    random.Random(seed).shuffle(every)  # noqa: S311 - which are tried first
    counted = [(module, each) for module, each in every if (module, each.name) not in equivalents]
    before, began = known.get("tried", 0), time.monotonic()
    tried, survived = trial.survivors(counted[before:], seconds=seconds)
    took = time.monotonic() - began
    survivors = known.get("survivors", []) + [
        {"module": module, "line": each.line, "mutant": each.name} for module, each in survived
    ]
    tried += before
    say(f"{trial.name}: {tried - len(survivors)} of {tried} killed in {took:.0f} s")
    command = f"python scripts/mutate.py --area {trial.name}"
    command += "" if seconds is None else f" --seconds {seconds:g} --seed {seed}"
    return {
        "modules": {module: _sha256(module) for module in area.modules},
        "tests": list(area.tests),
        "mutants": len(every),
        "equivalent": [
            {"module": module, "mutant": each.name, "reason": equivalents[module, each.name]}
            for module, each in every
            if (module, each.name) in equivalents
        ],
        "seed": seed,
        "tried": tried,
        "killed": tried - len(survivors),
        "survivors": survivors,
        "seconds": round(took) + known.get("seconds", 0),
        "command": f"{known['command']}, then {command} --go-on" if known else command,
        "commit": f"{known['commit']}, then {_commit()}" if known else _commit(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}",
    }


def _again(trial: Trial, known: dict[str, Any]) -> dict[str, Any]:
    """Try what survived once more: what tests killed they kill still, as long as tests were only added."""
    known, equivalents = _untouched(trial, known), _equivalents()
    equivalent, once_more = list(known["equivalent"]), []
    for each in known["survivors"]:
        module, mutant = each["module"], each["mutant"]
        if (module, mutant) in equivalents:
            equivalent.append({"module": module, "mutant": mutant, "reason": equivalents[module, mutant]})
            continue
        (found,) = (one for one in mutants_of((ROOT / module).read_text()) if one.name == mutant)
        once_more.append((module, found))
    _, survived = trial.survivors(once_more, seconds=None)
    if trial.is_interrupted:
        raise SystemExit(130)
    left = [{"module": module, "line": each.line, "mutant": each.name} for module, each in survived]
    tried = known["tried"] - (len(equivalent) - len(known["equivalent"]))
    say(f"{trial.name}: {tried - len(left)} of {tried} killed")
    return known | {
        "survivors": left,
        "equivalent": equivalent,
        "tried": tried,
        "killed": tried - len(left),
        "tests": list(trial.area.tests),
        "commit": f"{known['commit']}, survivors again at {_commit()}",
    }


def _untouched(trial: Trial, known: dict[str, Any]) -> dict[str, Any]:
    """Return what is known of an area, as long as its modules are still what they were."""
    if known["modules"] != {module: _sha256(module) for module in trial.area.modules}:
        raise SystemExit(f"{trial.name}: its modules were changed since; run it whole")
    return known


def _sha256(module: str) -> str:
    return hashlib.sha256((ROOT / module).read_bytes()).hexdigest()


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
