"""How much memory a tree of processes holds, and the most it ever held; read from /proc, Linux only."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from highstreet.simulations.demo.guard import descendants

__all__ = ["MemoryUse", "MemoryWatch", "memory_of"]

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_EVERY_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryUse:
    """Memory of a set of processes at one moment.

    Attributes:
        rss_bytes: resident memory summed over processes; what they share is counted once for each.
        pss_bytes: the same with shared memory counted once in all; 0 where the kernel does not tell.
        processes: how many there were.
        step: what the run was doing.
    """

    rss_bytes: int = 0
    pss_bytes: int = 0
    processes: int = 0
    step: str = ""


def memory_of(pids: list[int], *, step: str = "") -> MemoryUse:
    """Measure these processes now; one that ended meanwhile counts nothing."""
    resident = [_resident(pid) for pid in pids]
    return MemoryUse(
        rss_bytes=sum(resident),
        pss_bytes=sum(_proportional(pid) for pid in pids),
        processes=sum(size > 0 for size in resident),
        step=step,
    )


class MemoryWatch:
    """A thread that measures this process and all below it twice a second and remembers the greatest sum."""

    def __init__(self, current_step: Callable[[], str]) -> None:
        """Prepare; `current_step` names what the run is doing."""
        self.peak = MemoryUse()
        self._current_step = current_step
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._measure, name="memory", daemon=True)

    def __enter__(self) -> MemoryWatch:
        """Start measuring."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop measuring."""
        self._done.set()
        self._thread.join(timeout=2)

    def _measure(self) -> None:
        while not self._done.wait(_EVERY_SECONDS):
            pids = [os.getpid(), *descendants()]
            resident = sum(_resident(pid) for pid in pids)
            if resident > self.peak.rss_bytes:
                self.peak = memory_of(pids, step=self._current_step())


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return 0


def _proportional(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    found = next((line for line in text.splitlines() if line.startswith("Pss:")), "Pss: 0 kB")
    return int(found.split()[1]) * 1024
