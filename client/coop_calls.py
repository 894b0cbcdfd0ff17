"""Calls to the co-op service: one channel to one coordinator, its refusals told in sentences."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

import grpc

from highstreet.audit.signing import SignatureKind, SignedDocument
from highstreet.client.errors import CoopRefusedError, CoopUnreachableError, NotAMemberError
from highstreet.protos import coop_pb2, coop_pb2_grpc

__all__ = ["FORMAT_VERSION", "CoopCaller", "document_from_wire"]

FORMAT_VERSION = 2
_MESSAGE_LIMIT_BYTES = 4 << 20
_TIMEOUT_SECONDS = 30.0
_Reply = TypeVar("_Reply")

_ASK = "Ask the coordinator for a new code."
_SENTENCES: dict[str, tuple[str, str]] = {
    "COOP_REFUSAL_VERSION": (
        "The coordinator speaks another version of the protocol.",
        "Update Highstreet on both sides to the same version.",
    ),
    "COOP_REFUSAL_UNREADABLE": (
        "The coordinator could not read the request.",
        "Update Highstreet on both sides to the same version.",
    ),
    "COOP_REFUSAL_POSSESSION": (
        "The coordinator did not believe that this store holds its keys.",
        "Update Highstreet on both sides to the same version.",
    ),
    "COOP_REFUSAL_INVITE": ("The coordinator does not know this invitation, or not any more.", _ASK),
    "COOP_REFUSAL_INVITE_USED": ("This invitation was used by another store already.", _ASK),
    "COOP_REFUSAL_INVITE_EXPIRED": ("This invitation has expired.", _ASK),
    "COOP_REFUSAL_TOO_MANY": (
        "The coordinator was asked too often in a short time.",
        "Wait a minute and try again.",
    ),
    "COOP_REFUSAL_ALREADY_MEMBER": (
        "The keys of this store are, or were, a member's.",
        "Join with the code that was used first, or `highstreet store leave` and join with new keys.",
    ),
    "COOP_REFUSAL_NOT_A_MEMBER": (
        "The co-op does not count this store as a member any more.",
        "Ask the coordinator; to come back, `highstreet store leave` and join with a new code.",
    ),
    "COOP_REFUSAL_NO_RELEASE": ("The coordinator has no release of that number.", "Try again later."),
    "COOP_REFUSAL_UNAVAILABLE": (
        "The coordinator cannot do it at the moment.",
        "Try again in a minute; the same code stays good for this store.",
    ),
    "COOP_REFUSAL_CHARTER": ("The charter was changed while it was being read.", "Try again."),
    "COOP_REFUSAL_NO_SUCH_MEMBER": (
        "The other shop is not a member any more.",
        "See who is: `highstreet store members`.",
    ),
    "COOP_REFUSAL_VOUCH": (
        "The coordinator knows this shop, or the other, under other keys than this store does.",
        "Ask the coordinator, and the other shop: `highstreet store members` shows the keys' state.",
    ),
    "COOP_REFUSAL_LOG_RANGE": (
        "The coordinator's log is smaller than it was.",
        "Keep this store's folder `coop/witness` and show it to the other members.",
    ),
    "COOP_REFUSAL_WITNESS": (
        "The coordinator, as a witness, saw another history of this store's log.",
        "Was the folder put back from a backup? Then say `highstreet store restored`. Else "
        "`highstreet audit verify` on the folder `coop/log` shows what does not fit.",
    ),
}


class CoopCaller:
    """A secure channel to the coordinator, as a context manager.

    Args:
        address: host:port; the server's certificate must be for that host.
        ca_pem: the only authority that is trusted.
        client: the store's key and certificate (PEM), for the member port; None on the join port.
        allow: asked before every call; raises where none may be made. None: every call may.
    """

    def __init__(
        self,
        address: str,
        ca_pem: bytes,
        client: tuple[bytes, bytes] | None = None,
        *,
        allow: Callable[[], None] | None = None,
    ) -> None:
        key, certificate = client or (None, None)
        credentials = grpc.ssl_channel_credentials(ca_pem, key, certificate)
        limits = [
            ("grpc.max_receive_message_length", _MESSAGE_LIMIT_BYTES),
            ("grpc.max_send_message_length", _MESSAGE_LIMIT_BYTES),
            ("grpc.enable_http_proxy", 0),
        ]
        self._address = address
        self._allow = allow or (lambda: None)
        self._channel = grpc.secure_channel(address, credentials, options=limits)
        self.stub = coop_pb2_grpc.CoopStub(self._channel)  # type: ignore[no-untyped-call]  # generated

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.close()

    def call(self, ask: Callable[[coop_pb2_grpc.CoopStub, float], _Reply]) -> _Reply:
        """Do one call, or read one whole stream, and tell a refusal in words; `ask` gets stub and timeout.

        Raises:
            CoopRefusedError: the coordinator said no, and why.
            CoopUnreachableError: no secure connection, or no answer in time.
            HighstreetError: no call may be made.
        """
        self._allow()
        try:
            return ask(self.stub, _TIMEOUT_SECONDS)
        except grpc.RpcError as error:
            raise _told(error, self._address) from error

    def agree_on_version(self) -> coop_pb2.HelloReply:
        """Say hello and return the answer, once both sides speak a common version.

        Raises:
            CoopRefusedError: they do not.
        """
        request = coop_pb2.HelloRequest(format_versions=[FORMAT_VERSION])
        reply: coop_pb2.HelloReply = self.call(lambda stub, timeout: stub.Hello(request, timeout=timeout))
        if reply.format_version != FORMAT_VERSION:
            raise _refused("COOP_REFUSAL_VERSION")
        return reply


def document_from_wire(message: coop_pb2.SignedDocument) -> SignedDocument:
    """Return a signed document as it came; its signature is for the caller to check.

    Raises:
        CoopRefusedError: a kind this software does not know.
    """
    try:
        kind = SignatureKind(message.kind)
    except ValueError as error:
        raise _refused("COOP_REFUSAL_VERSION") from error
    return SignedDocument(kind=kind, document=message.document, signature=message.signature)


def _told(error: grpc.RpcError, address: str) -> CoopRefusedError | CoopUnreachableError:
    details = str(getattr(error, "details", str)())
    if details in _SENTENCES:
        return _refused(details)
    return CoopUnreachableError(
        f"No secure connection with the coordinator at {address} came about, or it did not answer.",
        next_step="Check this computer's network and date, and with the coordinator that their service runs.",
    )


def _refused(name: str) -> CoopRefusedError:
    what, next_step = _SENTENCES[name]
    kind = NotAMemberError if name == "COOP_REFUSAL_NOT_A_MEMBER" else CoopRefusedError
    return kind(what, next_step=next_step)
