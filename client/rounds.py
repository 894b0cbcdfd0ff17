"""The store's desk for round messages: a contribution once, and a seat on the committee that opens the sum.

Every reason to refuse is looked for before anything is spent, computed or agreed to (`round_terms`). A
refusal is a code from a closed list and depends on the request and on the ledger, never on a customer's
purchases.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from highstreet.audit.requests import FORMAT_VERSION, MESSAGE_LIMIT_BYTES, request_sha256, seal_reply
from highstreet.client.errors import RoundRefusedError
from highstreet.client.round_answers import RoundAnswer, Step
from highstreet.client.round_terms import (
    Agreement,
    AskedRound,
    examine_contribution,
    examine_sum,
    read_request,
    require,
)
from highstreet.client.sums import SumDesk, SumRecords
from highstreet.privacy.secure_sum import MemberKeys, contribute
from highstreet.protos.rounds_pb2 import (
    REFUSAL_DEADLINE,
    REFUSAL_UNAVAILABLE,
    REFUSAL_UNREADABLE,
    RefusalCode,
    RoundMessage,
    RoundReply,
    RoundRequest,
    SignedRequest,
)

__all__ = ["RoundDesk", "Till"]

_LOG = logging.getLogger("highstreet.rounds")


class Till(SumRecords, Protocol):
    """Where a round is paid for and computed: ledger, consent desk and training, in this order."""

    def take(self, asked: AskedRound, seal: Callable[[NDArray[np.int64]], bytes]) -> bytes:
        """Spend durably, compute the noised integers, share and seal them, keep and return the reply.

        Raises:
            RoundRefusedError: the budget does not allow it.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class _Received:
    """A message as far as it could be read.

    Attributes:
        step: what it asks for; None when that could not be read.
        signed: the request of the round.
        content: what came with it: the model state, or a request of the secure sum.
        request: once it is known to be the coordinator's.
    """

    step: Step | None = None
    signed: SignedRequest = field(default_factory=SignedRequest)
    content: bytes = b""
    request: RoundRequest | None = None

    @property
    def sha256(self) -> bytes:
        """The hash that names the request; empty when there is none."""
        return request_sha256(self.signed) if self.step is not None else b""


class RoundDesk:
    """Answers round messages with signed replies.

    Args:
        agreement: what was accepted.
        keys: the store's own, of the roster.
        till: pays for rounds and computes them, and keeps what was agreed to.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        agreement: Agreement,
        *,
        keys: MemberKeys,
        till: Till,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._agreement = agreement
        self._keys = keys
        self._till = till
        self._clock = clock
        self._sums = SumDesk(member_id=agreement.member_id, keys=keys, records=till)

    def answer(self, body: bytes) -> RoundAnswer:
        """Return the signed reply to a round message: the same one whenever the same message comes.

        Every failure is a refusal. Its reason is logged by name; no error text, and nothing computed from
        data, goes into the reply.
        """
        received = _Received()
        try:
            received = _parse(body)
            request = read_request(received.signed, self._agreement)
            received = replace(received, request=request)
            if received.step is Step.CONTRIBUTION:
                reply = self._contribution(request, received)
                return self._answer(received, reply)
            return self._sum_step(request, received)
        except RoundRefusedError as error:
            code = error.code
            _LOG.info("a round was refused: %s", error.what)
        except Exception as error:  # noqa: BLE001 - the program's top: an unknown failure is "not now"
            code = REFUSAL_UNAVAILABLE
            _LOG.error("a round could not be answered: %s", type(error).__name__)
        reply = self._seal(self._reply(received.request, received.sha256, refusal=code))
        return self._answer(received, reply, refusal=code)

    def _contribution(self, request: RoundRequest, received: _Received) -> bytes:
        sha256 = received.sha256
        given = self._till.given(request, sha256)
        if given is not None:
            return given
        settled = self._till.agreed_set(request, sha256) is not None
        require(not settled, REFUSAL_DEADLINE, "its set of contributors is settled, without this store")
        asked = examine_contribution(request, sha256, received.content, self._agreement, now=self._clock())
        reply = self._till.take(asked, lambda integers: self._shared_and_sealed(asked, integers))
        _LOG.info("round %s (%s) was contributed to", request.round, request.phase)
        return reply

    def _shared_and_sealed(self, asked: AskedRound, integers: NDArray[np.int64]) -> bytes:
        made = contribute(
            asked.context,
            integers,
            member_id=self._agreement.member_id,
            signing_key=self._keys.signing,
        )
        return self._seal(self._reply(asked.request, asked.sha256, contribution=made.body))

    def _sum_step(self, request: RoundRequest, received: _Received) -> RoundAnswer:
        context = examine_sum(request, received.sha256, self._agreement, now=self._clock())
        return self._sums.answer(received.step or Step.SUM_SHARE, received.content, request, context)

    def _reply(
        self,
        request: RoundRequest | None,
        sha256: bytes,
        *,
        contribution: bytes | None = None,
        refusal: RefusalCode | None = None,
    ) -> RoundReply:
        reply = RoundReply(
            format_version=FORMAT_VERSION,
            coop_id=self._agreement.charter.coop.id,
            request_sha256=sha256,
            member_id=self._agreement.member_id,
            contribution=contribution,
            refusal=refusal,
        )
        if request is not None:
            reply.programme_id, reply.round = request.programme_id, request.round
        return reply

    def _seal(self, reply: RoundReply) -> bytes:
        return seal_reply(reply, self._keys.signing)

    def _answer(self, received: _Received, body: bytes, *, refusal: RefusalCode | None = None) -> RoundAnswer:
        if received.request is None:
            return RoundAnswer(body=body, step=received.step, refusal=refusal)
        return RoundAnswer(
            body=body,
            step=received.step,
            programme_id=received.request.programme_id,
            round=received.request.round,
            phase=received.request.phase,
            refusal=refusal,
        )


def _parse(body: bytes) -> _Received:
    require(0 < len(body) <= MESSAGE_LIMIT_BYTES, REFUSAL_UNREADABLE, "its size is not one of a message")
    try:
        message = RoundMessage.FromString(body)
    except DecodeError as error:
        raise RoundRefusedError(REFUSAL_UNREADABLE, "it cannot be read") from error
    step = message.WhichOneof("step")
    if step == "contribute":
        asked = message.contribute
        return _Received(step=Step.CONTRIBUTION, signed=asked.request, content=asked.state)
    if step == "inspect":
        return _Received(
            step=Step.INSPECTION, signed=message.inspect.request, content=message.inspect.message
        )
    if step == "agree":
        return _Received(step=Step.AGREEMENT, signed=message.agree.request, content=message.agree.message)
    if step == "open":
        return _Received(step=Step.SUM_SHARE, signed=message.open.request, content=message.open.message)
    raise RoundRefusedError(REFUSAL_UNREADABLE, "it asks for nothing known here")
