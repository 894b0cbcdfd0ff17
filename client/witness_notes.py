"""What a store writes into its own log of its witnessing: how it began, and what did not fit, once a day."""

from __future__ import annotations

import time
from collections.abc import Callable

from highstreet.audit.canonical import Json
from highstreet.audit.checkpoints import Checkpoint
from highstreet.audit.log_book import LogBook
from highstreet.audit.log_entries import EntryKind

__all__ = ["WitnessNotes"]

_DAY_SECONDS = 86_400


class WitnessNotes:
    """The entries of kind `witness` in a store's log.

    Args:
        book: the store's log.
        origin: of the coordinator's log.
        clock: seconds since 1970.
    """

    def __init__(self, book: LogBook, origin: str, *, clock: Callable[[], float] = time.time) -> None:
        self._book, self._origin, self._clock = book, origin, clock

    def began(self, shown: Checkpoint) -> None:
        """Say that witnessing begins; or begins anew, where what was known is lost."""
        began = f"witness/{self._origin}/began"
        is_first = bool(self._book.missing([began]))
        key = began if is_first else f"{began}-anew/{shown.size}-{shown.root.hex()[:16]}"
        self._once(key, "began" if is_first else "began_anew", shown.size, shown.root)

    def conflict(self, shown: Checkpoint) -> None:
        """Say that the coordinator's log contradicts itself; the first time in a day."""
        self._once(f"witness/{self._origin}/conflict/{self._day()}", "conflict", shown.size, shown.root)

    def lost(self, size: int) -> None:
        """Say that the coordinator forgot what it had cosigned of this store's log; the first time in a day.

        Whatever the coordinator says it remembers: no more than an entry a day comes of it.
        """
        self._once(f"witness/lost/{self._day()}", "witness_lost", size, None)

    def _day(self) -> int:
        return int(self._clock()) // _DAY_SECONDS

    def _once(self, key: str, step: str, size: int, root: bytes | None) -> None:
        if self._book.missing([key]):
            hexed = None if root is None else root.hex()
            body: dict[str, Json] = {"step": step, "origin": self._origin, "size": size, "root": hexed}
            self._book.append(EntryKind.WITNESS, key, body)
