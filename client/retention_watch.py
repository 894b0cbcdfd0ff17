"""The retention timer of a running store: one thread that tidies at the start, and then once a day.

When it works follows from the clock alone: at 03:00 UTC in every store, and after a failure again at fixed
times. It depends on no customer, sends nothing, and no round waits for it to end.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from highstreet.client.background import in_background
from highstreet.client.home import StoreHome
from highstreet.client.retention import Tidied, tidy
from highstreet.errors import HighstreetError

__all__ = ["DAILY_AT", "RETRY_AFTER", "RetentionTimer", "next_daily", "watching_retention"]

#: The hour of the day, UTC.
DAILY_AT = 3
#: After a failure it is tried again so much later.
RETRY_AFTER = timedelta(minutes=15)
_LOOK_SECONDS = 30.0
_LOG = logging.getLogger("highstreet.retention")


def next_daily(now: datetime) -> datetime:
    """Return the first daily time after a moment.

    >>> next_daily(datetime(2026, 11, 22, 2, 59, tzinfo=UTC)).isoformat()
    '2026-11-22T03:00:00+00:00'
    >>> next_daily(datetime(2026, 11, 22, 3, 0, tzinfo=UTC)).isoformat()
    '2026-11-23T03:00:00+00:00'
    """
    today = now.astimezone(UTC).replace(hour=DAILY_AT, minute=0, second=0, microsecond=0)
    return today if today > now else today + timedelta(days=1)


class RetentionTimer:
    """Says when it is time, does the work then, and tells the owner what could not be done.

    Args:
        work: tidies as of a moment.
        tell: called after each time with what the owner should know, with nothing where all is done.
    """

    def __init__(self, work: Callable[[datetime], Tidied], tell: Callable[[str], None]) -> None:
        self._work = work
        self._tell = tell
        self._due: datetime | None = None
        self._said = ""

    def look(self, now: datetime) -> None:
        """Do the work if it is time; no failure leaves this, and what stays wrong fills no log."""
        if self._due is not None:
            self._due = min(self._due, next_daily(now))  # a clock set back puts it off by a day at most
            if now < self._due:
                return
        trouble = self._do(now)
        self._due = min(now + RETRY_AFTER, next_daily(now)) if trouble else next_daily(now)
        if trouble and trouble != self._said:
            _LOG.warning("what is kept no longer: %s", trouble)
        self._said = trouble
        self._tell(
            f"What is kept no longer could not all be removed: {trouble} It is tried again every "
            f"{RETRY_AFTER // timedelta(minutes=1)} minutes."
            if trouble
            else ""
        )

    def _do(self, now: datetime) -> str:
        try:
            done = self._work(now)
        except HighstreetError as error:
            return error.what
        except Exception as error:  # noqa: BLE001 - a thread's top; a text could quote data
            return f"{type(error).__name__}."
        if not done.is_nothing:
            _LOG.info(
                "kept no longer: %d answers ran out, %d customers' answers emptied, %d copies and %d entries "
                "of the register of erasures removed",
                done.ended,
                done.emptied,
                done.copies,
                done.erasures,
            )
        return " ".join(error.what for error in done.troubles)


@contextmanager
def watching_retention(
    home: StoreHome, ending: threading.Event, *, tell: Callable[[str], None]
) -> Iterator[None]:
    """Tidy at the start and then daily, in a thread, while the block runs or until `ending` is set."""
    timer = RetentionTimer(lambda now: tidy(home, now=now), tell)
    with in_background(lambda: _watch(timer, ending), ending, name="retention"):
        yield


def _watch(timer: RetentionTimer, ending: threading.Event) -> None:
    while not ending.is_set():
        timer.look(datetime.now(UTC))
        ending.wait(_LOOK_SECONDS)  # in short steps: a computer that slept wakes to the right time
