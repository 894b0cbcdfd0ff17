"""The store service behind its Unix socket, and the ClientApp that carries to it."""

from __future__ import annotations

import contextlib
import stat
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from flwr.app import ConfigRecord, Context, Message, RecordDict

from highstreet.client.app import SOCKET_VARIABLE, answer_through, app, unavailable
from highstreet.client.departures import Departures
from highstreet.client.errors import StoreHomeError
from highstreet.client.round_answers import RoundAnswer, Step
from highstreet.client.service import ServiceStatus, StoreService, ask_status, serve
from highstreet.protos.rounds_pb2 import REFUSAL_UNAVAILABLE, RoundReply, SignedReply
from highstreet.protos.store_pb2 import AnswerRequest
from highstreet.protos.store_pb2_grpc import StoreStub

OF_CUSTOMERS = {Step.CONTRIBUTION, Step.BLINDED_LIST, Step.TABLE, Step.COUNTS}
SENT = RoundAnswer(body=b"1234", step=Step.CONTRIBUTION, programme_id="p1", round=3)


class Desk:
    """Answers with what it is told, and sees whether it was ever asked two things at once."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.answer_with = SENT
        self.fail = False
        self._busy = threading.Lock()

    def answer(self, body: bytes) -> RoundAnswer:
        assert self._busy.acquire(blocking=False)
        try:
            if self.fail:
                raise KeyError("customer 17 bought plum jam")
            self.bodies.append(body)
            return self.answer_with
        finally:
            self._busy.release()


class Time:
    """Passes while the desk computes and while an answer waits, and only then."""

    def __init__(self) -> None:
        self.now = 100.0
        self.takes = 0.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def socket(tmp_path: Path, desk: Desk) -> Iterator[Path]:
    status = ServiceStatus(member_id="m1", coop_id="c1")
    service = StoreService(desk.answer, status, Departures(wait=lambda seconds: None))
    with serve(service, tmp_path / "run" / "store.sock"):
        yield tmp_path / "run" / "store.sock"


def test_the_socket_is_for_its_owner_only_and_goes_away(tmp_path: Path, desk: Desk) -> None:
    path = tmp_path / "run" / "store.sock"
    with serve(StoreService(desk.answer, ServiceStatus()), path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert not path.exists()


def test_a_socket_left_by_a_crash_is_replaced(tmp_path: Path, desk: Desk) -> None:
    path = tmp_path / "run" / "store.sock"
    path.parent.mkdir()
    path.touch()
    with serve(StoreService(desk.answer, ServiceStatus(), Departures(wait=lambda seconds: None)), path):
        assert answer_through(path, b"body") == desk.answer_with.body


def test_the_service_says_what_a_release_waits_for(tmp_path: Path, desk: Desk) -> None:
    status, path = ServiceStatus(), tmp_path / "run" / "store.sock"
    with serve(StoreService(desk.answer, status), path):
        for words in ("Release 2 waits.", ""):
            status.release_trouble = words
            said = ask_status(path)
            assert said is not None
            assert said.release_trouble == words


def test_the_service_says_why_something_is_still_kept(tmp_path: Path, desk: Desk) -> None:
    status, path = ServiceStatus(), tmp_path / "run" / "store.sock"
    with serve(StoreService(desk.answer, status), path):
        for words in ("The disk is full.", ""):
            status.retention_trouble = words
            said = ask_status(path)
            assert said is not None
            assert said.retention_trouble == words


def test_a_path_too_long_for_a_socket_is_told_plainly(tmp_path: Path, desk: Desk) -> None:
    path = tmp_path / ("x" * 120) / "store.sock"
    with (
        pytest.raises(StoreHomeError, match="too long for a socket"),
        serve(StoreService(desk.answer, ServiceStatus()), path),
    ):
        pytest.fail("it was served")


def test_bytes_go_in_and_come_out_as_they_are(socket: Path, desk: Desk) -> None:
    body = bytes(range(256)) * 4096
    assert answer_through(socket, body) == desk.answer_with.body
    assert desk.bodies == [body]


def test_messages_are_answered_one_at_a_time(socket: Path, desk: Desk) -> None:
    threads = [threading.Thread(target=answer_through, args=(socket, b"x")) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(desk.bodies) == 6


def test_the_status_counts_rounds(socket: Path, desk: Desk) -> None:
    answer_through(socket, b"x")
    desk.answer_with = replace(SENT, refusal=REFUSAL_UNAVAILABLE)
    answer_through(socket, b"x")
    desk.answer_with = replace(SENT, step=Step.AGREEMENT)
    answer_through(socket, b"x")
    status = ask_status(socket)
    assert status is not None
    assert (status.member_id, status.coop_id) == ("m1", "c1")
    assert (status.rounds_answered, status.rounds_refused, status.last_round) == (1, 1, "p1/3")


@pytest.mark.parametrize("ends", ["sent", "refused", "fails"])
@pytest.mark.parametrize(
    ("takes", "leaves"),
    [((0.0, 0.02, 0.5, 0.999), 1.0), ((1.01, 1.5, 2.0), 2.0), ((33.0, 60.0), 64.0), ((70.0, 127.0), 128.0)],
)
def test_when_a_contribution_leaves_does_not_depend_on_how_long_it_took(
    tmp_path: Path, desk: Desk, ends: str, takes: tuple[float, ...], leaves: float
) -> None:
    time, left = Time(), []

    def answer(body: bytes) -> RoundAnswer:
        time.now += time.takes
        return desk.answer(body)

    desk.fail = ends == "fails"
    desk.answer_with = replace(SENT, refusal=REFUSAL_UNAVAILABLE) if ends == "refused" else SENT
    service = StoreService(answer, ServiceStatus(), Departures(clock=time, wait=time.wait))
    with serve(service, tmp_path / "store.sock"):
        for time.takes in takes:
            began = time.now
            with contextlib.suppress(grpc.RpcError):
                answer_through(tmp_path / "store.sock", b"x")
            left.append(time.now - began)
    assert left == pytest.approx([leaves] * len(takes))


def test_what_is_not_of_this_shops_customers_does_not_wait(tmp_path: Path, desk: Desk) -> None:
    time = Time()
    service = StoreService(desk.answer, ServiceStatus(), Departures(clock=time, wait=time.wait))
    with serve(service, tmp_path / "store.sock"):
        for step in (*(set(Step) - OF_CUSTOMERS), None):
            desk.answer_with = replace(SENT, step=step)
            answer_through(tmp_path / "store.sock", b"x")
    assert time.now == 100.0


@pytest.mark.parametrize("step", sorted(OF_CUSTOMERS))
def test_what_is_computed_from_customers_leaves_at_a_public_time(
    tmp_path: Path, desk: Desk, step: Step
) -> None:
    """A blinded list has the same length for every shop, but not the same work in it; nor has a table."""
    time = Time()
    desk.answer_with = replace(SENT, step=step)
    with serve(
        StoreService(desk.answer, ServiceStatus(), Departures(clock=time, wait=time.wait)),
        tmp_path / "s.sock",
    ):
        answer_through(tmp_path / "s.sock", b"x")
    assert time.now == 101.0


def test_another_message_cannot_tell_when_the_computing_was_over(tmp_path: Path, desk: Desk) -> None:
    """While a contribution waits for its departure nothing else is looked at, so no answer comes sooner."""
    waiting, go_on, order = threading.Event(), threading.Event(), []

    def wait(seconds: float) -> None:
        waiting.set()
        go_on.wait(20)
        order.append("contribution")

    def ask_another() -> None:
        desk.answer_with = replace(SENT, step=Step.INSPECTION)
        answer_through(path, b"probe")
        order.append("probe")

    path = tmp_path / "store.sock"
    with serve(StoreService(desk.answer, ServiceStatus(), Departures(wait=wait)), path):
        first = threading.Thread(target=answer_through, args=(path, b"x"))
        first.start()
        assert waiting.wait(20)
        second = threading.Thread(target=ask_another)
        second.start()
        assert ask_status(path) is not None  # the rest of the service goes on
        assert desk.bodies == [b"x"]
        go_on.set()
        first.join()
        second.join()
    assert order == ["contribution", "probe"]


def test_a_store_that_stops_holds_nobody_up_and_sends_nothing_early(tmp_path: Path, desk: Desk) -> None:
    path, seen = tmp_path / "store.sock", []
    times = iter([0.0, 33.0])  # so that it has 31 seconds to wait
    desk_answered = threading.Event()

    def answer(body: bytes) -> RoundAnswer:
        given = desk.answer(body)
        desk_answered.set()
        return given

    def ask() -> None:
        try:
            seen.append(answer_through(path, b"x"))
        except grpc.RpcError as error:
            seen.append(error.code())

    service = StoreService(answer, ServiceStatus(), Departures(clock=lambda: next(times)))
    with serve(service, path):
        thread = threading.Thread(target=ask)
        thread.start()
        assert desk_answered.wait(20)
    thread.join(timeout=20)
    assert not thread.is_alive()
    assert seen in ([grpc.StatusCode.UNAVAILABLE], [grpc.StatusCode.CANCELLED])


def test_without_a_service_there_is_no_status(tmp_path: Path) -> None:
    assert ask_status(tmp_path / "none.sock") is None


def test_another_format_version_is_refused(socket: Path, desk: Desk) -> None:
    with grpc.insecure_channel(f"unix:{socket}") as channel, pytest.raises(grpc.RpcError) as caught:
        StoreStub(channel).Answer(AnswerRequest(format_version=2, message=b"x"), timeout=5)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert desk.bodies == []


def test_a_failure_in_the_store_reaches_the_shim_without_a_word(socket: Path, desk: Desk) -> None:
    desk.fail = True
    with pytest.raises(grpc.RpcError) as caught:
        answer_through(socket, b"x")
    assert "plum" not in str(caught.value)


def _message(content: RecordDict) -> Message:
    message = Message(content, dst_node_id=7, message_type="query")
    message.metadata.__dict__.update(_run_id=1, _src_node_id=1, _message_id="m")
    return message


def _context() -> Context:
    return Context(run_id=1, node_id=7, node_config={}, state=RecordDict(), run_config={})


def _through_the_app(content: RecordDict) -> bytes:
    reply = app(_message(content), _context())
    assert not reply.has_error()
    return bytes(reply.content["highstreet"]["body"])


def test_the_clientapp_carries_a_message_to_the_service_and_back(
    socket: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SOCKET_VARIABLE, str(socket))
    content = RecordDict({"highstreet": ConfigRecord({"body": b"opaque"})})
    assert _through_the_app(content) == desk.answer_with.body
    assert desk.bodies == [b"opaque"]


@pytest.mark.parametrize(
    "content",
    [
        RecordDict(),
        RecordDict({"highstreet": ConfigRecord({})}),
        RecordDict({"other": ConfigRecord({"body": b"x"})}),
    ],
)
def test_a_message_of_another_form_gets_unavailable_and_no_text(
    content: RecordDict, socket: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SOCKET_VARIABLE, str(socket))
    assert _through_the_app(content) == unavailable()
    assert desk.bodies == []


def test_without_a_service_the_clientapp_says_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SOCKET_VARIABLE, raising=False)
    answer = _through_the_app(RecordDict({"highstreet": ConfigRecord({"body": b"x"})}))
    reply = RoundReply.FromString(SignedReply.FromString(answer).reply)
    assert reply.refusal == REFUSAL_UNAVAILABLE
    assert SignedReply.FromString(answer).signature == b""
