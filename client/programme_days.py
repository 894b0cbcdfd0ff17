"""The public day each programme was begun with: purchases before it count in all its phases, in no others."""

from __future__ import annotations

import json
from pathlib import Path

from highstreet.client.errors import StoreConfigError
from highstreet.files import read_limited, write_private

__all__ = ["ProgrammeDays"]

_LIMIT_BYTES = 1 << 20
#: Programmes remembered; a period's budget ends long before so many were paid for.
_KEPT = 1000


class ProgrammeDays:
    """Remembers the first day seen for each programme, durably.

    Args:
        path: the file; made with the first programme.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._days = _read(path)

    @property
    def programmes(self) -> frozenset[str]:
        """The programmes that were asked for in this membership, of those remembered."""
        return frozenset(self._days)

    def holds(self, programme_id: str, day: int) -> bool:
        """Whether this is the programme's day; the first one asked about becomes it, and is on the disk then.

        Raises:
            FileAccessError: it could not be written down.
        """
        known = self._days.get(programme_id)
        if known is None:
            days = {**self._days, programme_id: day}
            newest = dict(list(days.items())[-_KEPT:])
            write_private(self._path, json.dumps(newest, indent=0).encode())
            self._days = newest
        return known in {None, day}


def _read(path: Path) -> dict[str, int]:
    if not path.is_file():
        return {}
    try:
        plain = json.loads(read_limited(path, limit_bytes=_LIMIT_BYTES))
        return {str(name): int(day) for name, day in plain.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise StoreConfigError(
            f"{path} is damaged.", next_step="Restore it from a backup, or remove it between two trainings."
        ) from error
