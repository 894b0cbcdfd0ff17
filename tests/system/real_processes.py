"""Our programs as real processes, and what runs below them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

_PROGRAMS = (
    "flower-superlink",
    "flower-superexec",
    "flwr-serverapp",
    "highstreet.client.supernode",
    "highstreet.client.shim",
)


def until(holds: Callable[[], bool], seconds: float) -> None:
    """Wait for something that other processes do."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            pytest.fail(f"waited {seconds} seconds in vain")
        time.sleep(0.05)


def children_of(pid: int) -> dict[str, int]:
    """The running descendants of a process, by what they run."""
    found: dict[str, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if _descends(int(entry.name), pid):
                    for name in _PROGRAMS:
                        if name in words and "getppid" not in words:
                            found[name] = int(entry.name)
    return found


def _descends(pid: int, ancestor: int) -> bool:
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        if pid == ancestor:
            return True
    return False


class Process:
    """One of our programs, started as a person would start it."""

    def __init__(self, kind: str, home: Path, log: Path) -> None:
        self._command = [sys.executable, "-m", "highstreet.cli", kind, "run", "--home", str(home)]
        self._starts = 0
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self._starts += 1
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, env=environment, start_new_session=True
            )

    def wait_ready(self, *, seconds: float = 120) -> None:
        """Wait until it says, for the latest start, that it is running."""
        until(
            lambda: self._log.read_text().count("Ctrl-C stops ") >= self._starts or not self.is_running,
            seconds,
        )
        assert self.is_running, self._log.read_text()

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def ask_to_stop(self) -> None:
        if self.is_running and self._process is not None:
            self._process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        self.ask_to_stop()
        if self.is_running and self._process is not None:
            self._process.wait(timeout=60)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
