"""Whether and when a store asks for releases says nothing of what fitting them came to."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from highstreet.client.release_watch import WatchTimes, telling, watching_releases
from highstreet.errors import HighstreetError

OFTEN = WatchTimes(ask_seconds=0.01, refit_seconds=0.01)
WAIT_SECONDS = 20


class Counter:
    """Counts calls, does something at each, and says when there were enough."""

    def __init__(self, enough: int, error: Exception | None = None) -> None:
        self.calls, self.enough, self.error = 0, enough, error
        self.reached = threading.Event()

    def __call__(self) -> bool:
        self.calls += 1
        if self.calls >= self.enough:
            self.reached.set()
        if self.error is not None:
            raise self.error
        return True


@pytest.mark.parametrize("error", [np.linalg.LinAlgError("singular"), IndexError("17"), MemoryError()])
def test_a_fit_that_fails_in_any_way_ends_neither_asking_nor_fitting(error: Exception) -> None:
    ask, fit = Counter(5), Counter(3, error)
    with watching_releases(threading.Event(), ask=ask, fit=lambda: fit() and None, times=OFTEN):
        assert ask.reached.wait(WAIT_SECONDS)
        assert fit.reached.wait(WAIT_SECONDS)


def test_asking_goes_on_at_its_times_while_a_fit_takes_for_ever() -> None:
    stuck = threading.Event()
    ask = Counter(10)
    with watching_releases(threading.Event(), ask=ask, fit=lambda: stuck.wait() and None, times=OFTEN):
        assert ask.reached.wait(WAIT_SECONDS)
        stuck.set()


@pytest.mark.parametrize("error", [OSError(28, "full"), ValueError("plum jam")])
def test_asking_goes_on_after_any_failure_and_logs_no_text(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    ask = Counter(4, error)
    with watching_releases(threading.Event(), ask=ask, fit=lambda: None, times=OFTEN):
        assert ask.reached.wait(WAIT_SECONDS)
    assert type(error).__name__ in caplog.text
    assert "plum" not in caplog.text


def test_the_owner_is_told_what_a_release_waits_for_until_it_came() -> None:
    told: list[str] = []
    trouble = [HighstreetError("Release 2 waits.", next_step="Switch on the others."), None]

    def ask() -> bool:
        if error := trouble.pop(0):
            raise error
        return True

    asking = telling(ask, told.append)
    with pytest.raises(HighstreetError):
        asking()
    assert asking()
    assert told == ["Release 2 waits. Switch on the others.", ""]


def test_a_fit_that_failed_is_tried_again_without_anything_new() -> None:
    fit = Counter(3, KeyError("x"))
    with watching_releases(threading.Event(), ask=lambda: False, fit=lambda: fit() and None, times=OFTEN):
        assert fit.reached.wait(WAIT_SECONDS)


def test_both_threads_end_with_the_block() -> None:
    before = threading.active_count()
    with watching_releases(threading.Event(), ask=lambda: False, fit=lambda: None, times=OFTEN):
        assert threading.active_count() == before + 2
    assert threading.active_count() == before
