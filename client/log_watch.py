"""Witnesses while the store runs: one thread that exchanges cosignatures with the coordinator at fixed times.

It looks at logs only, and how they grow does not depend on customers.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from highstreet.audit.errors import WitnessConflictError
from highstreet.client.background import in_background
from highstreet.client.home import StoreHome
from highstreet.client.log_exchange import LogExchange
from highstreet.client.membership import member_caller
from highstreet.client.store_log import StoreLog
from highstreet.errors import HighstreetError

__all__ = ["watching_log"]

_LOG = logging.getLogger("highstreet.log")
_EVERY_SECONDS = 15.0


@contextmanager
def watching_log(
    home: StoreHome, log: StoreLog, ending: threading.Event, *, every_seconds: float = _EVERY_SECONDS
) -> Iterator[None]:
    """Exchange cosignatures in a thread while the block runs, or until `ending` is set."""
    with in_background(lambda: _watch(home, log, ending, every_seconds), ending, name="witness"):
        yield


def _watch(home: StoreHome, log: StoreLog, ending: threading.Event, every_seconds: float) -> None:
    said = ""
    while not ending.is_set():
        trouble = ""
        try:
            with member_caller(home) as caller:
                exchange = LogExchange(home, log, caller)
                while not ending.is_set():
                    exchange.exchange()
                    said = ""
                    ending.wait(every_seconds)
        except WitnessConflictError as error:
            trouble = error.for_user()
        except HighstreetError as error:
            trouble = error.what
        except Exception as error:  # noqa: BLE001 - a thread's top
            trouble = type(error).__name__
        if trouble and trouble != said:  # what stays wrong fills no log
            _LOG.error("witnessing: %s", trouble)
            said = trouble
        ending.wait(every_seconds)
