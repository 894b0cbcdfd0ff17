"""The store's desk for the steps of a private matching: what it does as a key holder, and who does the rest.

Each step comes with the request that opened the matching, which is examined anew each time. What a step binds
the store to is on its disk before a byte leaves, so that after a crash the same bytes leave again. Refusals
are codes; whether there is one, and which, never depends on a customer.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from highstreet.audit.matching_requests import matching_sha256
from highstreet.audit.requests import request_sha256
from highstreet.client.errors import (
    MatchingContradictedError,
    MatchingOverError,
    MatchingTooSoonError,
    RoundRefusedError,
)
from highstreet.client.matching_records import MatchingBooks
from highstreet.client.matching_shop import MatchingShop
from highstreet.client.matching_terms import (
    AskedMatching,
    examine_matching,
    examine_matching_table,
    read_matching_request,
)
from highstreet.client.round_answers import RoundAnswer, Step
from highstreet.client.round_replies import ReplySeal, attestation_of
from highstreet.client.round_terms import Agreement, require
from highstreet.client.sums import SumRecords
from highstreet.privacy.matching import (
    HolderKeys,
    MatchingRefusedError,
)
from highstreet.privacy.secure_sum import SumRefusedError, read_evidence
from highstreet.privacy.secure_sum.wire import refuse_many_fields
from highstreet.protos.matching_pb2 import MatchingRequest
from highstreet.protos.rounds_pb2 import (
    REFUSAL_DEADLINE,
    REFUSAL_MATCHING,
    REFUSAL_REPEATED,
    REFUSAL_TOO_SOON,
    REFUSAL_UNAVAILABLE,
    REFUSAL_UNREADABLE,
    BlindCustomers,
    EvaluatedLists,
    EvaluateLists,
    GiveTable,
    MatchReply,
    MatchStep,
    ReadCounts,
    RefusalCode,
    RoundReply,
    RoundRequest,
    SignedReply,
)

__all__ = ["MATCHING", "MatchingDesk", "TableRecords"]

#: What the shop's log calls the phase of a matching.
MATCHING = "matching"
_LOG = logging.getLogger("highstreet.rounds")
_SECONDS_A_DAY = 86_400
#: Most fields of a step: keys of up to 9 holders, lists of up to 1,024 members, and a few of its own.
_FIELDS = 1_100
_STEPS = {
    "offer": Step.MATCHING_KEY,
    "blind": Step.BLINDED_LIST,
    "evaluate": Step.EVALUATIONS,
    "give": Step.TABLE,
    "read": Step.COUNTS,
}
M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRecords:
    """What the committee of a table's sum has to know of this store: as of a round's, from two places.

    Attributes:
        books: where the table's reply is kept.
        sums: where sets that were agreed to are kept.
    """

    books: MatchingBooks
    sums: SumRecords

    def given(self, request: RoundRequest, sha256: bytes) -> bytes | None:
        """Return the sealed reply with this store's table, None when it gave none.

        Raises:
            RoundRefusedError: it was given to another request of the same matching.
        """
        kept = self.books.papers.table(request.table.matching_sha256)
        if kept is not None:
            answers = RoundReply.FromString(SignedReply.FromString(kept).reply).request_sha256
            require(answers == sha256, REFUSAL_REPEATED, "its table went into another sum")
        return kept

    def agreed_set(self, request: RoundRequest, sha256: bytes) -> bytes | None:
        """Return the set of contributors agreed to, None when there is none."""
        return self.sums.agreed_set(request, sha256)

    def agree(self, request: RoundRequest, sha256: bytes, set_sha256: bytes) -> None:
        """Record the set durably; the same one again changes nothing."""
        self.sums.agree(request, sha256, set_sha256)


class MatchingDesk:
    """Answers the steps of matchings with sealed replies.

    Args:
        agreement: what was accepted.
        seal: signs replies.
        books: what is kept of matchings.
        sums: what was agreed to on committees.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        agreement: Agreement,
        *,
        seal: ReplySeal,
        books: MatchingBooks,
        sums: SumRecords,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._agreement = agreement
        self._seal = seal
        self._books = books
        self._shop = MatchingShop(agreement, seal=seal, books=books)
        self._clock = clock
        self.records = TableRecords(books=books, sums=sums)

    @property
    def _member_id(self) -> str:
        return self._agreement.member_id

    def answer(self, asked: MatchStep) -> RoundAnswer:
        """Return the sealed reply to a step: the same one whenever the same step comes.

        Every failure is a refusal. Its reason is logged by name; no error text, and nothing computed from
        data, goes into the reply.
        """
        sha256 = matching_sha256(asked.request)
        request: MatchingRequest | None = None
        step = _STEPS.get(asked.WhichOneof("step") or "")
        try:
            request = read_matching_request(asked.request, self._agreement)
            body = self._reply(asked, request)
        except RoundRefusedError as error:
            code: RefusalCode = error.code
            _LOG.info("a step of a matching was refused: %s", error.what)
        except MatchingTooSoonError:
            code = REFUSAL_TOO_SOON
        except (MatchingRefusedError, MatchingOverError, MatchingContradictedError, SumRefusedError) as error:
            code = REFUSAL_MATCHING
            _LOG.warning("a step of a matching was refused: %s", error.what)
        except Exception as error:  # noqa: BLE001 - the program's top: an unknown failure is "not now"
            code = REFUSAL_UNAVAILABLE
            _LOG.error("a step of a matching could not be answered: %s", type(error).__name__)
        else:
            _LOG.info("matching %s: %s given", request.matching_id, step)
            signed = attestation_of(body)
            return RoundAnswer(
                body=body,
                step=step,
                programme_id=request.matching_id,
                phase=MATCHING,
                attestation_sha256=None if signed is None else signed.sha256(),
            )
        matching_id = "" if request is None else request.matching_id
        return RoundAnswer(
            body=self._seal.refusal(code, sha256=_answered(asked, sha256), programme_id=matching_id),
            step=step,
            programme_id=matching_id,
            phase=MATCHING,
            refusal=code,
        )

    def _reply(self, asked: MatchStep, request: MatchingRequest) -> bytes:
        now = self._clock()
        self._books.end_expired(now)
        matching = examine_matching(request, asked.request, self._agreement, now=now)
        match asked.WhichOneof("step"):
            case "offer":
                said = MatchReply(key=self._offer(matching))
            case "blind":
                return self._blind(matching, _parsed(BlindCustomers, asked.blind))
            case "evaluate":
                evaluated = self._evaluate(matching, _parsed(EvaluateLists, asked.evaluate))
                said = MatchReply(evaluated=evaluated.SerializeToString(deterministic=True))
            case "give":
                return self._give(matching, _parsed(GiveTable, asked.give))
            case "read":
                self._read(matching, _parsed(ReadCounts, asked.read))
                said = MatchReply(done=True)
            case _:
                raise RoundRefusedError(REFUSAL_UNREADABLE, "it asks for nothing known here")
        return self._seal.match(said, sha256=matching.context.request_sha256, matching_id=request.matching_id)

    def _offer(self, matching: AskedMatching) -> bytes:
        is_holder = matching.context.holder(self._member_id) is not None
        require(is_holder, REFUSAL_MATCHING, "this store holds no key of it")
        self._begin(matching)
        holder = self._books.secrets.draw_holder(matching.context, self._member_id)
        return holder.offer(self._seal.keys.signing)

    def _blind(self, matching: AskedMatching, asked: BlindCustomers) -> bytes:
        keys = HolderKeys.collect(matching.context, asked.keys)
        self._begin(matching)
        return self._shop.blinded_list(matching, keys)

    def _evaluate(self, matching: AskedMatching, asked: EvaluateLists) -> EvaluatedLists:
        """Evaluate each list or say why not: one that is refused takes nothing from the others."""
        is_holder = matching.context.holder(self._member_id) is not None
        require(is_holder, REFUSAL_MATCHING, "this store holds no key of it")
        keys = HolderKeys.collect(matching.context, asked.keys)
        secrets, request = self._books.secrets, matching.context.request_sha256
        holder = secrets.draw_holder(matching.context, self._member_id)
        evaluated = EvaluatedLists()
        for body in asked.lists:
            try:
                prepared = holder.evaluate(body, keys, self._seal.keys.signing)
                given = prepared.release(lambda answered: secrets.record_answer(request, answered))
            except MatchingRefusedError as error:
                _LOG.warning("matching: a list is not evaluated: %s", error.code.name)
                evaluated.lists.add(refusal=int(error.code))
            else:
                holder = prepared.holder
                evaluated.lists.add(evaluations=given)
        return evaluated

    def _give(self, matching: AskedMatching, asked: GiveTable) -> bytes:
        """Give this store's table to the one sum that the matching has, durably the same."""
        keys = HolderKeys.collect(matching.context, asked.keys)
        now = self._clock()
        table = examine_matching_table(asked.table, matching, keys, self._agreement, now=now)
        given = self.records.given(table.request, table.sha256)
        if given is not None:
            return given
        settled = self.records.agreed_set(table.request, table.sha256) is not None
        require(not settled, REFUSAL_DEADLINE, "its set of contributors is settled, without this store")
        return self._shop.table(matching, keys, list(asked.evaluations), table)

    def _read(self, matching: AskedMatching, asked: ReadCounts) -> None:
        """Read the counts off the sum, from what the committee signed; then forget the matching.

        Whether they can be read depends on customers and on what others did: the reply does not say.
        """
        secrets, context = self._books.secrets, matching.context
        try:
            given_to = secrets.table_request(context)
        except MatchingOverError:
            return  # read before; the reply got lost
        table = examine_matching_table(asked.table, matching, None, self._agreement, now=self._clock())
        require(given_to == table.sha256, REFUSAL_MATCHING, "this store gave no table to it")
        shown = read_evidence(asked.evidence, table.context, surplus=context.colluders)
        self._shop.read(matching, table, shown)
        secrets.destroy(context.request_sha256)

    def _begin(self, matching: AskedMatching) -> None:
        """Take part, unless there was another matching in this period, or there may have been.

        What was given away after the backup of a restored store is forgotten here. One that came to nothing
        before this store gave its table is over when the coordinator opens another. Deadlines stay on the
        disk of matchings under way alone, so that whoever asks in vain fills no disk.
        """
        context, terms = matching.context, matching.terms
        secrets, papers = self._books.secrets, self._books.papers
        day = int(self._clock()) // _SECONDS_A_DAY
        restored_on = self._books.restored_on()
        if restored_on is not None and day - restored_on < terms.period_days:
            raise MatchingTooSoonError(
                f"This shop was restored, and stays out of matchings for {terms.period_days} days.",
                next_step="Nothing was sent. Wait until the period has passed.",
            )
        papers.keep_deadline(context.request_sha256, matching.request.deadline_unix_seconds)
        for other in secrets.under_way():
            if other != context.request_sha256 and papers.table(other) is None:
                secrets.destroy(other)
        try:
            secrets.begin(context, day=day, period_days=terms.period_days)
        finally:
            papers.keep_deadlines(secrets.under_way())


def _answered(asked: MatchStep, sha256: bytes) -> bytes:
    """Return the hash of the request a refusal answers: a table's own, as with every contribution."""
    if asked.WhichOneof("step") == "give":
        try:
            return request_sha256(_parsed(GiveTable, asked.give).table)
        except RoundRefusedError:
            return sha256
    return sha256


def _parsed(kind: type[M], body: bytes) -> M:
    try:
        refuse_many_fields(body, at_most=_FIELDS)
        return kind.FromString(body)
    except (SumRefusedError, DecodeError) as error:
        raise RoundRefusedError(REFUSAL_UNREADABLE, "it cannot be read") from error
