"""Run an area's tests over its mutants: each in a process of its own, some at one time, no file changed."""

from __future__ import annotations

import importlib
import importlib.machinery
import json
import os
import signal
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mutation_order import InOrder, Watch, Watched
from mutations import Mutant

__all__ = ["ROOT", "Area", "Trial", "say"]

ROOT = Path(__file__).resolve().parent.parent
_FLAGS = ("-x", "-q", "-p", "no:cacheprovider", "--hypothesis-seed=1", "-m", "not slow")
_SLOWER = 6.0
_OURS = ("highstreet", "tests", "conftest", "mutations", "mutation_order")


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


@dataclass(slots=True)
class Trial:
    """An area's tests, run over one mutant after another, some at one time."""

    name: str
    area: Area
    jobs: int
    is_interrupted: bool = False

    def survivors(
        self, mutants: list[tuple[str, Mutant]], *, seconds: float | None
    ) -> tuple[int, list[tuple[str, Mutant]]]:
        """Return how many were tried, from the first on, and which of them no test noticed."""
        watched, limit = _ready(self.name, self.area)
        waiting, running = list(reversed(mutants)), dict[int, _Running]()
        began, told, tried, left = time.monotonic(), time.monotonic(), 0, []
        try:
            while running or waiting:
                if seconds is not None and time.monotonic() - began > seconds:
                    waiting.clear()
                while waiting and len(running) < self.jobs:
                    module, mutant = waiting.pop()
                    slot = min(set(range(self.jobs)) - {each.slot for each in running.values()})
                    places = watched.order(module, (ROOT / module).read_text(), mutant.line)
                    child = _started(self.area, (module, mutant), slot, places)
                    running[child] = _Running(module, mutant, slot, time.monotonic() + limit)
                for child, status in _ended(running):
                    ended = running.pop(child)
                    tried += 1
                    if status == 0:
                        left.append((ended.module, ended.mutant))
                        say(f"{self.name}: survived {ended.module}:{ended.mutant.line} {ended.mutant.name}")
                if time.monotonic() - told > 60:
                    told = time.monotonic()
                    say(f"{self.name}: {tried} of {len(mutants)}, {len(left)} survived, {told - began:.0f} s")
                time.sleep(0.01)
        except KeyboardInterrupt:
            self.is_interrupted = True
            for child in running:
                _end(child)
            # What counts as tried is a beginning of the list: those cut off, and all started after the first.
            cut = min((mutants.index((each.module, each.mutant)) for each in running.values()), default=tried)
            tried, left = cut, [each for each in left if mutants.index(each) < cut]
        return tried, left


@dataclass(frozen=True, slots=True)
class _Running:
    module: str
    mutant: Mutant
    slot: int
    until: float


def _ended(running: dict[int, _Running]) -> list[tuple[int, int]]:
    """Return who has ended, with the exit code; who is out of time is ended, and has failed."""
    found = []
    for child, each in running.items():
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            found.append((child, os.waitstatus_to_exitcode(status)))
        elif time.monotonic() > each.until:
            _end(child)
            found.append((child, -signal.SIGKILL))
    return found


def _end(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def _ready(name: str, area: Area) -> tuple[Watched, float]:
    """Watch the tests as they are; say too after how many seconds a mutant counts as one that never ends."""
    os.chdir(ROOT)
    watched, status = _baseline(area)
    if status != 0:
        raise SystemExit(f"{name}: the tests fail without a change ({status})")
    began = time.monotonic()
    child = _started(area, None, 0, {})  # with what tests import in place
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0:
        raise SystemExit(f"{name}: the tests pass once, and fail the second time")
    return watched, 20 + _SLOWER * (time.monotonic() - began)


def _started(
    area: Area, change: tuple[str, Mutant] | None, slot: int, places: dict[str, tuple[int, float]]
) -> int:
    """Start the tests over a change in a process of its own, whose exit code is 0 when all of them pass."""
    child = os.fork()
    if child == 0:
        code = 70
        with suppress(BaseException):
            _be_quiet()
            if change is not None:
                _exchange((ROOT / change[0]).resolve(), change[1].source)
            code = _pytest(area, slot, InOrder(places))
        os._exit(code)
    return child


def _baseline(area: Area) -> tuple[Watched, int]:
    """Watch the tests as they are; import here, once for all, what others wrote of what they import."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        code = 70
        with suppress(BaseException):
            _be_quiet()
            watch = Watch(ROOT, area.modules)
            code = _pytest(area, 0, watch)
            names = [each for each in sys.modules if each.split(".")[0] not in _OURS]
            with os.fdopen(writing, "w") as pipe:
                json.dump({"names": names, "watched": watch.watched().plain()}, pipe)
        os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    seen: dict[str, Any] = json.loads(text) if text else {"names": [], "watched": Watched().plain()}
    for name in seen["names"]:
        with suppress(BaseException):
            importlib.import_module(name)
    return Watched.from_plain(seen["watched"]), os.waitstatus_to_exitcode(status)


def _pytest(area: Area, slot: int, plugin: Watch | InOrder) -> int:
    import pytest

    files = Path(tempfile.gettempdir()) / f"highstreet-mutation-{os.getppid()}-{slot}"
    return int(pytest.main([*_FLAGS, f"--basetemp={files}", *area.arguments], plugins=[plugin]))


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

    loader.get_code = get_code  # type: ignore[method-assign,assignment]  # as Python calls it


def say(line: str) -> None:
    """Tell whoever waits for it."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
