"""The store service: answers the shim over a Unix socket that only this shop's user can reach."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from highstreet import __version__
from highstreet.client.departures import Departures
from highstreet.client.errors import StoreHomeError
from highstreet.client.round_answers import RoundAnswer, Step
from highstreet.files import make_private_folder
from highstreet.protos.store_pb2 import AnswerReply, AnswerRequest, StatusReply, StatusRequest
from highstreet.protos.store_pb2_grpc import StoreServicer, StoreStub, add_StoreServicer_to_server

__all__ = ["ServiceStatus", "StoreService", "ask_status", "serve"]

_BODY_LIMIT_BYTES = 64 << 20
#: Steps whose computing takes longer the more customers there are.
_OF_CUSTOMERS = frozenset({Step.CONTRIBUTION, Step.BLINDED_LIST, Step.TABLE, Step.COUNTS})
_FORMAT_VERSION = 1
_SOCKET_PATH_LIMIT = 100
_LOG = logging.getLogger("highstreet.service")


@dataclass(slots=True)
class ServiceStatus:
    """What `highstreet store status` shows; counts of rounds only, nothing from data.

    Attributes:
        member_id, coop_id: who this is, and in which co-op.
        active_release: in use; 0 for none.
        release_trouble: why a newer one is not, or none can be asked for, and what helps; empty otherwise.
        retention_trouble: why something that is kept no longer is still there; empty otherwise.
        rounds_answered: contributions sent, a repeated one again.
        rounds_refused: messages refused, whatever they asked for.
        last_round: the round of the last message.
        started_at: unix seconds.
    """

    member_id: str = ""
    coop_id: str = ""
    active_release: int = 0
    release_trouble: str = ""
    retention_trouble: str = ""
    rounds_answered: int = 0
    rounds_refused: int = 0
    last_round: str = ""
    started_at: float = field(default_factory=time.time)


class StoreService(StoreServicer):
    """Passes one message at a time to the round desk.

    What is computed from customers, or whatever became of it, leaves at a public time after it was begun
    (`departures`): a contribution, and a matching's blinded list, table and word on counts. Until then
    no other message is looked at either: when that is answered would tell the same. What else the store does
    goes on. One that is dropped because the store stops is asked for again.

    Args:
        answer: the round desk: round message in, signed answer out; it never raises for reasons of data.
        status: shared with the rest of the store process.
        departures: when answers leave; shared with what looks at them once more before.
    """

    def __init__(
        self,
        answer: Callable[[bytes], RoundAnswer],
        status: ServiceStatus,
        departures: Departures | None = None,
    ) -> None:
        self._answer = answer
        self._status = status
        self._one_at_a_time = threading.Lock()
        self._departures = departures or Departures()

    def Answer(  # noqa: N802 - the name in store.proto
        self, request: AnswerRequest, context: grpc.ServicerContext
    ) -> AnswerReply:
        """Answer one round message; a failure of our own is UNAVAILABLE to the shim, without text."""
        if request.format_version != _FORMAT_VERSION:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "format version")
        with self._one_at_a_time:
            given = None
            self._departures.begin()
            try:
                given = self._answer(request.message)
            except Exception as error:  # noqa: BLE001 - the program's top
                # The kind only: a message or a traceback could quote data.
                _LOG.error("a round message could not be answered: %s", type(error).__name__)
            if given is None or given.step in _OF_CUSTOMERS:
                self._departures.leave()
            if given is None or self._departures.is_stopping:
                context.abort(grpc.StatusCode.UNAVAILABLE, "unavailable")
            self._count(given)
        return AnswerReply(format_version=_FORMAT_VERSION, answer=given.body)

    def Status(  # noqa: N802 - the name in store.proto
        self, request: StatusRequest, context: grpc.ServicerContext
    ) -> StatusReply:
        """Say how the service is doing."""
        status = self._status
        return StatusReply(
            format_version=_FORMAT_VERSION,
            version=__version__,
            member_id=status.member_id,
            coop_id=status.coop_id,
            rounds_answered=status.rounds_answered,
            rounds_refused=status.rounds_refused,
            last_round=status.last_round,
            active_release=status.active_release,
            release_trouble=status.release_trouble,
            retention_trouble=status.retention_trouble,
            started_unix_seconds=int(status.started_at),
        )

    def stop(self) -> None:
        """Let go of what waits for its departure: it is not sent, and will be asked for again."""
        self._departures.stop()

    def _count(self, given: RoundAnswer) -> None:
        if given.is_refused:
            self._status.rounds_refused += 1
        elif given.step is Step.CONTRIBUTION:
            self._status.rounds_answered += 1
        self._status.last_round = f"{given.programme_id}/{given.round}"


@contextmanager
def serve(service: StoreService, socket: Path) -> Iterator[None]:
    """Serve on a Unix socket of mode 0600 in a folder of mode 0700 while the block runs.

    Raises:
        StoreHomeError: the socket cannot be made there.
    """
    make_private_folder(socket.parent)
    if len(os.fsencode(socket)) > _SOCKET_PATH_LIMIT:
        raise StoreHomeError(
            f"The path {socket} is too long for a socket ({_SOCKET_PATH_LIMIT} bytes at most).",
            next_step="Choose a --home with a shorter path.",
        )
    socket.unlink(missing_ok=True)
    limit = _BODY_LIMIT_BYTES + 4096
    server = grpc.server(
        ThreadPoolExecutor(max_workers=4, thread_name_prefix="store"),
        options=[("grpc.max_receive_message_length", limit), ("grpc.max_send_message_length", limit)],
        maximum_concurrent_rpcs=16,
    )
    add_StoreServicer_to_server(service, server)  # type: ignore[no-untyped-call]  # generated
    try:
        server.add_insecure_port(f"unix:{socket}")
        socket.chmod(0o600)
    except (RuntimeError, OSError) as error:
        raise StoreHomeError(
            f"The socket {socket} cannot be made.", next_step="Choose another --home on a local disk."
        ) from error
    server.start()
    try:
        yield
    finally:
        service.stop()
        server.stop(grace=2).wait()
        socket.unlink(missing_ok=True)


def ask_status(socket: Path, *, timeout_seconds: float = 2.0) -> StatusReply | None:
    """Return what a running service says of itself; None when none runs."""
    if not socket.exists():
        return None
    with grpc.insecure_channel(f"unix:{socket}") as channel:
        try:
            stub = StoreStub(channel)  # type: ignore[no-untyped-call]  # generated
            status: StatusReply = stub.Status(
                StatusRequest(format_version=_FORMAT_VERSION), timeout=timeout_seconds
            )
            return status
        except grpc.RpcError:
            return None
