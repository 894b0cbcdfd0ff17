"""The store's desk for round messages: a contribution once, and a seat on the committee that opens the sum.

Every reason to refuse is looked for before anything is spent, computed or agreed to (`round_terms`). A
refusal is a code from a closed list and depends on the request and on the ledger, never on a customer's
purchases.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from highstreet.audit.attestation import Attestation, AttestedUse, sign_attestation
from highstreet.audit.requests import MESSAGE_LIMIT_BYTES, attested_round, request_sha256
from highstreet.client.errors import RoundRefusedError
from highstreet.client.matching_desk import MatchingDesk
from highstreet.client.matching_records import MatchingBooks
from highstreet.client.round_answers import RoundAnswer, Step
from highstreet.client.round_replies import ReplySeal, attestation_of
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
    REFUSAL_RELEASE,
    REFUSAL_REPEATED,
    REFUSAL_UNAVAILABLE,
    REFUSAL_UNREADABLE,
    MatchStep,
    RefusalCode,
    RoundMessage,
    RoundRequest,
    SignedRequest,
)

__all__ = ["RoundDesk", "Till"]

_LOG = logging.getLogger("highstreet.rounds")
#: One set is announced for a round; now and then a coordinator that was started again announces another.
_SETS_LOOKED_THROUGH = 64


class Till(SumRecords, Protocol):
    """Where a round is paid for and computed: ledger, consent desk and training, in this order."""

    def take(self, asked: AskedRound, seal: Callable[[NDArray[np.int64], AttestedUse], bytes]) -> bytes:
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
        match: a step of a matching instead, None when it is none.
        request: once it is known to be the coordinator's.
    """

    step: Step | None = None
    signed: SignedRequest = field(default_factory=SignedRequest)
    content: bytes = b""
    match: MatchStep | None = None
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
        books: what is kept of matchings; None where the charter matches nobody.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        agreement: Agreement,
        *,
        keys: MemberKeys,
        till: Till,
        books: MatchingBooks | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._agreement = agreement
        self._keys = keys
        self._till = till
        self._clock = clock
        self._looked_through: dict[tuple[str, int], set[bytes]] = {}
        self._seal = ReplySeal(coop_id=agreement.charter.coop.id, member_id=agreement.member_id, keys=keys)
        self._matching = (
            None
            if books is None
            else MatchingDesk(agreement, seal=self._seal, books=books, sums=till, clock=clock)
        )

    def answer(self, body: bytes) -> RoundAnswer:
        """Return the signed reply to a round message: the same one whenever the same message comes.

        Every failure is a refusal. Its reason is logged by name; no error text, and nothing computed from
        data, goes into the reply.
        """
        received = _Received()
        try:
            received = _parse(body)
            if received.match is not None:
                return self._match_step(received.match)
            request = read_request(received.signed, self._agreement)
            received = replace(received, request=request)
            if received.step is Step.CONTRIBUTION:
                reply = self._contribution(request, received)
                signed = attestation_of(reply)
                return self._answer(received, reply, attestation=None if signed is None else signed.sha256())
            return self._sum_step(request, received)
        except RoundRefusedError as error:
            code = error.code
            _LOG.info("a round was refused: %s", error.what)
        except Exception as error:  # noqa: BLE001 - the program's top: an unknown failure is "not now"
            code = REFUSAL_UNAVAILABLE
            _LOG.error("a round could not be answered: %s", type(error).__name__)
        return self._answer(received, self._refusal(received, code), refusal=code)

    def _contribution(self, request: RoundRequest, received: _Received) -> bytes:
        sha256 = received.sha256
        given = self._till.given(request, sha256)
        if given is not None:
            return given
        settled = self._till.agreed_set(request, sha256) is not None
        require(not settled, REFUSAL_DEADLINE, "its set of contributors is settled, without this store")
        asked = examine_contribution(request, sha256, received.content, self._agreement, now=self._clock())
        reply = self._till.take(asked, lambda integers, use: self._shared_and_sealed(asked, integers, use))
        _LOG.info("round %s (%s) was contributed to", request.round, request.phase)
        return reply

    def _shared_and_sealed(self, asked: AskedRound, integers: NDArray[np.int64], use: AttestedUse) -> bytes:
        made = contribute(
            asked.context,
            integers,
            member_id=self._agreement.member_id,
            signing_key=self._keys.signing,
        )
        about = attested_round(
            asked.request,
            asked.sha256,
            member_id=self._agreement.member_id,
            contribution_sha256=made.header_sha256,
        )
        return self._seal.contribution(
            made.body,
            attestation=sign_attestation(Attestation(round=about, use=use), self._keys.signing),
            sha256=asked.sha256,
            programme_id=asked.request.programme_id,
            round_number=asked.request.round,
        )

    def _sum_step(self, request: RoundRequest, received: _Received) -> RoundAnswer:
        context = examine_sum(request, received.sha256, self._agreement, now=self._clock())
        records: SumRecords = self._till
        if request.HasField("table") and self._matching is not None:
            records = self._matching.records
        sums = SumDesk(member_id=self._agreement.member_id, keys=self._keys, records=records)
        given = sums.answer(received.step or Step.SUM_SHARE, received.content, request, context)
        if given.step is Step.INSPECTION and not given.is_refused:
            self._refuse_many_sets(request, given.body)
        return given

    def _refuse_many_sets(self, request: RoundRequest, answer: bytes) -> None:
        """Look so many sets of a round through and no more.

        Nobody is bound by what was looked through, and of n contributions there are 2^n sets; but what leaves
        stays in this shop's log, an entry for each.
        """
        given = self._looked_through.setdefault((request.programme_id, request.round), set())
        sha256 = hashlib.sha256(answer).digest()
        is_room = sha256 in given or len(given) < _SETS_LOOKED_THROUGH
        require(is_room, REFUSAL_REPEATED, "too many sets of contributions were shown for one round")
        given.add(sha256)

    def _match_step(self, asked: MatchStep) -> RoundAnswer:
        if self._matching is None:
            raise RoundRefusedError(REFUSAL_RELEASE, "the charter matches nobody")
        return self._matching.answer(asked)

    def _refusal(self, received: _Received, code: RefusalCode) -> bytes:
        request, sha256 = received.request, received.sha256
        if request is None:
            return self._seal.refusal(code, sha256=sha256)
        return self._seal.refusal(
            code, sha256=sha256, programme_id=request.programme_id, round_number=request.round
        )

    def _answer(
        self,
        received: _Received,
        body: bytes,
        *,
        refusal: RefusalCode | None = None,
        attestation: bytes | None = None,
    ) -> RoundAnswer:
        if received.request is None:
            return RoundAnswer(body=body, step=received.step, refusal=refusal)
        return RoundAnswer(
            body=body,
            step=received.step,
            programme_id=received.request.programme_id,
            round=received.request.round,
            phase=received.request.phase,
            refusal=refusal,
            attestation_sha256=attestation,
        )


def _parse(body: bytes) -> _Received:
    require(0 < len(body) <= MESSAGE_LIMIT_BYTES, REFUSAL_UNREADABLE, "its size is not one of a message")
    try:
        message = RoundMessage.FromString(body)
    except DecodeError as error:
        raise RoundRefusedError(REFUSAL_UNREADABLE, "it cannot be read") from error
    step = message.WhichOneof("step")
    if step == "match":
        return _Received(match=message.match)
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
