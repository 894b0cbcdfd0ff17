"""Work that goes on beside a running store, in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["in_background"]

_JOIN_SECONDS = 15.0


@contextmanager
def in_background(work: Callable[[], None], ending: threading.Event, *, name: str) -> Iterator[None]:
    """Do work in a thread while the block runs.

    Args:
        work: returns soon after `ending` is set; the end of the block waits for it, 15 seconds at most.
        ending: set by whoever ends the program, and at the end of the block.
        name: of the thread.
    """
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join(timeout=_JOIN_SECONDS)
