"""A programme that is due has a live Flower run, whatever dies."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import pytest

from highstreet.models.plan import PhaseKind, PhasePlan
from highstreet.models.state import SharedState
from highstreet.processes import run_lock
from highstreet.server.checkpoints import Checkpoints, Outcome
from highstreet.server.database import connect
from highstreet.server.matching_book import MatchingBook
from highstreet.server.run_keeper import SERVER_APP_LOCK, SERVER_APP_RUN, RunKeeper
from highstreet.server.superlink import RunState


class FakeRuns:
    """The SuperLink's runs, without a SuperLink."""

    def __init__(self) -> None:
        self.states: dict[int, RunState] = {}
        self.stopped: list[int] = []
        self.bundles: list[bytes] = []

    def submit_run(self, bundle: bytes) -> int:
        self.bundles.append(bundle)
        number = len(self.states) + 1
        self.states[number] = RunState.PENDING
        return number

    def run_state(self, run_id: int) -> RunState:
        return self.states[run_id]

    def stop_run(self, run_id: int) -> None:
        self.stopped.append(run_id)


class Bench:
    """A keeper with a clock that is set by hand, and a ServerApp that is a lock."""

    def __init__(self, folder: Path, book: Checkpoints) -> None:
        self.now = 0.0
        self.book = book
        self.runs = FakeRuns()
        self.lock = folder / SERVER_APP_LOCK
        self.keeper = RunKeeper(
            book,
            self.runs,
            bundle=lambda programme: f"bundle of {programme}".encode(),
            lock=self.lock,
            clock=lambda: self.now,
        )
        self.serverapp = ExitStack()

    def tick(self, seconds: float = 0.5) -> None:
        self.now += seconds
        self.keeper.tick()

    def serverapp_starts(self) -> None:
        self.serverapp.enter_context(run_lock(self.lock, what="A programme"))
        self.lock.with_name(SERVER_APP_RUN).write_text(str(len(self.runs.states)))

    def serverapp_dies(self) -> None:
        self.serverapp.close()

    def closes_a_round(self, index: int) -> None:
        phase = PhasePlan(
            index=index,
            name="sums",
            kind=PhaseKind.STATISTICS,
            dimension=1,
            clipping_norm=1.0,
            noise_multiplier=1.0,
        )
        opened = self.book.open_round("p1", phase, lambda _: (b"request", b"state"))
        outcome = Outcome(contributors=3, answers=3, wrong=0, is_checked=False)
        self.book.close_round(opened, SharedState({"a": np.ones(1)}), outcome)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with closing(connect(tmp_path / "coop.db", create=True)) as connection:
        yield Bench(tmp_path, Checkpoints(connection))


def _request(bench: Bench) -> None:
    bench.book._connection.execute(
        "INSERT INTO programmes (programme_id, number, requested_at, state, charter_sha256)"
        " VALUES ('p1', 1, 0, 'requested', x'00')"
    )


def test_without_a_programme_nothing_is_submitted(bench: Bench) -> None:
    bench.tick()
    assert bench.runs.states == {}


def test_a_requested_programme_is_submitted_once(bench: Bench) -> None:
    _request(bench)
    for _ in range(5):
        bench.tick()
    bench.serverapp_starts()
    for _ in range(500):
        bench.tick()
    assert bench.runs.bundles == [b"bundle of p1"]


def test_a_dead_serverapp_is_followed_by_another_at_once_when_it_had_closed_a_round(bench: Bench) -> None:
    _request(bench)
    bench.tick()
    bench.serverapp_starts()
    bench.tick()
    bench.closes_a_round(0)
    bench.serverapp_dies()
    bench.tick()
    assert bench.runs.stopped == [1]
    assert len(bench.runs.states) == 2


def test_a_serverapp_that_gets_nowhere_is_followed_after_pauses_that_grow_and_then_given_up(
    bench: Bench,
) -> None:
    _request(bench)
    bench.tick()
    starts = [bench.now]
    while bench.book.active() is not None and bench.now < 10_000:
        known = len(bench.runs.states)
        bench.serverapp_starts()
        bench.tick()
        bench.serverapp_dies()
        while len(bench.runs.states) == known and bench.book.active() is not None:
            bench.tick()
        starts.append(bench.now)
    assert len(bench.runs.states) == 8
    pauses = np.diff(starts)
    assert pauses[0] < 5 < pauses[-2]
    row = bench.book._connection.execute("SELECT state, failure FROM programmes").fetchone()
    assert row["state"] == "failed"
    assert "8 times" in row["failure"]


