"""What runs messages on a store's node: our installed ClientApp, and nothing a coordinator sends.

Flower's node, in process isolation, starts no app itself. It lets a process that knows a shared secret
claim each message and answer it. Flower's own such process starts a fresh Python that unpacks and imports
the app bundle the coordinator shipped. This one takes its place: it lives as long as the node, gives every
message to `highstreet.client.app`, and drops the bundle unread. So no code from outside runs in a shop, and
a message costs milliseconds instead of the import of an application.

The functions of `flwr.supernode` and `flwr.supercore` used here are not public; the version is pinned for
it and a test that ships a hostile bundle holds it.
"""

from __future__ import annotations

import argparse
import logging
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path

from flwr.app import Context, Message
from flwr.common.serde import context_from_proto
from flwr.proto.message_pb2 import ObjectTree
from flwr.proto.node_pb2 import Node
from flwr.proto.runtime_pb2 import (
    ClaimTaskRequest,
    PullAppMessagesRequest,
    PullPendingTasksRequest,
    PullTaskInputRequest,
)
from flwr.supercore.constant import TaskType
from flwr.supercore.heartbeat import HeartbeatSender, make_task_heartbeat_fn_http
from flwr.supercore.inflatable.inflatable_object import iterate_object_tree
from flwr.supercore.inflatable.inflatable_protobuf_utils import (
    make_confirm_message_received_fn_protobuf,
    make_pull_object_fn_protobuf,
)
from flwr.supercore.inflatable.inflatable_utils import (
    ObjectPullError,
    pull_and_inflate_object_from_tree,
)
from flwr.supercore.interceptors import (
    RuntimeTokenHttpInterceptor,
    RuntimeVersionHttpInterceptor,
    SuperExecAuthHttpInterceptor,
)
from flwr.supercore.interceptors.superexec_auth_interceptor import RUNTIME_SUPEREXEC_METHODS
from flwr.supercore.protobuf.client import ProtobufClientInterceptor
from flwr.supercore.retry import make_simple_http_retry_invoker
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supernode.runtime.run_clientapp import push_message, push_task_output

from highstreet.audit.requests import MESSAGE_LIMIT_BYTES
from highstreet.client.app import answer_with, app, unavailable

__all__ = ["Slots", "answer_task", "main", "refuse_large_tree", "run", "within_size"]

_POLL_SECONDS = 0.5
_MOMENT_SECONDS = 0.1
_MESSAGE_SECONDS = 30.0
_AT_ONCE = 2
_OBJECTS = 8
_ENVELOPE_BYTES = 64 << 10
_LOG = logging.getLogger("highstreet.shim")


def run(*, runtime_address: str, secret: bytes) -> None:
    """Answer the node's messages one after the other until the process is ended."""
    node = _client(
        runtime_address,
        RuntimeVersionHttpInterceptor(component_name="SuperExec"),
        SuperExecAuthHttpInterceptor(master_secret=secret, protected_methods=RUNTIME_SUPEREXEC_METHODS),
    )
    slots = Slots(_AT_ONCE)
    while True:
        for task in node.PullPendingTasks(PullPendingTasksRequest()).tasks:
            if task.type != TaskType.CLIENT_APP:
                _LOG.warning("a task of kind %.32r is refused", task.type)
                continue
            if not slots.take():
                break  # it stays with the node, unclaimed, until one is free
            token = node.ClaimTask(ClaimTaskRequest(task_id=task.task_id)).token
            if not token:
                slots.give_back()
            else:
                # In a thread: a message whose run was stopped half way never comes; it holds up no other.
                slots.start(partial(answer_task, runtime_address, token))
        time.sleep(_POLL_SECONDS)


