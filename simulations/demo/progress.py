"""What the demo is doing, seen all the way: a live line in a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

from highstreet.simulations.report.record import Step

__all__ = ["Progress"]

_HEARTBEAT_SECONDS = 10.0


class Progress:
    """Steps with a clock. One step runs at a time; each ends as a line with its duration."""

    def __init__(self, console: Console, *, steps_in_all: int) -> None:
        """Start the clock."""
        self.steps: list[Step] = []
        self.current = "starting"
        self._console = console
        self._in_all = steps_in_all
        self._began = time.monotonic()
        self._detail = ""

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.monotonic() - self._began

    def detail(self, words: str) -> None:
        """Say what exactly is happening inside the current step."""
        self._detail = words.strip()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Run one step; it is recorded, and shown as done, only when it did not raise."""
        self.current, self._detail = name, ""
        started = self.seconds
        done = threading.Event()
        number = f"[dim]{len(self.steps) + 1:>2}/{self._in_all}[/dim]"
        show = self._live if self._console.is_terminal else self._plain
        shower = threading.Thread(target=show, args=(number, name, started, done), daemon=True)
        shower.start()
        succeeded = False
        try:
            yield
            succeeded = True
        finally:
            done.set()
            shower.join(timeout=2)
            seconds = self.seconds - started
            sign = "[green]✓[/green]" if succeeded else "[red]✗[/red]"
            self._console.print(
                f"{number} {sign} {escape(name)} [dim]{seconds:.1f} s[/dim]"
                + (f"  {escape(self._detail)}" if self._detail and not succeeded else ""),
                highlight=False,
                soft_wrap=True,
            )
        self.steps.append(Step(name=name, started_seconds=started, seconds=seconds))

    def _live(self, number: str, name: str, started: float, done: threading.Event) -> None:
        with self._console.status("") as status:
            while not done.wait(0.2):
                status.update(self._line(number, name, started))

    def _plain(self, number: str, name: str, started: float, done: threading.Event) -> None:
        shown = ""
        while not done.wait(_HEARTBEAT_SECONDS):
            line = self._line(number, name, started)
            if line != shown:
                self._console.print(line, highlight=False, soft_wrap=True)
                shown = line

    def _line(self, number: str, name: str, started: float) -> str:
        clock = f"{_clock(self.seconds - started)} of {_clock(self.seconds)}"
        return f"{number} {escape(name)} [dim]{clock}  {escape(self._detail)}[/dim]"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"
