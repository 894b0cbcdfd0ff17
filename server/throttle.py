"""A limit on how often: who guesses at invitations or floods a letter box is made to wait, others are not."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

__all__ = ["Throttle"]


class Throttle:
    """Counts attempts over a sliding window, for each peer and for all together. Safe between threads.

    Args:
        clock: seconds that only go forward.
        per_peer, in_all: attempts within the window after which no more attempts are heard.
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
        self._counted: deque[tuple[float, str]] = deque()
        self._lock = threading.Lock()

    def is_open(self, peer: str) -> bool:
        """Say whether this peer's next attempt is heard."""
        with self._lock:
            oldest = self._clock() - self._window_seconds
            while self._counted and self._counted[0][0] <= oldest:
                self._counted.popleft()
            from_peer = sum(1 for _, name in self._counted if name == peer)
            return from_peer < self._per_peer and len(self._counted) < self._in_all

    def count(self, peer: str) -> None:
        """Count an attempt; what is kept is bounded by `in_all` plus the attempts already under way."""
        with self._lock:
            self._counted.append((self._clock(), peer))
