"""A store's line: its service behind its socket, held where it waits, killed or hung up on there."""

from __future__ import annotations

import queue
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import grpc

from highstreet.client.departures import Departures
from highstreet.client.round_answers import RoundAnswer
from highstreet.client.service import ServiceStatus, StoreService, serve
from highstreet.protos.store_pb2 import AnswerReply, AnswerRequest
from highstreet.protos.store_pb2_grpc import StoreStub

__all__ = ["KilledError", "StoreLine"]

_PAUSED, _OVER = "paused", "over"


class KilledError(BaseException):
    """The process ends here."""


class StoreLine:
    """What carries a message to the store service and its answer back, as the shim does; one at a time.

    The service's thread stops wherever it waits for a departure, and wherever `pause` is called in it. The
    caller then does what happens meanwhile, and lets it go on: nothing is left to who is faster. No step here
    has a time limit.
    """

    def __init__(self) -> None:
        self.departures = Departures(clock=lambda: 0.0, wait=lambda _: self.pause())
        self.is_killed = False
        self._said: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._go_on: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._stack = ExitStack()
        self._call: grpc.Future | None = None

    def open(self, answer: Callable[[bytes], RoundAnswer], socket: Path) -> None:
        """Serve; `answer` is what the service passes messages to."""

        def answer_or_die(body: bytes) -> RoundAnswer:
            try:
                return answer(body)
            except KilledError:
                self.is_killed = True
                raise ConnectionAbortedError from None

        service = _Service(answer_or_die, ServiceStatus(), self.departures)
        service.over = lambda: self._said.put(_OVER)
        self._stack.enter_context(serve(service, socket))
        channel = self._stack.enter_context(grpc.insecure_channel(f"unix:{socket}"))
        self._stub = StoreStub(channel)

    def close(self) -> None:
        """End the service; nothing may be under way."""
        self._stack.close()

    def ask(self, body: bytes) -> bool:
        """Bring a message; whether the service stopped on the way (or else has answered)."""
        self._call = self._stub.Answer.future(
            AnswerRequest(format_version=1, message=body), wait_for_ready=True
        )
        return self._said.get() == _PAUSED

    def go_on(self) -> bool:
        """Let the service go on; whether it stopped again."""
        self._go_on.put(True)
        return self._said.get() == _PAUSED

    def kill(self) -> None:
        """Kill the service where it stopped."""
        self._go_on.put(False)
        while self._said.get() == _PAUSED:
            self._go_on.put(True)

    def hang_up(self) -> None:
        """Break the line while the service works: whatever it answers has nowhere to go."""
        assert self._call is not None
        self._call.cancel()

    def answer(self) -> bytes | None:
        """Return what came back, once the service is done; None where nothing did."""
        assert self._call is not None
        if self._call.cancelled():
            return None
        try:
            return bytes(self._call.result().answer)
        except grpc.RpcError:
            return None

    def pause(self) -> None:
        """Stop here, in the service's thread, until the caller lets it go on.

        Raises:
            KilledError: it does not.
        """
        if self.is_killed:
            return
        self._said.put(_PAUSED)
        if not self._go_on.get():
            self.is_killed = True
            raise KilledError


class _Service(StoreService):
    """Says when an answer is over, whatever became of it."""

    over: Callable[[], None]

    def Answer(self, request: AnswerRequest, context: grpc.ServicerContext) -> AnswerReply:  # noqa: N802
        try:
            return super().Answer(request, context)
        finally:
            self.over()
