"""How a call to the co-op service ends early: with a refusal's name, and nothing else, whatever went wrong.

gRPC for Python sends the text of an exception that a service did not catch to whoever called. That text can
hold paths, values and the state of the coordinator's database. So no exception passes here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import grpc
import structlog

from highstreet.protos import coop_pb2

__all__ = ["QuietFailures", "refusal_name", "refuse"]

_log = structlog.get_logger(__name__)

_STATUS: dict[int, grpc.StatusCode] = {
    coop_pb2.COOP_REFUSAL_VERSION: grpc.StatusCode.FAILED_PRECONDITION,
    coop_pb2.COOP_REFUSAL_UNREADABLE: grpc.StatusCode.INVALID_ARGUMENT,
    coop_pb2.COOP_REFUSAL_POSSESSION: grpc.StatusCode.INVALID_ARGUMENT,
    coop_pb2.COOP_REFUSAL_INVITE: grpc.StatusCode.PERMISSION_DENIED,
    coop_pb2.COOP_REFUSAL_INVITE_USED: grpc.StatusCode.PERMISSION_DENIED,
    coop_pb2.COOP_REFUSAL_INVITE_EXPIRED: grpc.StatusCode.PERMISSION_DENIED,
    coop_pb2.COOP_REFUSAL_TOO_MANY: grpc.StatusCode.RESOURCE_EXHAUSTED,
    coop_pb2.COOP_REFUSAL_ALREADY_MEMBER: grpc.StatusCode.ALREADY_EXISTS,
    coop_pb2.COOP_REFUSAL_NOT_A_MEMBER: grpc.StatusCode.PERMISSION_DENIED,
    coop_pb2.COOP_REFUSAL_NO_RELEASE: grpc.StatusCode.NOT_FOUND,
    coop_pb2.COOP_REFUSAL_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    coop_pb2.COOP_REFUSAL_CHARTER: grpc.StatusCode.FAILED_PRECONDITION,
    coop_pb2.COOP_REFUSAL_NO_SUCH_MEMBER: grpc.StatusCode.NOT_FOUND,
    coop_pb2.COOP_REFUSAL_VOUCH: grpc.StatusCode.INVALID_ARGUMENT,
    coop_pb2.COOP_REFUSAL_LOG_RANGE: grpc.StatusCode.OUT_OF_RANGE,
    coop_pb2.COOP_REFUSAL_WITNESS: grpc.StatusCode.FAILED_PRECONDITION,
}


class _RefusedError(Exception):
    """A call that was ended with its refusal already."""


class QuietFailures(grpc.ServerInterceptor):  # type: ignore[type-arg]  # generic in its stubs only
    """Ends a call that fails in an unforeseen way as `unavailable`; the kind of failure is logged by name."""

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler[Any, Any] | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Return the handler of a call, wrapped."""
        handler = continuation(handler_call_details)
        if handler is None:
            return None
        kept = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        if handler.unary_stream is not None:
            return grpc.unary_stream_rpc_method_handler(_quiet_stream(handler.unary_stream), **kept)
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(_quiet(handler.unary_unary), **kept)
        return None  # the contract has no call of another kind


def refusal_name(refusal: int) -> str:
    """Return the contract's name of a refusal."""
    return str(coop_pb2.CoopRefusal.DESCRIPTOR.values_by_number[refusal].name)


def refuse(context: grpc.ServicerContext, refusal: int) -> NoReturn:
    """End the call with the refusal's name and nothing else."""
    _end(context, _STATUS[refusal], refusal_name(refusal))


def _end(context: grpc.ServicerContext, status: grpc.StatusCode, details: str) -> NoReturn:
    try:
        context.abort(status, details)
    except Exception as ended:
        raise _RefusedError from ended
    raise _RefusedError  # unreachable: abort raises


def _quiet(call: Callable[[Any, grpc.ServicerContext], Any]) -> Callable[[Any, grpc.ServicerContext], Any]:
    def answer(request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return call(request, context)
        except _RefusedError:
            raise
        except Exception as error:  # noqa: BLE001 - a program's top
            _fail(context, error)

    return answer


def _quiet_stream(
    call: Callable[[Any, grpc.ServicerContext], Iterator[Any]],
) -> Callable[[Any, grpc.ServicerContext], Iterator[Any]]:
    def answer(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        try:
            yield from call(request, context)
        except _RefusedError:
            raise
        except Exception as error:  # noqa: BLE001 - a program's top
            _fail(context, error)

    return answer


def _fail(context: grpc.ServicerContext, error: Exception) -> NoReturn:
    if isinstance(error, NotImplementedError):  # a call that this port does not serve
        _end(context, grpc.StatusCode.UNIMPLEMENTED, "")
    _log.error("a call failed", reason=type(error).__name__)
    refuse(context, coop_pb2.COOP_REFUSAL_UNAVAILABLE)
