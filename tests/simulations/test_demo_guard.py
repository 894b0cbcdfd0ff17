from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(sys.platform != "linux", reason="sub-reapers are of Linux"),
]

_LIMIT_SECONDS = 30.0

# The work starts a process that starts another one in a session of its own and then ends itself:
# the last one is an orphan that ignores SIGTERM, the hardest kind to find and to end.
_PROGRAM = """
import os, signal, subprocess, sys
from pathlib import Path
from highstreet.simulations.demo import guard
from highstreet.simulations.demo.guard import Stopped, run_guarded, stay

orphan = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print(1, flush=True); time.sleep(600)"
)
parent = (
    "import subprocess, sys;"
    f"p = subprocess.Popen([sys.executable, '-c', {orphan!r}], start_new_session=True, stdout=-1);"
    "p.stdout.readline(); print(p.pid, flush=True)"
)

def work():
    made = subprocess.run([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True, check=True)
    long = subprocess.Popen(["sleep", "600"], start_new_session=True)
    if mode == "stay":
        stay(Path(log))
    announce = f"{os.getpid()} {long.pid} {made.stdout.strip()}\\n"
    os.write(ready, announce.encode())
    if mode == "finish":
        return 7
    signal.pause()
    return 0

guard._GRACE_SECONDS = 0.3
guard.end_descendants.__kwdefaults__["grace_seconds"] = 0.3
mode, log, ready = sys.argv[1], sys.argv[2], int(sys.argv[3])
sys.exit(run_guarded(work))
"""


@dataclass
class _Run:
    """A guarded run with the processes below it."""

    outer: subprocess.Popen[bytes]
    inner: int
    others: list[int]
    watched: dict[int, int]

    def gone(self, *pids: int) -> bool:
        """Wait until these processes ended; whether they did in time."""
        return all(select.select([self.watched[pid]], [], [], _LIMIT_SECONDS)[0] for pid in pids)


def _start(mode: str, folder: Path) -> _Run:
    reading, writing = os.pipe()
    outer = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, mode, str(folder / "log"), str(writing)], pass_fds=[writing]
    )
    os.close(writing)
    assert select.select([reading], [], [], _LIMIT_SECONDS)[0], "the work never began"
    inner, *others = (int(word) for word in os.read(reading, 200).split())
    os.close(reading)
    watched = {}
    for pid in (inner, *others):
        try:
            watched[pid] = os.pidfd_open(pid)
        except ProcessLookupError:
            watched[pid] = os.open(os.devnull, os.O_RDONLY)  # ended already: always readable
    return _Run(outer=outer, inner=inner, others=others, watched=watched)


@pytest.fixture
def runs() -> Iterator[list[_Run]]:
    started: list[_Run] = []
    yield started
    for run in started:
        for pid in (run.outer.pid, run.inner, *run.others):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        run.outer.wait()
        for descriptor in run.watched.values():
            os.close(descriptor)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything_and_the_command_says_stopped(
    number: signal.Signals, runs: list[_Run], tmp_path: Path
) -> None:
    run = _start("wait", tmp_path)
    runs.append(run)
    run.outer.send_signal(number)
    assert run.outer.wait(timeout=_LIMIT_SECONDS) == 130
    assert run.gone(run.inner, *run.others)


def test_killing_the_command_leaves_no_orphan(runs: list[_Run], tmp_path: Path) -> None:
    run = _start("wait", tmp_path)
    runs.append(run)
    run.outer.kill()
    run.outer.wait(timeout=_LIMIT_SECONDS)
    assert run.gone(run.inner, *run.others)


def test_killing_the_worker_leaves_no_orphan(runs: list[_Run], tmp_path: Path) -> None:
    run = _start("wait", tmp_path)
    runs.append(run)
    os.kill(run.inner, signal.SIGKILL)
    assert run.outer.wait(timeout=_LIMIT_SECONDS) == 1
    assert run.gone(*run.others)


def test_finished_work_ends_what_it_left_and_hands_on_its_status(runs: list[_Run], tmp_path: Path) -> None:
    run = _start("finish", tmp_path)
    runs.append(run)
    assert run.outer.wait(timeout=_LIMIT_SECONDS) == 7
    assert run.gone(run.inner, *run.others)


def test_work_that_stays_outlives_the_command_until_it_is_told_to_end(
    runs: list[_Run], tmp_path: Path
) -> None:
    run = _start("stay", tmp_path)
    runs.append(run)
    assert run.outer.wait(timeout=_LIMIT_SECONDS) == 0
    assert not select.select(list(run.watched.values()), [], [], 0)[0]
    os.kill(run.inner, signal.SIGTERM)
    assert run.gone(run.inner, *run.others)
