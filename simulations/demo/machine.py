"""What the demo runs on: processor, cores, memory, versions, and ports that are free."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
from contextlib import ExitStack
from importlib import metadata
from pathlib import Path

from highstreet.simulations.demo.memory import MemoryUse
from highstreet.simulations.errors import SimulationsError
from highstreet.simulations.report.record import Machine

__all__ = ["NoFreePortsError", "commit", "describe", "free_ports_in_a_row"]

_NAMED = ("highstreet", "torch", "opacus", "flwr", "dp-accounting", "grpcio", "numpy", "cryptography")
_FIRST_PORT, _LAST_PORT = 20_000, 32_000


class NoFreePortsError(SimulationsError):
    """There are not enough free ports next to each other on this machine."""


def describe(peak: MemoryUse) -> Machine:
    """Describe this machine, with the most memory a run held."""
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        system=f"{platform.system()} {platform.release()}",
        versions={"Python": platform.python_version(), **{name: _version(name) for name in _NAMED}},
        peak_rss_bytes=peak.rss_bytes,
        peak_pss_bytes=peak.pss_bytes,
        peak_processes=peak.processes,
        peak_step=peak.step,
    )


def commit() -> str:
    """Return the commit of the checkout this runs from, marked when it was changed; empty elsewhere."""
    folder = Path(__file__).resolve().parents[2]
    if not (folder / ".git").exists():
        return ""
    found = _git(folder, "rev-parse", "--short=12", "HEAD")
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return f"{found} with changes" if found and changed else found


def free_ports_in_a_row(count: int) -> int:
    """Return the first of `count` neighbouring ports that nobody listens on now.

    The start depends on the process id, so that two demos at once look in different places.

    Raises:
        NoFreePortsError: none were found.
    """
    span = _LAST_PORT - _FIRST_PORT - count
    for offset in range(0, span, count):
        first = _FIRST_PORT + (os.getpid() * 37 + offset) % span
        if _all_free(range(first, first + count)):
            return first
    raise NoFreePortsError(
        f"No {count} free ports next to each other were found between {_FIRST_PORT} and {_LAST_PORT}.",
        next_step="Stop some other services and try again.",
    )


def _all_free(ports: range) -> bool:
    with ExitStack() as stack:
        for port in ports:
            probe = stack.enter_context(socket.socket(socket.AF_INET))
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return named or platform.processor() or platform.machine()


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603  fixed words
            ["git", "-C", str(folder), *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
