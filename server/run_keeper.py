"""Keeps a Flower run alive for the programme that is due: submits it, and submits it again when it dies."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from highstreet.processes import lock_held
from highstreet.server.checkpoints import Checkpoints, Programme, ProgrammeState
from highstreet.server.superlink import RunState

__all__ = ["SERVER_APP_LOCK", "SERVER_APP_RUN", "RunKeeper", "Runs"]

#: Held for as long as a ServerApp works: two never run at once, and a dead one is noticed.
SERVER_APP_LOCK = "serverapp.lock"
#: Beside the lock: the run whose ServerApp took it last.
SERVER_APP_RUN = "serverapp.run"

_START_SECONDS = 60.0
_FIRST_WAIT_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 30.0
_FRUITLESS_RUNS = 8
_LOG = logging.getLogger("highstreet.coop")


class Runs(Protocol):
    """The part of the Control API that runs need."""

    def submit_run(self, bundle: bytes) -> int:
        """Start a run; return its id."""

    def run_state(self, run_id: int) -> RunState:
        """Return where a run stands."""

    def stop_run(self, run_id: int) -> None:
        """End a run."""


class RunKeeper:
    """Watches coop.db for a programme and holds a run for it; call `tick` regularly.

    A ServerApp holds a lock file while it works. When the lock is free again and the programme is still
    due, the ServerApp has died, however it died, and the programme is submitted again. It goes on behind
    its last closed round. One that gets nowhere is given up; a finished matching, which closes no round, is
    tried at the longest pauses until its time is over. When nothing is due, what stores sent is seen to be
    gone from coop.db's files.

    Args:
        book: programmes and rounds.
        runs: the Control API.
        bundle: makes the app bundle of a programme.
        lock: the ServerApp's lock file.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        book: Checkpoints,
        runs: Runs,
        *,
        bundle: Callable[[str], bytes],
        lock: Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._book = book
        self._runs = runs
        self._bundle = bundle
        self._lock = lock
        self._clock = clock
        self._programme: str | None = None
        self._run: int | None = None
        self._submitted_at = 0.0
        self._again_at = 0.0
        self._closed = -1
        self._fruitless = 0
        self._is_forgotten = False

    def tick(self) -> None:
        """Do what is due now.

        Raises:
            SuperLinkError: the SuperLink does not answer; try again later.
        """
        self._book.drop_expired_evidence()
        programme = self._book.due()
        current = None if programme is None else programme.programme_id
        if current != self._programme:
            self._programme, self._run = current, None
            self._closed, self._fruitless, self._again_at = -1, 0, 0.0
        if programme is None:
            self._is_forgotten = self._is_forgotten or self._book.forget_dropped()
            return
        self._is_forgotten = False
        if lock_held(self._lock):
            return
        if self._run is not None and not self._has_died(self._run):
            return
        self._end_run(programme)
        if self._clock() >= self._again_at and self._book.due() is not None:
            self._submit(programme)

    def _has_died(self, run: int) -> bool:
        if self._has_worked(run) or self._clock() - self._submitted_at > _START_SECONDS:
            return True
        return self._runs.run_state(run) in (RunState.FINISHED, RunState.UNKNOWN)

    def _has_worked(self, run: int) -> bool:
        """Whether the run's ServerApp ever held the lock, however short."""
        note = self._lock.with_name(SERVER_APP_RUN)
        return note.exists() and note.read_text(encoding="ascii") == str(run)

    def _end_run(self, programme: Programme) -> None:
        """Make sure the dead run is over for Flower too, and decide when to try again."""
        if self._run is None:
            return
        self._runs.stop_run(self._run)
        self._run = None
        closed = len(self._book.contributors(programme.programme_id))
        self._fruitless = 0 if closed > self._closed else self._fruitless + 1
        wait = min(
            _FIRST_WAIT_SECONDS * 2 ** min(max(0, self._fruitless - 1), _FRUITLESS_RUNS),
            _LONGEST_WAIT_SECONDS,
        )
        self._again_at = self._clock() + (0.0 if self._fruitless == 0 else wait)
        _LOG.warning("the run of programme %s ended early; going on behind its last round", programme.number)
        if self._fruitless >= _FRUITLESS_RUNS and programme.state is not ProgrammeState.FINISHED:
            self._book.mark_failed(
                programme.programme_id,
                f"The program that holds the rounds ended {_FRUITLESS_RUNS} times without closing one; "
                "see logs/rounds.log and logs/superexec.log.",
            )

    def _submit(self, programme: Programme) -> None:
        self._closed = len(self._book.contributors(programme.programme_id))
        self._run = self._runs.submit_run(self._bundle(programme.programme_id))
        self._submitted_at = self._clock()
        _LOG.info("programme %s: run %s submitted", programme.number, self._run)
