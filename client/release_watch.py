"""Watches for a new release: one thread that only asks and keeps, another that fits the shop's own model.

The coordinator sees when this store asks. Fitting looks at purchases, and a release can be made so that it
fails, or takes long, for those of one customer. So the thread that asks never fits and never waits for who
does; it asks at fixed times, whatever happened the last time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from highstreet.client.config import read_config
from highstreet.client.home import StoreHome
from highstreet.client.membership import member_caller
from highstreet.client.personal_model import refresh_model
from highstreet.client.release_fetch import fetch_release
from highstreet.client.releases import active_release
from highstreet.client.store_log import StoreLog
from highstreet.errors import HighstreetError

__all__ = ["WatchTimes", "ask_for_release", "fit_release", "telling", "watching_releases"]

_LOG = logging.getLogger("highstreet.store")


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchTimes:
    """How often, in seconds: the coordinator is asked; a fit that failed is tried again."""

    ask_seconds: float = 5.0
    refit_seconds: float = 300.0


def ask_for_release(home: StoreHome, log: StoreLog) -> bool:
    """Fetch and keep what is new; say whether there was something. Looks at no purchase.

    Raises:
        ReleaseNotWitnessedError: the new release is not confirmed by enough other members yet.
        ReleaseRefusedError: the new release failed a check; the one in use stays.
        CoopUnreachableError, CoopRefusedError: the coordinator said nothing, or no.
    """
    max_state_bytes = read_config(home).limits.max_state_bytes
    with member_caller(home) as caller:
        return fetch_release(home, log, caller, max_state_bytes=max_state_bytes) is not None


def telling(ask: Callable[[], bool], tell: Callable[[str], None]) -> Callable[[], bool]:
    """Return the same asking, which also tells the owner why there is nothing new and what helps.

    Args:
        ask: says whether something new was kept.
        tell: called after each asking, with nothing where all is well.
    """

    def ask_and_tell() -> bool:
        try:
            found = ask()
        except HighstreetError as error:
            tell(error.for_user())
            raise
        tell("")
        return found

    return ask_and_tell


def fit_release(home: StoreHome) -> int:
    """Fit the shop's model from the release in use; return that release's number, 0 without one.

    Raises:
        ReleaseRefusedError: its files are damaged. Anything else: the fit failed on this shop's data.
    """
    release = active_release(home)
    if release is None:
        return 0
    began = time.monotonic()
    refresh_model(home)
    number = release.manifest.number
    _LOG.info("release %s is in use; fitting took %.1f s", number, time.monotonic() - began)
    return number


@contextmanager
def watching_releases(
    ending: threading.Event,
    *,
    ask: Callable[[], bool],
    fit: Callable[[], None],
    times: WatchTimes | None = None,
) -> Iterator[None]:
    """Ask at fixed times and fit what came, each in a thread of its own, while the block runs.

    Args:
        ending: set by whoever ends the program, and at the end of the block.
        ask: says whether something new was kept.
        fit: brings the shop's model up to date; called at the start,
            after something new, and again some time after a failure.
        times: how often; None: the usual.
    """
    often = times or WatchTimes()
    fresh = threading.Event()
    fresh.set()
    threads = (
        threading.Thread(target=_asking, args=(ending, fresh, ask, often), name="releases", daemon=True),
        threading.Thread(target=_fitting, args=(ending, fresh, fit, often), name="fitting", daemon=True),
    )
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ending.set()
        fresh.set()
        for thread in threads:
            thread.join(timeout=15)


def _asking(
    ending: threading.Event, fresh: threading.Event, ask: Callable[[], bool], times: WatchTimes
) -> None:
    due, said = time.monotonic(), _Said()
    while not ending.is_set():
        if _survives(ask, said):
            fresh.set()
        # The next of the fixed times, those that were missed left out.
        due += times.ask_seconds * max(1, -(-(time.monotonic() - due) // times.ask_seconds))
        ending.wait(max(0.0, due - time.monotonic()))


def _fitting(
    ending: threading.Event, fresh: threading.Event, fit: Callable[[], None], times: WatchTimes
) -> None:
    def fitted() -> bool:
        fit()
        return True

    wait: float | None = None
    said = _Said()
    while True:
        fresh.wait(wait)
        fresh.clear()
        if ending.is_set():
            return
        wait = None if _survives(fitted, said) else times.refit_seconds


@dataclass(slots=True)
class _Said:
    """What was written last into the program's log: what stays wrong, or goes on waiting, fills no log."""

    trouble: str = ""

    def say(self, trouble: str) -> None:
        if trouble and trouble != self.trouble:
            _LOG.warning("watching for releases: %s", trouble)
        self.trouble = trouble


def _survives(work: Callable[[], bool], said: _Said) -> bool:
    """Return what the work returns, False when it failed: no failure may end a thread and be seen by that."""
    is_done, trouble = False, ""
    try:
        is_done = work()
    except HighstreetError as error:
        trouble = error.what
    except Exception as error:  # noqa: BLE001 - a thread's top
        trouble = type(error).__name__
    said.say(trouble)
    return is_done
