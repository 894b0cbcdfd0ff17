"""Running `highstreet` commands as a person would type them, each a process, with a transcript."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from highstreet.simulations.errors import SimulationsError

__all__ = ["CommandFailedError", "CommandLine", "Transcript", "in_parallel"]

_LONGEST_SECONDS = 300.0
_SHOWN_LINES = 6
T = TypeVar("T")
R = TypeVar("R")


class CommandFailedError(SimulationsError):
    """A command of the demo ended otherwise than it should.

    Attributes:
        status: its exit status.
        output: the last lines it wrote.
    """

    def __init__(self, what: str, *, status: int, output: str, next_step: str = "") -> None:
        super().__init__(what, next_step=next_step)
        self.status = status
        self.output = output


@dataclass(slots=True)
class Transcript:
    """Every command that was run, as text one can paste into a terminal; codes are left out."""

    path: Path
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, arguments: Sequence[str], status: int, seconds: float) -> None:
        """Write one command down."""
        words = list(arguments)
        if words[:2] == ["store", "join"]:
            words[2] = "CODE"
        with self._lock, self.path.open("a", encoding="utf-8") as file:
            file.write(f"highstreet {shlex.join(words)}   # exit {status}, {seconds:.1f} s\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandLine:
    """Runs commands with one environment.

    Attributes:
        environment: of every command.
        transcript: where they are written down.
    """

    environment: Mapping[str, str]
    transcript: Transcript

    @staticmethod
    def program() -> list[str]:
        """Return the absolute words that start `highstreet` with the running interpreter."""
        return [sys.executable, "-m", "highstreet.cli"]

    def run(self, *arguments: str, expect: int = 0, given: str = "") -> str:
        """Run one command to its end; return what it wrote to standard output.

        Args:
            arguments: its words.
            expect: the exit status it should have; with a refusal, what it complained of is returned too.
            given: what it reads from standard input, for secrets.

        Raises:
            CommandFailedError: its exit status is not the expected one.
        """
        started = time.monotonic()
        done = subprocess.run(  # noqa: S603  our own command, no shell
            [*self.program(), *arguments],
            input=given.encode(),
            capture_output=True,
            env=dict(self.environment),
            check=False,
            timeout=_LONGEST_SECONDS,
        )
        self.transcript.add(arguments, done.returncode, time.monotonic() - started)
        output, complaint = (text.decode("utf-8", errors="replace") for text in (done.stdout, done.stderr))
        if done.returncode != expect:
            raise self._failure(arguments, done.returncode, expect, complaint.strip() or output)
        return output if expect == 0 else complaint + output

    def json(self, *arguments: str) -> object:
        """Run one command that answers in JSON; return the answer."""
        output = self.run(*arguments)
        try:
            return json.loads(output)
        except ValueError as error:
            raise self._failure(arguments, 0, 0, output) from error

    def watch(self, *arguments: str, each_line: Callable[[str], None], limit_seconds: float) -> None:
        """Run one command to its end, handing over each line as it is written.

        Raises:
            CommandFailedError: it failed, or took longer than the limit.
        """
        started = time.monotonic()
        process = subprocess.Popen(  # noqa: S603  our own command, no shell
            [*self.program(), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**self.environment, "PYTHONUNBUFFERED": "1"},
            text=True,
            errors="replace",
        )
        lines: list[str] = []
        limit = threading.Timer(limit_seconds, process.kill)
        limit.start()
        try:
            for line in process.stdout or ():
                lines.append(line.rstrip())
                each_line(lines[-1])
            status = process.wait()
        finally:
            limit.cancel()
            process.kill()
        self.transcript.add(arguments, status, time.monotonic() - started)
        if status != 0:
            raise self._failure(arguments, status, 0, "\n".join(lines))

    def _failure(self, arguments: Sequence[str], status: int, expect: int, output: str) -> CommandFailedError:
        last = "\n    ".join(output.strip().splitlines()[-_SHOWN_LINES:])
        wanted = "" if expect == 0 else f" where {expect} was expected"
        return CommandFailedError(
            f"`highstreet {' '.join(arguments[:2])}` ended with status {status}{wanted}:\n    {last}\n",
            status=status,
            output=output,
            next_step=f"The commands so far: {self.transcript.path}.",
        )


def in_parallel(work: Callable[[T], R], items: Sequence[T], *, at_once: int | None = None) -> list[R]:
    """Do the work for every item, as many at once as there are cores; results in the order of the items.

    When one fails, those not yet begun are left out and the failure is raised at once.
    """
    pool = ThreadPoolExecutor(max_workers=at_once or min(os.cpu_count() or 1, 4))
    try:
        return list(pool.map(work, items))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
