"""Answers other members' stores while this one runs: one thread that tends the vouch desk at fixed times.

It looks at keys, nonces and rosters only, never at customers, so when it asks says nothing of them.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from highstreet.client.background import in_background
from highstreet.client.home import StoreHome
from highstreet.client.membership import member_caller
from highstreet.client.vouch_desk import Seen, VouchDesk
from highstreet.errors import HighstreetError

__all__ = ["watching_vouches"]

_LOG = logging.getLogger("highstreet.vouching")
_EVERY_SECONDS = 2.0
_FAILURE_FACTOR = 5


@contextmanager
def watching_vouches(
    home: StoreHome, ending: threading.Event, *, every_seconds: float = _EVERY_SECONDS
) -> Iterator[None]:
    """Tend this store's exchanges in a thread while the block runs, or until `ending` is set."""
    with in_background(lambda: _watch(home, ending, every_seconds), ending, name="vouching"):
        yield


def _watch(home: StoreHome, ending: threading.Event, every_seconds: float) -> None:
    said = ""
    while not ending.is_set():
        try:
            _tend_on_one_channel(home, lambda: ending.wait(every_seconds))
        except HighstreetError as error:
            trouble = error.what
        except Exception as error:  # noqa: BLE001 - a thread's top
            trouble = type(error).__name__
        else:
            return
        if trouble != said:  # a coordinator that stays away, or goes on serving a bad roster, fills no log
            _LOG.warning("vouching waits: %s", trouble)
            said = trouble
        ending.wait(_FAILURE_FACTOR * every_seconds)


def _tend_on_one_channel(home: StoreHome, is_over: Callable[[], bool]) -> None:
    with member_caller(home) as caller:
        desk, seen = VouchDesk(home, caller), Seen()
        while True:
            seen = desk.tend(seen)
            if is_over():
                return
