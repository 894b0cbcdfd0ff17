"""A carrier that sends nothing which is not in the log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence

from highstreet.audit.errors import LogError
from highstreet.files import FileAccessError
from highstreet.server.exchange import Carried, Carrier

__all__ = ["LoggedCarrier"]

_LOG = logging.getLogger("highstreet.rounds")


class LoggedCarrier:
    """Another carrier, asked to send only once all that happened is in the coordinator's log.

    Args:
        carrier: sends and collects.
        follow: brings the log up to date.
    """

    def __init__(self, carrier: Carrier, follow: Callable[[], None]) -> None:
        self._carrier = carrier
        self._follow = follow

    def online(self) -> Collection[int]:
        """Return the nodes that can be reached now."""
        return self._carrier.online()

    def send(self, bodies: Sequence[tuple[int, bytes]], *, seconds: float) -> Sequence[str | None]:
        """Send, as the carrier does; nothing while the log cannot be written: it is tried again later."""
        try:
            self._follow()
        except (LogError, FileAccessError) as error:
            _LOG.error("nothing is sent: %s", error.for_user())
            return [None] * len(bodies)
        return self._carrier.send(bodies, seconds=seconds)

    def collect(self, tickets: Collection[str]) -> Sequence[Carried]:
        """Return what has come back for these tickets, each at most once."""
        return self._carrier.collect(tickets)
