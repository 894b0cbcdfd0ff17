"""Two processes that watch each other, so that nothing the demo starts outlives it.

The command forks at once: the inner process does the work and is the parent of everything started; the outer
one only waits. Whatever ends the inner process, the outer one ends all that it left; when the outer one dies,
even by SIGKILL, the kernel sends the inner one SIGTERM, and it cleans up as on Ctrl-C. Both are sub-reapers
(Linux), so processes whose parent died are still found as descendants.

With `stay`, the inner process remains in the background as the parent of a co-op that was asked to go on; the
command returns, and SIGTERM to that process ends it all.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

__all__ = ["Stopped", "descendants", "end_descendants", "run_guarded", "stay"]

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_GRACE_SECONDS = 12.0
_STAYS = b"stay"
_EXIT_STOPPED = 130

_to_outer: int | None = None


class Stopped(BaseException):
    """The person, or the system, asked the run to stop."""


def run_guarded(work: Callable[[], int]) -> int:
    """Run `work` in a guarded child process and return its exit status.

    `work` sees Ctrl-C, SIGTERM and SIGHUP as one `Stopped` and returns the status; 130 when stopped.
    """
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    outer = os.getpid()
    inner = os.fork()
    if inner == 0:
        os.close(reading)
        _become_inner(work, outer=outer, pipe=writing)
    os.close(writing)
    status = _wait(inner, reading)
    if status is None:
        return 0
    end_descendants()
    return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 1


def stay(log: Path) -> None:
    """From inside `work`: let the command return while this process goes on, its output in `log`."""
    if _to_outer is None:
        raise RuntimeError("stay() is for work that run_guarded runs")
    _prctl(_PR_SET_PDEATHSIG, 0)
    sys.stdout.flush()
    sys.stderr.flush()
    os.setsid()
    with log.open("ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.write(_to_outer, _STAYS)
    os.close(_to_outer)


def descendants(root: int | None = None) -> list[int]:
    """Return the process ids below `root` (this process when None), parents before children; Linux only."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            stat = (entry / "stat").read_text(encoding="ascii", errors="replace")
        except OSError:
            continue
        state, parent = stat.rpartition(")")[2].split()[:2]
        if state != "Z":
            children.setdefault(int(parent), []).append(int(entry.name))
    found: list[int] = []
    waiting = [os.getpid() if root is None else root]
    while waiting:
        below = children.get(waiting.pop(0), [])
        found += below
        waiting += below
    return found


def end_descendants(*, grace_seconds: float = _GRACE_SECONDS) -> int:
    """End all processes below this one: SIGTERM, then SIGKILL after the grace time; return their number."""
    first = descendants()
    for pid in first:
        _send(pid, signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while descendants():
        _reap()
        if time.monotonic() > deadline:
            for pid in descendants():
                _send(pid, signal.SIGKILL)
        time.sleep(0.05)
    _reap()
    return len(first)


def _become_inner(work: Callable[[], int], *, outer: int, pipe: int) -> None:
    """Do the work in the forked child; never returns."""
    global _to_outer
    _to_outer = pipe
    status = 1
    try:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _stop_once)
        if os.getppid() == outer:
            status = work()
    except Stopped:
        status = _EXIT_STOPPED
    except BaseException:  # noqa: BLE001  the top of a process: show it and go
        sys.excepthook(*sys.exc_info())
    finally:
        end_descendants()
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _stop_once(_number: int, _frame: FrameType | None) -> None:
    """Raise once; what comes while cleaning up is ignored, so that a second Ctrl-C leaves no orphan."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise Stopped


def _wait(inner: int, pipe: int) -> int | None:
    """Wait for the inner process, handing it signals; None when it asked to stay behind."""
    previous = {
        number: signal.signal(number, lambda got, _: _send(inner, got))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        stays = os.read(pipe, len(_STAYS)) == _STAYS
        return None if stays else os.waitpid(inner, 0)[1]
    finally:
        os.close(pipe)
        for number, handler in previous.items():
            signal.signal(number, handler)


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _prctl(option: int, value: int) -> None:
    """Ask the Linux kernel; elsewhere there is nothing to ask."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)