def test_a_run_that_ends_without_ever_working_is_submitted_again(bench: Bench) -> None:
    _request(bench)
    bench.tick()
    bench.runs.states[1] = RunState.FINISHED
    bench.tick()
    bench.tick(2)
    assert len(bench.runs.states) == 2


def test_a_run_that_never_starts_is_given_up_after_a_while(bench: Bench) -> None:
    _request(bench)
    bench.tick()
    bench.tick(30)
    assert len(bench.runs.states) == 1
    bench.tick(40)
    bench.tick(2)
    assert len(bench.runs.states) == 2


def test_a_finished_programme_is_left_alone_and_the_next_one_starts_fresh(bench: Bench) -> None:
    _request(bench)
    bench.tick()
    bench.serverapp_starts()
    bench.tick()
    bench.book.mark_running("p1")
    bench.book.mark_finished("p1")
    bench.serverapp_dies()
    for _ in range(10):
        bench.tick()
    assert len(bench.runs.states) == 1
    assert bench.book.active() is None


def _finish_a_matching(bench: Bench, *, until: float) -> None:
    """Let p1 be a matching that is finished, with a store that can be told of it until then."""
    connection = bench.book._connection
    connection.execute("UPDATE programmes SET kind = 'matching' WHERE programme_id = 'p1'")
    book = MatchingBook(connection)
    book.open("p1", lambda now: b"request")
    book.keep_evidence("p1", b"evidence", until=int(until))
    bench.book.mark_finished("p1")


def test_a_finished_matching_has_a_run_while_stores_can_be_told_and_gives_way_to_a_training(
    bench: Bench,
) -> None:
    _request(bench)
    bench.tick()
    bench.serverapp_starts()
    _finish_a_matching(bench, until=time.time() + 3600)
    bench.tick()
    bench.serverapp_dies()
    bench.tick()
    bench.tick(2)
    assert bench.runs.bundles == [b"bundle of p1", b"bundle of p1"]
    bench.serverapp_starts()
    bench.book._connection.execute(
        "INSERT INTO programmes (programme_id, number, requested_at, state, charter_sha256)"
        " VALUES ('p2', 2, 0, 'requested', x'00')"
    )
    bench.tick()
    assert len(bench.runs.bundles) == 2  # not beside the one that is telling
    bench.serverapp_dies()
    bench.tick()
    assert bench.runs.bundles[2:] == [b"bundle of p2"]
    bench.serverapp_starts()
    bench.book.mark_finished("p2")
    bench.serverapp_dies()
    bench.tick()
    assert bench.runs.bundles[3:] == [b"bundle of p1"]


def test_what_counts_are_read_from_is_dropped_when_its_time_is_over_and_nothing_runs(bench: Bench) -> None:
    _request(bench)
    _finish_a_matching(bench, until=time.time() - 1)
    bench.tick()
    assert bench.runs.bundles == []
    assert MatchingBook(bench.book._connection).evidence("p1") == b""


def test_a_finished_matching_whose_telling_gets_nowhere_is_tried_until_its_time_is_over(bench: Bench) -> None:
    _request(bench)
    _finish_a_matching(bench, until=time.time() + 10_000)
    bench.tick()
    pauses: list[float] = []
    for _ in range(1100):  # as many as overflow a float, were the pauses doubled each time
        known, died = len(bench.runs.bundles), bench.now
        bench.serverapp_starts()
        bench.serverapp_dies()
        while len(bench.runs.bundles) == known:
            bench.tick(5)
        pauses.append(bench.now - died)
    assert pauses[0] < 15
    assert all(30 <= pause <= 40 for pause in pauses[10:])
    assert MatchingBook(bench.book._connection).evidence("p1") == b"evidence"
    row = bench.book._connection.execute("SELECT state, failure FROM programmes").fetchone()
    assert tuple(row) == ("finished", "")
    bench.book._connection.execute("UPDATE matchings SET evidence_until = ?", (int(time.time()),))
    known = len(bench.runs.bundles)
    for _ in range(100):
        bench.tick()
    assert len(bench.runs.bundles) == known
    assert MatchingBook(bench.book._connection).evidence("p1") == b""


def test_a_serverapp_that_worked_for_a_moment_between_two_looks_is_known_to_be_dead(bench: Bench) -> None:
    _request(bench)
    bench.tick()
    bench.serverapp_starts()
    bench.serverapp_dies()
    bench.tick()
    bench.tick(2)
    assert len(bench.runs.states) == 2
