"""Departures of one message at a time: held until a public time, and looked at once more shortly before."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from highstreet.client.departure_times import next_departure
from highstreet.client.errors import StoreStoppingError

__all__ = ["LAST_LOOK_SECONDS", "Departures"]

#: So long before a departure what is to leave is looked at once more. Looking and keeping it durably fit in;
#: if they do not, it leaves at the departure after.
LAST_LOOK_SECONDS = 0.5


class Departures:
    """When the answer to the message under way may leave; for one message at a time.

    Args:
        clock: seconds that only go up.
        wait: waits so many seconds, less when the store stops; its own by default.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        self._clock = clock
        self._stopping = threading.Event()
        self._wait = wait or self._stopping.wait
        self._began = 0.0

    @property
    def is_stopping(self) -> bool:
        """Whether the store stops; nothing leaves any more."""
        return self._stopping.is_set()

    def begin(self) -> None:
        """Begin to count: a message came."""
        self._began = self._clock()

    def approach(self) -> None:
        """Wait until shortly before the next departure; not at all when that is nearer.

        Raises:
            StoreStoppingError: the store stops; nothing may be handed over.
        """
        took = self._clock() - self._began
        left = next_departure(took) - LAST_LOOK_SECONDS - took
        if left > 0:
            self._wait(left)
        if self.is_stopping:
            raise StoreStoppingError("The store stops; nothing was handed over.")

    def leave(self) -> None:
        """Wait until the next departure, less when the store stops."""
        took = self._clock() - self._began
        self._wait(next_departure(took) - took)

    def stop(self) -> None:
        """Let go of what waits: it is not sent, and will be asked for again."""
        self._stopping.set()
