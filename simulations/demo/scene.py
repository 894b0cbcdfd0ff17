"""A co-op of the demo on this machine: folders, commands and long-running processes."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from highstreet.processes import Child, ChildSpec
from highstreet.simulations.demo.commands import CommandLine, Transcript
from highstreet.simulations.demo.progress import Progress
from highstreet.simulations.errors import SimulationsError

__all__ = ["STATEMENTS", "DemoTimeoutError", "ProcessEndedError", "Scene", "Shop"]

#: Folder beside the report with the statements about the releases.
STATEMENTS = "statements"
_SOCKET_PATH_LIMIT = 100
_LONGEST_SOCKET = "/hs-xxxxxxxx/ages-store-9/run/store.sock"
_POLL_SECONDS = 0.25
_NOT_INHERITED = ("HIGHSTREET_", "FLWR_")
_LOG_LINES = 12
_GRACE_SECONDS = 10.0


class ProcessEndedError(SimulationsError):
    """A process that should go on running has ended."""


class DemoTimeoutError(SimulationsError):
    """Something the demo waits for did not come in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """One shop of the demo.

    Attributes:
        name: as in the sample files.
        files: its exports.
        home: its store's folder.
    """

    name: str
    files: Path
    home: Path

    @property
    def holdout(self) -> Path:
        """Order lines of later weeks; only `store evaluate` sees them."""
        return self.files / "holdout_orders.csv"

    @property
    def ledger(self) -> Path:
        """The store's ledger, with every contribution it sent."""
        return self.home / "ledger.db"


@dataclass(slots=True)
class Scene:
    """What a run works with; `close` ends every process and removes the temporary folder.

    Attributes:
        out: where report, record, transcript and logs go.
        work: a short temporary folder with the homes, because Unix socket paths must be short.
        commands: runs `highstreet` commands.
        progress: shows what is happening.
        name: what the names of the co-op's folders and logs begin with; empty for the first of a run.
        shops: filled once the sample was written.
    """

    out: Path
    work: Path
    commands: CommandLine
    progress: Progress
    name: str = ""
    shops: list[Shop] = field(default_factory=list)
    _children: list[Child] = field(default_factory=list)

    @classmethod
    def make(cls, out: Path, progress: Progress) -> Scene:
        """Make the folders; what an earlier demo left in `out` is replaced, other files stay."""
        out.mkdir(parents=True, exist_ok=True)
        for name in ("report.html", "record.json", "commands.txt"):
            (out / name).unlink(missing_ok=True)
        for name in ("logs", STATEMENTS):
            shutil.rmtree(out / name, ignore_errors=True)
        (out / "logs").mkdir(mode=0o700)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(_NOT_INHERITED)}
        environment.setdefault("OMP_NUM_THREADS", "1")
        return cls(
            out=out,
            work=Path(tempfile.mkdtemp(prefix="hs-", dir=_short_folder())),
            commands=CommandLine(environment=environment, transcript=Transcript(path=out / "commands.txt")),
            progress=progress,
        )

    def beside(self, name: str) -> Scene:
        """Return the place of another co-op of the same run, whose processes `close` of this one ends too."""
        return replace(self, name=name, shops=[])

    @property
    def coop_home(self) -> Path:
        """The coordinator's folder."""
        return self.work / self._named("coop")

    @property
    def files(self) -> Path:
        """The shops' exports."""
        return self.work / self._named("files")

    def start(self, name: str, *arguments: str) -> Child:
        """Start a long-running `highstreet` command; call it from the main thread only."""
        child = Child(
            ChildSpec(
                name=name,
                command=[*self.commands.program(), *arguments],
                environment=self.commands.environment,
                log=self.out / "logs" / f"{name}.log",
            )
        )
        child.start()
        self._children.append(child)
        return child

    def start_coordinator(self) -> Path:
        """Start this co-op's coordinator; return its log."""
        name = self._named("coordinator")
        return self.start(name, "coop", "run", "--home", str(self.coop_home)).spec.log

    def start_store(self, shop: Shop) -> None:
        """Start a shop's store."""
        self.start(shop.home.name, "store", "run", "--home", str(shop.home))

    def stop_store(self, shop: Shop) -> None:
        """End a shop's store, as its owner does who shuts the computer down."""
        for child in [each for each in self._children if each.spec.name == shop.home.name]:
            child.stop(grace_seconds=_GRACE_SECONDS)
            self._children.remove(child)

    def stop_all(self) -> None:
        """End the coordinator and the stores of this co-op, and of no other."""
        own = {self._named("coordinator"), *(shop.home.name for shop in self.shops)}
        for child in [each for each in self._children if each.spec.name in own]:
            child.stop(grace_seconds=_GRACE_SECONDS)
            self._children.remove(child)

    def wait_until(self, done: Callable[[], bool], *, what: str, limit_seconds: float) -> None:
        """Wait until something holds, as long as all processes run.

        Raises:
            ProcessEndedError: a process ended meanwhile.
            DemoTimeoutError: it took longer than the limit.
        """
        deadline = time.monotonic() + limit_seconds
        while not done():
            self.check_processes()
            if time.monotonic() > deadline:
                raise DemoTimeoutError(
                    f"{what} took longer than {limit_seconds:.0f} s.",
                    next_step=f"The processes' logs are in {self.out / 'logs'}.",
                )
            time.sleep(_POLL_SECONDS)

    def check_processes(self) -> None:
        """Raise ProcessEndedError when a process that should go on running has ended."""
        for child in self._children:
            if not child.is_alive:
                raise ProcessEndedError(
                    f"The process {child.spec.name} ended. The end of its log:\n{_tail(child.spec.log)}\n",
                    next_step=f"All of it: {child.spec.log}.",
                )

    def pids(self) -> dict[str, int]:
        """Return the process ids of what runs, by name."""
        return {child.spec.name: child.pid for child in self._children if child.pid is not None}

    def close(self) -> None:
        """End the processes, keep the homes' own logs beside the report, remove the temporary folder."""
        for child in self._children:
            child.stop(grace_seconds=_GRACE_SECONDS)
        for log in sorted(self.work.glob("*/logs/*")):
            shutil.copyfile(log, self.out / "logs" / f"{log.parent.parent.name}.{log.name}")
        shutil.rmtree(self.work, ignore_errors=True)

    def write(self, name: str, text: str) -> Path:
        """Write a file into `out` in one step."""
        partial = self.out / f".{name}.partial"
        partial.write_text(text, encoding="utf-8")
        return partial.replace(self.out / name)

    def read_shops(self) -> dict[str, object]:
        """Fill `shops` from the sample's index, smallest first; return the index."""
        index: dict[str, object] = json.loads((self.files / "stores.json").read_text(encoding="utf-8"))
        entries = index["stores"]
        if not isinstance(entries, list):
            raise ProcessEndedError("The sample's index names no stores.", next_step="Run the demo again.")
        self.shops = [
            Shop(
                name=entry["name"],
                files=self.files / entry["name"],
                home=self.work / self._named(f"store-{number}"),
            )
            for number, entry in enumerate(sorted(entries, key=lambda each: each["customers"]), start=1)
        ]
        return index

    def _named(self, what: str) -> str:
        return f"{self.name}-{what}" if self.name else what


def _short_folder() -> str:
    """The system's temporary folder, or /tmp where that one is too long for a socket's path."""
    usual = tempfile.gettempdir()
    return usual if len(usual) + len(_LONGEST_SOCKET) < _SOCKET_PATH_LIMIT else "/tmp"  # noqa: S108


def _tail(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "    (no log)"
    return "\n".join(f"    {line}" for line in lines[-_LOG_LINES:])
