"""A limit on failed attempts: who guesses at invitations is made to wait, everybody else is not."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

__all__ = ["FailureThrottle"]


class FailureThrottle:
    """Counts failures over a sliding window, for each peer and for all together. Safe between threads.

    Args:
        clock: seconds that only go forward.
        per_peer, in_all: failures within the window after which no more attempts are heard.
        window_seconds: length of the window.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        per_peer: int = 10,
        in_all: int = 100,
        window_seconds: float = 60.0,
    ) -> None:
        self._clock = clock
        self._per_peer = per_peer
        self._in_all = in_all
        self._window_seconds = window_seconds
        self._failures: deque[tuple[float, str]] = deque()
        self._lock = threading.Lock()

    def is_open(self, peer: str) -> bool:
        """Say whether this peer's next attempt is heard."""
        with self._lock:
            oldest = self._clock() - self._window_seconds
            while self._failures and self._failures[0][0] <= oldest:
                self._failures.popleft()
            from_peer = sum(1 for _, name in self._failures if name == peer)
            return from_peer < self._per_peer and len(self._failures) < self._in_all

    def failed(self, peer: str) -> None:
        """Count a failed attempt; what is kept is bounded by `in_all` plus the attempts already under way."""
        with self._lock:
            self._failures.append((self._clock(), peer))
