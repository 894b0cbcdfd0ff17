"""A whole programme with the coordinator's log: what is sent was written before, and written once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Sequence
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from played_coop import PROGRAMME, CrashError, PlayedCarrier, PlayedCoop, made_charter, stores

from highstreet.audit.log_download import read_log_folder
from highstreet.audit.log_entries import LogEntry
from highstreet.audit.verifier import verify_log
from highstreet.protos.rounds_pb2 import RoundMessage, SignedRequest
from highstreet.server.checkpoints import Checkpoints
from highstreet.server.coop_log import CoopLog
from highstreet.server.database import connect
from highstreet.server.exchange import Carried
from highstreet.server.logged_carrier import LoggedCarrier
from highstreet.server.programme_run import ProgrammeRun

CHARTER = made_charter(phases=2)


def _log(coop: PlayedCoop, folder: Path) -> CoopLog:
    home: Any = SimpleNamespace(
        log=folder / "log",
        log_mark=folder / "keys" / "log.mark",
        witness=folder / "witness",
        database=coop.database,
        charter=lambda: coop.charter,
        coordinator_key=lambda: coop.key,
    )
    return CoopLog(home, clock=coop.clock)


def _entries(folder: Path) -> list[LogEntry]:
    lines = (folder / "log" / "entries.jsonl").read_bytes().splitlines()
    return [LogEntry.from_document(line) for line in lines]


class _Watched:
    """Looks into the log's file at the moment when a contribution is asked for."""

    def __init__(self, carrier: PlayedCarrier, folder: Path) -> None:
        self._carrier, self._folder = carrier, folder

    def online(self) -> Collection[int]:
        return self._carrier.online()

    def send(self, bodies: Sequence[tuple[int, bytes]], *, seconds: float) -> Sequence[str | None]:
        logged = {entry.draft.body.get("document_sha256") for entry in _entries(self._folder)}
        for _, body in bodies:
            step = RoundMessage.FromString(body).contribute
            if step.request.request:
                request = SignedRequest(request=step.request.request, signature=step.request.signature)
                assert hashlib.sha256(request.SerializeToString()).hexdigest() in logged
        return self._carrier.send(bodies, seconds=seconds)

    def collect(self, tickets: Collection[str]) -> Sequence[Carried]:
        return self._carrier.collect(tickets)


def _run(coop: PlayedCoop, folder: Path, *, calls: int = 10**9) -> PlayedCarrier:
    used, log = PlayedCarrier(coop, coop.clock, calls=calls), _log(coop, folder)
    with closing(connect(coop.database)) as connection:
        programme = Checkpoints(connection).active()
        if programme is not None:
            ProgrammeRun(
                programme=programme,
                charter=coop.charter,
                key=coop.key,
                connection=connection,
                carrier=LoggedCarrier(_Watched(used, folder), log.follow),
                publish=coop.published.append,
                clock=coop.clock,
                sleep=coop.clock.sleep,
            ).run()
    log.follow()
    return used


def _story(folder: Path) -> list[str]:
    keys = [re.sub(r"/[0-9]+$", "", entry.draft.key) for entry in _entries(folder)]
    return [key for key in keys if not key.startswith(("member/", "vouched/", "opening", "attestation/"))]


_WHOLE = [
    f"run/{PROGRAMME}/begun",
    *(f"round/{PROGRAMME}/{n}/{step}" for n in (0, 1) for step in ("opened", "announced", "closed")),
    f"run/{PROGRAMME}/ended",
]


def test_a_programme_is_in_the_log_step_by_step_each_before_it_is_acted_on(tmp_path: Path) -> None:
    coop = PlayedCoop(tmp_path, CHARTER, stores(3))
    _run(coop, tmp_path)
    assert coop.ended() == ("finished", "")
    assert _story(tmp_path) == _WHOLE
    closed = [each.draft.body for each in _entries(tmp_path) if each.draft.body.get("step") == "closed"]
    assert [body["contributors"] for body in closed] == [3, 3]
    (after,) = coop.rows("SELECT state FROM rounds WHERE round = 1")[0]
    assert closed[1]["state_sha256"] == hashlib.sha256(after).hexdigest()  # type: ignore[arg-type]  # a blob
    assert verify_log(read_log_folder(tmp_path / "log")).holds


@pytest.mark.parametrize("calls", range(0, 24, 3))
def test_wherever_it_crashes_each_step_is_in_the_log_once(tmp_path: Path, calls: int) -> None:
    coop = PlayedCoop(tmp_path, CHARTER, stores(3))
    with pytest.raises(CrashError):
        _run(coop, tmp_path, calls=calls)
    _run(coop, tmp_path)
    assert sorted(_story(tmp_path)) == sorted(_WHOLE)
    assert verify_log(read_log_folder(tmp_path / "log")).holds


def test_a_log_that_breaks_stops_what_is_sent(tmp_path: Path) -> None:
    """The programme waits and fails at its deadline; nobody is asked for anything that is not in the log."""
    coop = PlayedCoop(tmp_path, CHARTER, stores(3))
    log = _log(coop, tmp_path)
    path = tmp_path / "log" / "entries.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    used = PlayedCarrier(coop, coop.clock, calls=5_000)
    with closing(connect(coop.database)) as connection:
        programme = Checkpoints(connection).active()
        assert programme is not None
        ProgrammeRun(
            programme=programme,
            charter=coop.charter,
            key=coop.key,
            connection=connection,
            carrier=LoggedCarrier(used, log.follow),
            publish=coop.published.append,
            clock=coop.clock,
            sleep=coop.clock.sleep,
        ).run()
    assert coop.ended()[0] == "failed"
    assert all(not store.asked for store in coop.stores.values())
