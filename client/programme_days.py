"""The public day each programme was begun with: purchases before it count in all its phases, in no others."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from highstreet.client.errors import RoundRefusedError, StoreConfigError
from highstreet.files import read_limited, write_private
from highstreet.protos.rounds_pb2 import REFUSAL_RELEASE

__all__ = ["ProgrammeDays", "remembered_programmes"]

_LIMIT_BYTES = 1 << 20
#: Programmes remembered; a period's budget ends long before so many were paid for.
_KEPT = 1000


class ProgrammeDays:
    """Remembers the first day seen for each programme, durably.

    Guarantee: phases of one programme that this store pays for have one day, whatever else it is asked. A
    request that pays for nothing costs the coordinator nothing, so the days of programmes not paid for make
    room first, then those whose spends no longer count. A programme that was paid for and whose day is not
    known is refused.

    Args:
        path: the file; made with the first programme.
        paid_for: every programme in the ledger, and whether what was spent on it still counts
            (`Ledger.programmes`).
    """

    def __init__(self, path: Path, *, paid_for: Callable[[], Mapping[str, bool]]) -> None:
        self._path = path
        self._paid_for = paid_for
        self._days = _read(path)

    def holds(self, programme_id: str, day: int) -> bool:
        """Whether this is the programme's day; the first one asked about becomes it, and is on the disk then.

        Raises:
            RoundRefusedError: RELEASE, the programme was paid for and its day is not known, or there is no
                room for another one.
            FileAccessError: it could not be written down.
            LedgerError: the ledger cannot be trusted or read.
        """
        known = self._days.get(programme_id)
        if known is None:
            days = {**self._with_room(programme_id), programme_id: day}
            write_private(self._path, json.dumps(days, indent=0).encode())
            self._days = days
        return known in {None, day}

    def _with_room(self, programme_id: str) -> dict[str, int]:
        """Return the days without those that make room for one more, the oldest of the least needed."""
        paid_for = self._paid_for()
        if programme_id in paid_for:
            raise RoundRefusedError(REFUSAL_RELEASE, "the day its programme began with is not known any more")
        excess = len(self._days) + 1 - _KEPT
        if excess <= 0:
            return self._days
        forgettable = [name for name in self._days if name not in paid_for]
        forgettable += [name for name in self._days if name in paid_for and not paid_for[name]]
        if len(forgettable) < excess:
            raise RoundRefusedError(REFUSAL_RELEASE, "this store takes part in no more programmes for now")
        gone = set(forgettable[:excess])
        return {name: day for name, day in self._days.items() if name not in gone}


def remembered_programmes(path: Path) -> frozenset[str]:
    """Return the programmes that were asked for in this membership, of those remembered.

    Raises:
        StoreConfigError: the file is damaged.
    """
    return frozenset(_read(path))


def _read(path: Path) -> dict[str, int]:
    if not path.is_file():
        return {}
    try:
        plain = json.loads(read_limited(path, limit_bytes=_LIMIT_BYTES))
        return {str(name): int(day) for name, day in plain.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise StoreConfigError(
            f"{path} is damaged.",
            next_step="Restore it from a backup, or remove it between two trainings: a training that was "
            "under way then goes on without this shop.",
        ) from error
