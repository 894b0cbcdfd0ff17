"""The store on a round's committee: looks boxes through, agrees to one set, gives its share of the sum.

The set is on record before a word of it leaves, in the ledger, beside what was spent: two sums over different
sets would give their difference away. Refusals are codes of the secure sum's closed list; they tell of the
set that was announced, and never of a number in it.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from highstreet.client.round_answers import RoundAnswer, Step
from highstreet.client.round_terms import require
from highstreet.privacy.secure_sum import (
    CommitteeSeat,
    MemberKeys,
    RoundContext,
    SumRefusal,
    SumRefusedError,
)
from highstreet.protos.rounds_pb2 import REFUSAL_PARTICIPANTS, RoundReply, RoundRequest, SignedReply
from highstreet.protos.secure_sum_pb2 import Contribution

__all__ = ["SumDesk", "SumRecords"]

_LOG = logging.getLogger("highstreet.rounds")


class SumRecords(Protocol):
    """What this store has on record of a round's sum."""

    def given(self, request: RoundRequest, sha256: bytes) -> bytes | None:
        """Return the sealed reply with this store's contribution, None when it gave none.

        Raises:
            RoundRefusedError: this phase was asked for by another request.
        """

    def agreed_set(self, request: RoundRequest, sha256: bytes) -> bytes | None:
        """Return the set of contributors agreed to, None when there is none.

        Raises:
            RoundRefusedError: this phase was asked for by another request.
        """

    def agree(self, request: RoundRequest, sha256: bytes, set_sha256: bytes) -> None:
        """Record the set durably; the same one again changes nothing.

        Raises:
            RoundRefusedError: another set, or another request, is on record.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class SumDesk:
    """Answers the sum steps of rounds that were found in order.

    Attributes:
        member_id: this store.
        keys: its own, of the roster.
        records: durable.
    """

    member_id: str
    keys: MemberKeys
    records: SumRecords

    def answer(self, step: Step, message: bytes, request: RoundRequest, context: RoundContext) -> RoundAnswer:
        """Return this store's signed findings, agreement, share of the sum, or refusal.

        A store that was away when the contributions were asked for may sit on the committee all the same.

        Args:
            step: INSPECTION, AGREEMENT or SUM_SHARE.
            message: secure_sum.proto's request, as it came.
            request: of the round; `context` was made from it.
            context: from this store's own records.

        Raises:
            RoundRefusedError: this store has no seat, or this phase was asked for by another request.
        """
        seat = self._seat(request, context)
        refusal: SumRefusal | None = None
        try:
            body = self._given(seat, step, message, request)
        except SumRefusedError as error:
            _LOG.warning("round %s: %s refused: %s", request.round, step, error.code.name)
            body, refusal = self._refused(seat, step, error.code), error.code
        else:
            _LOG.info("round %s (%s): %s given", request.round, request.phase, step)
        return RoundAnswer(
            body=body,
            step=step,
            programme_id=request.programme_id,
            round=request.round,
            phase=request.phase,
            sum_refusal=refusal,
        )

    def _given(self, seat: CommitteeSeat, step: Step, message: bytes, request: RoundRequest) -> bytes:
        if step is Step.INSPECTION:
            return seat.inspect(message, self.keys)  # binds to nothing, so nothing is recorded
        prepare = seat.agree if step is Step.AGREEMENT else seat.prepare
        return prepare(message, self.keys).release(self._record(request, seat.context))

    def _refused(self, seat: CommitteeSeat, step: Step, code: SumRefusal) -> bytes:
        if step is Step.INSPECTION:
            return seat.inspection_refusal(code, self.keys)
        refuse = seat.agreement_refusal if step is Step.AGREEMENT else seat.refusal
        return refuse(code, self.keys)

    def _seat(self, request: RoundRequest, context: RoundContext) -> CommitteeSeat:
        has_seat = context.committee.position(self.member_id) is not None
        require(has_seat, REFUSAL_PARTICIPANTS, "this store is not on its committee")
        sha256 = context.request_sha256
        return CommitteeSeat(
            context=context,
            member_id=self.member_id,
            own_header_sha256=_own_header_sha256(self.records.given(request, sha256)),
            agreed_set_sha256=self.records.agreed_set(request, sha256),
        )

    def _record(self, request: RoundRequest, context: RoundContext) -> Callable[[bytes], None]:
        return lambda set_sha256: self.records.agree(request, context.request_sha256, set_sha256)


def _own_header_sha256(sealed_reply: bytes | None) -> bytes | None:
    """Return the hash that names this store's own contribution, as it lies in the reply it gave."""
    if sealed_reply is None:
        return None
    reply = RoundReply.FromString(SignedReply.FromString(sealed_reply).reply)
    return hashlib.sha256(Contribution.FromString(reply.contribution).header).digest()
