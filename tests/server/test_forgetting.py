"""What stores sent is in no file of coop.db once its round is over, however the coordinator ended."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from played_coop import CrashError, PlayedCoop, made_charter, stores

from highstreet.audit.charter import Charter
from highstreet.models.programme import default_plan
from highstreet.protos.secure_sum_pb2 import Contribution, SignedSumAnswer, SumAnswer
from highstreet.server import checkpoints
from highstreet.server.checkpoints import Checkpoints
from highstreet.server.database import connect, empty_log
from highstreet.server.run_keeper import RunKeeper
from highstreet.server.superlink import RunState

_PROBE_BYTES = 16


def _charter(*, phases: int = 1) -> Charter:
    """The played charter with so many product keys that a contribution takes several pages."""
    charter = made_charter()
    plan = default_plan(
        replace(charter.plan.schema, key_buckets=4096), noise_multiplier=4.0, params=charter.plan.params
    )
    return replace(charter, plan=replace(plan, phases=plan.phases[:phases]))


def _probes(sent: bytes) -> Iterator[bytes]:
    """Pieces of what was sent, close enough that a page of 4,096 bytes holds some."""
    return (sent[at : at + _PROBE_BYTES] for at in range(0, len(sent) - _PROBE_BYTES, 1_000))


def _found(folder: Path, sent: list[bytes]) -> int:
    """How many pieces lie in any file of coop.db."""
    held = b"\x00".join(file.read_bytes() for file in sorted(folder.glob("coop.db*")))
    return sum(probe in held for each in sent for probe in _probes(each))


def _sent(coop: PlayedCoop, round_number: int = 0) -> list[bytes]:
    """The boxes of a round and the shares of its sum."""
    request, sha256 = coop.request(round_number)
    context = coop.context(request, coop._signed(round_number))
    boxes = [
        bytes(box)
        for store in coop.stores.values()
        for box in Contribution.FromString(store._contribution(context)).boxes
    ]
    assert sha256 == context.request_sha256
    said = [store.said["open"] for store in coop.stores.values() if "open" in store.said]
    shares = [SumAnswer.FromString(SignedSumAnswer.FromString(answer).answer).values for answer in said]
    return [*boxes, *map(bytes, shares)]


@pytest.fixture
def reader() -> Iterator[Callable[[PlayedCoop], sqlite3.Connection]]:
    """Another connection, as the running co-op has: the last one to close would empty the log by itself."""
    opened = []

    def hold_open(coop: PlayedCoop) -> sqlite3.Connection:
        connection = connect(coop.database)
        connection.execute("SELECT count(*) FROM members").fetchone()
        opened.append(connection)
        return connection

    yield hold_open
    for connection in opened:
        connection.close()


def test_during_a_round_what_stores_sent_is_there_and_after_it_nowhere(
    tmp_path: Path, reader: Callable[[PlayedCoop], sqlite3.Connection]
) -> None:
    coop = PlayedCoop(tmp_path, _charter(), stores(4))
    reader(coop)
    with pytest.raises(CrashError):
        coop.run(calls=6)
    assert _found(tmp_path, _sent(coop)) > 50  # so that the search finds what is there
    coop.run()
    assert coop.ended() == ("finished", "")
    assert len(_sent(coop)) > 4 * 4
    assert _found(tmp_path, _sent(coop)) == 0
    assert (tmp_path / "coop.db-wal").stat().st_size == 0


def test_without_emptying_the_log_it_would_stay(
    tmp_path: Path, reader: Callable[[PlayedCoop], sqlite3.Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "empty_log", lambda connection: True)
    coop = PlayedCoop(tmp_path, _charter(), stores(4))
    reader(coop)
    coop.run()
    assert _found(tmp_path, _sent(coop)) > 50


def _killed(run: Callable[[], object], *, at: int) -> None:
    """Run it in a process of its own that SIGKILL ends where the log would be emptied the nth time."""
    child = os.fork()
    if child == 0:
        left = [at]

        def dies(connection: sqlite3.Connection) -> bool:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return True

        checkpoints.empty_log = dies
        try:
            run()
        finally:
            os._exit(7)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


def test_after_a_kill_between_two_rounds_the_next_run_makes_good(
    tmp_path: Path, reader: Callable[[PlayedCoop], sqlite3.Connection]
) -> None:
    coop = PlayedCoop(tmp_path, _charter(phases=2), stores(3))
    _killed(coop.run, at=2)  # it is first emptied when a run begins
    reader(coop)
    assert coop.rows("SELECT count(*) FROM rounds WHERE closed_at IS NOT NULL") == [(1,)]
    assert _found(tmp_path, _sent(coop)) > 50
    with pytest.raises(CrashError):
        coop.run(calls=0)
    assert _found(tmp_path, _sent(coop)) == 0


def test_after_a_kill_at_the_end_the_running_co_op_makes_good(
    tmp_path: Path, reader: Callable[[PlayedCoop], sqlite3.Connection]
) -> None:
    coop = PlayedCoop(tmp_path, _charter(), stores(3))
    _killed(coop.run, at=3)
    connection = reader(coop)
    assert coop.ended() == ("finished", "")
    assert _found(tmp_path, _sent(coop)) > 50
    keeper = _idle_keeper(connection, tmp_path)
    keeper.tick()
    assert _found(tmp_path, _sent(coop)) == 0


def test_where_somebody_reads_meanwhile_it_is_tried_again(
    tmp_path: Path, reader: Callable[[PlayedCoop], sqlite3.Connection]
) -> None:
    coop = PlayedCoop(tmp_path, _charter(), stores(3))
    _killed(coop.run, at=3)
    connection, other = reader(coop), reader(coop)
    connection.execute("PRAGMA busy_timeout = 10")
    keeper = _idle_keeper(connection, tmp_path)
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM rounds").fetchone()
    keeper.tick()
    assert _found(tmp_path, _sent(coop)) > 0
    other.execute("COMMIT")
    keeper.tick()
    assert _found(tmp_path, _sent(coop)) == 0


def test_a_log_that_is_in_use_is_said_and_one_that_is_not_is_emptied(tmp_path: Path) -> None:
    with (
        closing(connect(tmp_path / "coop.db", create=True)) as one,
        closing(connect(tmp_path / "coop.db")) as two,
    ):
        one.execute("PRAGMA busy_timeout = 10")
        two.execute("BEGIN IMMEDIATE")
        assert not empty_log(one)
        two.execute("ROLLBACK")
        assert empty_log(one)


def _idle_keeper(connection: sqlite3.Connection, folder: Path) -> RunKeeper:
    """What `highstreet coop run` keeps while no programme is active; Flower is not asked for anything."""
    return RunKeeper(Checkpoints(connection), _NoRuns(), bundle=lambda _: b"", lock=folder / "lock")


class _NoRuns:
    def submit_run(self, bundle: bytes) -> int:
        raise AssertionError

    def run_state(self, run_id: int) -> RunState:
        raise AssertionError

    def stop_run(self, run_id: int) -> None:
        raise AssertionError
