"""The store's Flower ClientApp: it carries a message to the store service and the sealed answer back.

It holds no data, no key and no decision. Whatever goes wrong becomes an unsigned "unavailable" without any
text, so that nothing but codes from a closed list can leave this way.
"""

from __future__ import annotations

import os
from pathlib import Path

import grpc
from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

from highstreet.protos.rounds_pb2 import REFUSAL_UNAVAILABLE, RefusalCode, RoundReply, SignedReply
from highstreet.protos.store_pb2 import AnswerRequest
from highstreet.protos.store_pb2_grpc import StoreStub

__all__ = ["BODY_LIMIT_BYTES", "SOCKET_VARIABLE", "answer_through", "answer_with", "app", "unavailable"]

SOCKET_VARIABLE = "HIGHSTREET_STORE_SOCKET"
BODY_LIMIT_BYTES = 64 << 20
_RECORD = "highstreet"
_BODY = "body"
_ANSWER_SECONDS = 3600.0
_CONNECT_SECONDS = 10.0

app = ClientApp()


@app.query()
def query(message: Message, context: Context) -> Message:
    """Answer one round message; the context (run configuration included) is not read."""
    del context
    try:
        body = message.content[_RECORD][_BODY]
        answer = answer_through(Path(os.environ[SOCKET_VARIABLE]), body if isinstance(body, bytes) else b"")
    except Exception:  # noqa: BLE001 - the program's top: no error text may travel
        answer = unavailable()
    return answer_with(message, answer)


def answer_with(message: Message, body: bytes) -> Message:
    """Return the reply to a message with this body."""
    return Message(RecordDict({_RECORD: ConfigRecord({_BODY: body})}), reply_to=message)


def answer_through(socket: Path, body: bytes) -> bytes:
    """Return the store service's answer to a round message.

    Raises:
        grpc.RpcError: the service does not answer.
    """
    if len(body) > BODY_LIMIT_BYTES:
        return unavailable()
    options = [
        ("grpc.max_send_message_length", BODY_LIMIT_BYTES + 4096),
        ("grpc.max_receive_message_length", BODY_LIMIT_BYTES + 4096),
    ]
    with grpc.insecure_channel(f"unix:{socket}", options=options) as channel:
        grpc.channel_ready_future(channel).result(timeout=_CONNECT_SECONDS)
        request = AnswerRequest(format_version=1, message=body)
        stub = StoreStub(channel)  # type: ignore[no-untyped-call]  # generated
        return bytes(stub.Answer(request, timeout=_ANSWER_SECONDS).answer)


def unavailable(code: RefusalCode = REFUSAL_UNAVAILABLE) -> bytes:
    """Return an unsigned refusal: the coordinator learns only that this node has no answer now."""
    reply = RoundReply(format_version=1, refusal=code)
    return SignedReply(reply=reply.SerializeToString(), signature=b"").SerializeToString()
