"""A co-op that `highstreet demo --keep` left running: written down, found again, and ended."""

from __future__ import annotations

import json
import os
import select
import signal
from dataclasses import asdict, dataclass
from pathlib import Path

from highstreet.simulations.errors import SimulationsError

__all__ = ["KeptCoop", "StillRunningError", "refuse_if_kept", "stop_kept"]

_FILE = "kept.json"
_LIMIT_SECONDS = 60.0


class StillRunningError(SimulationsError):
    """A co-op of an earlier demo runs from this folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCoop:
    """The process that holds a kept co-op.

    Attributes:
        pid: of the demo's process that stayed behind; ending it ends everything.
        started: its start time as the kernel tells it, so that a reused id is not taken for it.
        work: the folder with the homes.
    """

    pid: int
    started: str
    work: str

    @classmethod
    def this_process(cls, work: Path) -> KeptCoop:
        """Describe the calling process."""
        return cls(pid=os.getpid(), started=_started(os.getpid()), work=str(work))

    def write(self, out: Path) -> None:
        """Write it down beside the report."""
        (out / _FILE).write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")

    @classmethod
    def find(cls, out: Path) -> KeptCoop | None:
        """Return the kept co-op of a folder when it still runs."""
        try:
            kept = cls(**json.loads((out / _FILE).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return kept if kept.started and _started(kept.pid) == kept.started else None


def refuse_if_kept(out: Path) -> None:
    """Raise StillRunningError when a kept co-op runs from this folder."""
    if KeptCoop.find(out) is not None:
        raise StillRunningError(
            f"A co-op that an earlier demo kept is still running from {out}.",
            next_step=f"Stop it first: highstreet demo --stop --out {out}",
        )


def stop_kept(out: Path) -> bool:
    """End a kept co-op, wait until it is gone, and return whether there was one.

    Raises:
        StillRunningError: it did not end in time.
    """
    kept = KeptCoop.find(out)
    if kept is None:
        return False
    descriptor = os.pidfd_open(kept.pid)
    try:
        os.kill(kept.pid, signal.SIGTERM)
        if not select.select([descriptor], [], [], _LIMIT_SECONDS)[0]:
            raise StillRunningError(
                f"The co-op (process {kept.pid}) did not end within {_LIMIT_SECONDS:.0f} s.",
                next_step=f"End it by hand: kill -9 {kept.pid}",
            )
    finally:
        os.close(descriptor)
    (out / _FILE).unlink(missing_ok=True)
    return True


def _started(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]