class Slots:
    """At most so many messages at once, each in a thread; who finds none free asks again later."""

    def __init__(self, count: int) -> None:
        self._free = threading.BoundedSemaphore(count)

    def take(self) -> bool:
        """Reserve one for `start`, or for `give_back`; False when all are in use."""
        return self._free.acquire(blocking=False)

    def give_back(self) -> None:
        """Free one that was reserved and is not needed."""
        self._free.release()

    def start(self, work: Callable[[], None]) -> None:
        """Do the work in the slot reserved, and free it however that ends."""
        threading.Thread(target=self._do, args=(work,), daemon=True).start()

    def _do(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - the node itself reports a message that stays unanswered
            _LOG.warning("a message was not answered: %s", type(error).__name__)
        finally:
            self._free.release()


def answer_task(runtime_address: str, token: str) -> None:
    """Take one claimed message, let our ClientApp answer it, hand the answer to the node."""
    client = _client(
        runtime_address,
        RuntimeVersionHttpInterceptor(component_name="flwr-clientapp"),
        RuntimeTokenHttpInterceptor(token),
    )
    heartbeat = HeartbeatSender(make_task_heartbeat_fn_http(client))
    heartbeat.start()
    try:
        context, tree = _take(client)
        message = _message(client, context, tree)
        push_message(client, _reply(message, context), context)
        push_task_output(client, context, "completed", "")
    finally:
        heartbeat.stop()
        client.close()


def _reply(message: Message, context: Context) -> Message:
    """Let our ClientApp answer; a message of a kind it does not know gets the same answer as any failure."""
    try:
        return app(message, context)
    except Exception as error:  # noqa: BLE001 - the program's top: no error text may travel
        _LOG.warning("a message was not understood: %s", type(error).__name__)
        return answer_with(message, unavailable())


def _take(client: RuntimeHttpClient) -> tuple[Context, ObjectTree]:
    """Return the run's context and the tree of the message; the bundle that comes along is dropped unread."""
    context = context_from_proto(client.PullTaskInput(PullTaskInputRequest()).context)
    end = time.monotonic() + _MESSAGE_SECONDS
    # The node announces a task before it has stored the message: ask again until it is there.
    while time.monotonic() < end:
        time.sleep(_MOMENT_SECONDS)
        trees = client.PullMessages(PullAppMessagesRequest()).message_object_trees
        if trees:
            return context, trees[0]
    raise TimeoutError("the node announced a message and did not give it")


def _message(client: RuntimeHttpClient, context: Context, tree: ObjectTree) -> Message:
    refuse_large_tree(tree)
    node = Node(node_id=context.node_id)
    message = pull_and_inflate_object_from_tree(
        tree,
        within_size(make_pull_object_fn_protobuf(client.PullObject, node, context.run_id)),
        make_confirm_message_received_fn_protobuf(client.ConfirmMessageReceived, node, context.run_id),
        return_type=Message,
        max_time=_MESSAGE_SECONDS,
        initial_backoff=_MOMENT_SECONDS,
        backoff_cap=1.0,
    )
    message.metadata.__dict__["_message_id"] = tree.object_id
    return message


def refuse_large_tree(tree: ObjectTree, *, limit: int = _OBJECTS) -> None:
    """Return when a message is of no more objects than one of ours: message, records, one record.

    Raises:
        ObjectPullError: it is of more; none of them was pulled.
    """
    if sum(1 for _ in islice(iterate_object_tree(tree), limit + 1)) > limit:
        raise ObjectPullError(tree.object_id, "the message is of too many objects")


def within_size(
    pull: Callable[[str], bytes], *, limit_bytes: int = MESSAGE_LIMIT_BYTES + _ENVELOPE_BYTES
) -> Callable[[str], bytes]:
    """Return the same pulling function, which ends once all it gave is larger than a message may be.

    Raises:
        ObjectPullError: (when pulling) it is; so nothing of it is inflated.
    """
    lock, taken = threading.Lock(), 0

    def pull_within(object_id: str) -> bytes:
        nonlocal taken
        if taken > limit_bytes:
            raise ObjectPullError(object_id, "the message is too large")
        content = pull(object_id)
        with lock:
            taken += len(content)
            if taken > limit_bytes:
                raise ObjectPullError(object_id, "the message is too large")
        return content

    return pull_within


def _client(address: str, *interceptors: ProtobufClientInterceptor) -> RuntimeHttpClient:
    return RuntimeHttpClient.from_server_address(
        server_address=address,
        insecure=True,
        root_certificates=None,
        interceptors=list(interceptors),
        retry_invoker=make_simple_http_retry_invoker(),
    )


def main() -> None:
    """Run as the child process of `highstreet store run`."""
    parser = argparse.ArgumentParser(
        description="Answer a Flower node's messages with the installed ClientApp."
    )
    parser.add_argument("--runtime-address", required=True)
    parser.add_argument("--secret-file", required=True, type=Path)
    arguments = parser.parse_args()
    # Flower's client interrupts its own process when one message is over; ours goes on with the next.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    run(runtime_address=arguments.runtime_address, secret=arguments.secret_file.read_bytes())


if __name__ == "__main__":
    main()
