"""Children that are started, kept alive, ended, and never left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from highstreet.processes import (
    AlreadyRunningError,
    Child,
    ChildSpec,
    ended_by_signals,
    free_port,
    lock_held,
    reap,
    record,
    run_lock,
)

SLEEP = "import time\nprint('up', flush=True)\ntime.sleep(60)"


def _child(tmp_path: Path, program: str = SLEEP) -> Child:
    spec = ChildSpec(
        name="child",
        command=[sys.executable, "-c", program],
        environment={"PATH": "/nowhere", "MARK": "1"},
        log=tmp_path / "logs" / "child.log",
    )
    return Child(spec)


def _until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            pytest.fail("waited in vain")
        time.sleep(0.01)


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_child_writes_to_its_private_log_and_has_only_its_own_environment(tmp_path: Path) -> None:
    child = _child(tmp_path, "import os\nprint(sorted(os.environ), os.getpgid(0) == os.getpid())")
    child.start()
    assert child.process is not None
    assert child.process.wait(timeout=20) == 0
    text = child.spec.log.read_text()
    assert "'MARK'" in text
    assert "HOME" not in text
    assert "True" in text
    assert child.spec.log.stat().st_mode & 0o077 == 0


def test_stopping_ends_the_child_and_what_it_started(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys, time\n"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(p.pid, flush=True)\ntime.sleep(60)"
    )
    child = _child(tmp_path, program)
    child.start()
    _until(lambda: child.spec.log.read_text().strip().isdigit())
    grandchild = int(child.spec.log.read_text())
    child.stop()
    assert not child.is_alive
    _until(lambda: not _is_running(grandchild))


def test_a_child_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    child = _child(tmp_path, "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SLEEP)
    child.start()
    _until(lambda: "up" in child.spec.log.read_text())
    child.stop(grace_seconds=0.2)
    assert not child.is_alive


def test_a_dead_child_is_started_again_after_a_pause_that_grows(tmp_path: Path) -> None:
    child = _child(tmp_path, "")
    child.start()
    pauses = []
    for _ in range(2):
        _until(lambda: not child.is_alive)
        began = time.monotonic()
        _until(child.keep_alive)
        pauses.append(time.monotonic() - began)
    assert 0.4 < pauses[0] < pauses[1]
    assert child.restarts == 2
    child.stop()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's promise is Linux's")
def test_a_child_dies_when_its_parent_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom highstreet.processes import Child, ChildSpec\n"
        f"child = Child(ChildSpec(name='c', command=[sys.executable, '-c', {SLEEP!r}], environment={{}},"
        f" log=Path({str(tmp_path / 'c.log')!r})))\n"
        "child.start()\nprint(child.pid, flush=True)\ntime.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    _until(lambda: "up" in (tmp_path / "c.log").read_text())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    _until(lambda: not _is_running(pid))


def test_recorded_children_are_reaped_and_strangers_are_not(tmp_path: Path) -> None:
    child, stranger = _child(tmp_path), _child(tmp_path)
    child.start()
    stranger.start()
    record(tmp_path / "children.json", [child])
    pids = json.loads((tmp_path / "children.json").read_text())
    pids[str(stranger.pid)] = "1"  # another process had this id when it was recorded
    (tmp_path / "children.json").write_text(json.dumps(pids))
    assert reap(tmp_path / "children.json") == 1
    _until(lambda: not child.is_alive)
    assert stranger.is_alive
    stranger.stop()


def test_reaping_nothing_or_nonsense_does_nothing(tmp_path: Path) -> None:
    assert reap(tmp_path / "none.json") == 0
    (tmp_path / "bad.json").write_text("{")
    assert reap(tmp_path / "bad.json") == 0


def test_only_one_holds_a_lock(tmp_path: Path) -> None:
    lock = tmp_path / "run" / "x.lock"
    assert not lock_held(lock)
    with run_lock(lock, what="This co-op"):
        assert lock_held(lock)
        with (
            pytest.raises(AlreadyRunningError, match="This co-op is already running"),
            run_lock(lock, what="This co-op"),
        ):
            pytest.fail("two held it")
    assert not lock_held(lock)


def test_a_signal_sets_the_event_and_the_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    ending = threading.Event()
    with ended_by_signals(ending):
        os.kill(os.getpid(), signal.SIGTERM)
        assert ending.wait(5)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_signal_in_the_middle_of_a_wait_ends_it() -> None:
    """The main thread holds the event's lock for a moment in every wait: a handler taking it would hang."""
    program = (
        "import os, signal, threading\n"
        "from highstreet.processes import ended_by_signals\n"
        "ending = threading.Event()\n"
        "with ended_by_signals(ending):\n"
        "    with ending._cond:\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "    assert ending.wait(10)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0


def test_a_free_port_can_be_listened_on() -> None:
    assert 1024 < free_port() < 65536
