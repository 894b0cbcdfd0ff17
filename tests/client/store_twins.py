"""Stores with one mistake planted in each, of the kinds that the store's machine is there to find."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from highstreet.audit.consent_states import ConsentStates
from highstreet.client import consent_log, erasure, ledger
from highstreet.client.byte_search import Searched
from highstreet.client.consent_in_use import ConsentInUse
from highstreet.client.consent_log import ConsentLog
from highstreet.client.ledger import Ledger
from highstreet.client.ledger_rows import releases_since

__all__ = ["TWINS"]

_NOTHING_FOUND = Searched(files=1, bytes=1, values=1, found_in=(), links=())


@contextmanager
def _no_last_look() -> Iterator[None]:
    """A till that does not look at consent again before it keeps a reply."""
    with mock.patch.object(ConsentInUse, "ended", return_value=frozenset()):
        yield


@contextmanager
def _forgets_the_journals_key() -> Iterator[None]:
    """An erasure that leaves the key to what its journal kept of the person."""
    with mock.patch.object(erasure, "forget_values"):
        yield


@contextmanager
def _forgets_the_copies() -> Iterator[None]:
    """An erasure that leaves the copies made for the person, and then looks through nothing."""
    with (
        mock.patch.object(erasure, "remove_folders"),
        mock.patch.object(erasure, "remove_expired"),
        mock.patch.object(erasure, "search_folder", return_value=_NOTHING_FOUND),
    ):
        yield


@contextmanager
def _forgets_a_spend_when_started_again() -> Iterator[None]:
    """A ledger that leaves out the first round of those that were in it when it was opened."""
    opened_at: dict[int, set[int]] = {}
    real = Ledger.open

    def opening(path: Path, **named: Any) -> Ledger:
        opened = real(path, **named)
        opened_at[id(opened._connection)] = set(list(releases_since(opened._connection, 0))[:1])
        return opened

    def forgetting(connection: sqlite3.Connection, start: int) -> Any:
        forgotten = opened_at.get(id(connection), set())
        return {key: each for key, each in releases_since(connection, start).items() if key not in forgotten}

    with (
        mock.patch.object(Ledger, "open", opening),
        mock.patch.object(ledger, "releases_since", forgetting),
    ):
        yield


@contextmanager
def _skips_an_entry() -> Iterator[None]:
    """A fold of the consent log that leaves out every fifth entry."""
    take = ConsentStates.take

    def skipping(states: ConsentStates, position: int, event: Any) -> None:
        if position % 5:
            take(states, position, event)

    with mock.patch.object(ConsentStates, "take", skipping):
        yield


@contextmanager
def _skips_an_entry_when_read_anew() -> Iterator[None]:
    """A fold that takes every entry as it comes, and leaves the first out when all are read anew."""
    take, caught_up = ConsentStates.take, ConsentLog._caught_up

    def skipping(states: ConsentStates, position: int, event: Any) -> None:
        if position > 1:
            take(states, position, event)

    def catching_up(log: ConsentLog, connection: sqlite3.Connection) -> Any:
        is_anew = log._key not in consent_log._FOLDS
        with mock.patch.object(ConsentStates, "take", skipping if is_anew else take):
            return caught_up(log, connection)

    with mock.patch.object(ConsentLog, "_caught_up", catching_up):
        yield


TWINS: dict[str, Callable[[], Any]] = {
    "no last look": _no_last_look,
    "the journal's key is left": _forgets_the_journals_key,
    "the copies are left": _forgets_the_copies,
    "a spend is forgotten": _forgets_a_spend_when_started_again,
    "an entry is skipped": _skips_an_entry,
    "an entry is skipped when read anew": _skips_an_entry_when_read_anew,
}
