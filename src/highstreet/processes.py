"""Child processes that never outlive their parent.

Coordinator and store are each one supervising process with a few children (Flower's node, the store
service, ...). A child runs in its own process group with its own log file. It dies with its parent even
when the parent is killed with SIGKILL (Linux: PR_SET_PDEATHSIG, set before the child's program starts;
elsewhere the next start reaps what was recorded).
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from highstreet.errors import HighstreetError
from highstreet.files import write_private

__all__ = [
    "AlreadyRunningError",
    "Child",
    "ChildSpec",
    "die_with_parent",
    "ended_by_signals",
    "free_port",
    "lock_held",
    "reap",
    "record",
    "run_lock",
]

_GUARD = """
import ctypes, os, signal, sys
try:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
except (AttributeError, OSError):
    pass
if os.getppid() != int(sys.argv[1]):
    os._exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""
_PR_SET_PDEATHSIG = 1
_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 10.0
_STEADY_SECONDS = 30.0


class AlreadyRunningError(HighstreetError):
    """Another process of the same home holds its lock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """What to run: an absolute program and its arguments, the whole environment, the log to append to."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path


@dataclass(slots=True)
class Child:
    """One child process; started again with growing pauses when it dies, as long as `keep_alive` is called.

    Start children from a thread that lives as long as the process: the kernel ties a child to that thread.
    """

    spec: ChildSpec
    process: subprocess.Popen[bytes] | None = None
    restarts: int = 0
    _started_at: float = 0.0
    _wait_seconds: float = _FIRST_WAIT_SECONDS
    _again_at: float | None = None

    @property
    def pid(self) -> int | None:
        """Process id while running, else None."""
        return self.process.pid if self.process is not None and self.is_alive else None

    @property
    def is_alive(self) -> bool:
        """Whether the child runs at this moment."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start the program in its own process group, files private by umask."""
        self.spec.log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.spec.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self.process = subprocess.Popen(  # noqa: S603 - our own absolute command
                [sys.executable, "-I", "-S", "-c", _GUARD, str(os.getpid()), *self.spec.command],
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=subprocess.STDOUT,
                env=dict(self.spec.environment),
                umask=0o077,
                start_new_session=True,
            )
        finally:
            os.close(descriptor)
        self._started_at = time.monotonic()
        self._again_at = None

    def keep_alive(self) -> bool:
        """Start the child again when it died and its pause is over.

        Return whether it was started just now.
        """
        now = time.monotonic()
        if self.is_alive:
            if now - self._started_at > _STEADY_SECONDS:
                self._wait_seconds = _FIRST_WAIT_SECONDS
            return False
        if self._again_at is None:
            self._again_at = now + self._wait_seconds
            self._wait_seconds = min(2 * self._wait_seconds, _LONGEST_WAIT_SECONDS)
        if now < self._again_at:
            return False
        self.start()
        self.restarts += 1
        return True

    def stop(self, *, grace_seconds: float = 5.0) -> None:
        """End the child and its whole process group: SIGTERM, then SIGKILL after the grace time."""
        if self.process is None:
            return
        _signal_group(self.process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=grace_seconds)
        _signal_group(self.process.pid, signal.SIGKILL)
        self.process.wait()


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent dies.

    For grandchildren, which `Child` did not start.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def record(path: Path, children: Sequence[Child]) -> None:
    """Write down which children run, so that the next start can end those that were left over."""
    pids = {str(child.pid): _started(child.pid) for child in children if child.pid is not None}
    write_private(path, json.dumps(pids).encode("ascii"))


def reap(path: Path) -> int:
    """End the recorded process groups that still run, told apart from reused ids by start time.

    Return how many.
    """
    try:
        pids: dict[str, str] = json.loads(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0
    left = [int(pid) for pid, started in pids.items() if started and _started(int(pid)) == started]
    for pid in left:
        _signal_group(pid, signal.SIGKILL)
    return len(left)


@contextmanager
def run_lock(path: Path, *, what: str) -> Iterator[None]:
    """Hold a lock file for as long as this process runs it; the kernel frees it when the process dies.

    Raises:
        AlreadyRunningError: another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise AlreadyRunningError(
                f"{what} is already running from {path.parent.parent}.",
                next_step="Stop it first, or use another --home.",
            ) from error
        yield
    finally:
        os.close(descriptor)


def lock_held(path: Path) -> bool:
    """Return whether some process holds the lock file."""
    try:
        with run_lock(path, what="It"):
            return False
    except AlreadyRunningError:
        return True


@contextmanager
def ended_by_signals(ending: threading.Event) -> Iterator[None]:
    """Let SIGTERM and SIGINT set the event while the block runs, in the main thread only.

    The event is set by a thread of its own: a handler runs between any two steps of the main thread, which
    may be inside `ending.wait` and hold the lock that `ending.set` waits for.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        threading.Thread(target=ending.set, name="ending", daemon=True).start()

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def free_port(host: str = "127.0.0.1") -> int:
    """Return a TCP port nobody listens on now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return


def _started(pid: int) -> str:
    """Return the process's start time as the kernel tells it; empty when unknown."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]
