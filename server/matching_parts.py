"""The first parts of a matching: holders' keys, participants' lists, and holders' evaluations of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from highstreet.audit.attested_cost import matching_cost
from highstreet.privacy.matching import (
    CheckedList,
    HolderKeys,
    MatchingRefusal,
    MatchingRefusedError,
    read_evaluations,
    read_holder_key,
    read_list,
)
from highstreet.privacy.secure_sum import SumRefusedError
from highstreet.privacy.secure_sum.wire import refuse_many_fields
from highstreet.protos.rounds_pb2 import EvaluatedLists, MatchReply
from highstreet.server.asked_matching import AskedMatching, MatchAnswer
from highstreet.server.attestations import Attested
from highstreet.server.errors import OddReplyError, ProgrammeFailedError
from highstreet.server.exchange import Exchange, Line
from highstreet.server.matching_book import MatchingBook, Part
from highstreet.server.membership import Member
from highstreet.server.rounds import Decision, Refusal, Tally

__all__ = ["Asking", "gather_evaluations", "gather_keys", "gather_lists"]

_LOG = logging.getLogger("highstreet.rounds")
_HOLDER_NEXT = (
    "See that the shop is online, then ask again with `highstreet coop match`: shops that were missing as "
    "key holders are passed over."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """One part of a matching being asked for.

    Attributes:
        asked: the matching.
        book: where answers are kept before they count.
        line: to the stores.
        until: seconds since 1970 by which the part must be over.
    """

    asked: AskedMatching
    book: MatchingBook
    line: Line
    until: float

    @property
    def matching_id(self) -> str:
        """The matching's id, by which it is on record."""
        return self.asked.opened.programme_id

    def ask(
        self,
        members: Sequence[Member],
        *,
        body: Callable[[Member], bytes | None],
        take: Callable[[Member, MatchAnswer | Refusal], bool],
        is_over: Callable[[], bool],
        left: Callable[[str], None] = lambda member_id: None,
    ) -> None:
        """Ask members until it is over or the time is up.

        Args:
            members: whom to ask.
            body: what to send to a member.
            take: judges a sound reply; whether the member need not be asked again.
            is_over: whether nothing more is waited for.
            left: told the ids of members who left the co-op.
        """

        def judge(member: Member, reply: bytes) -> bool:
            try:
                return take(member, self.asked.read_reply(reply, member))
            except OddReplyError as error:
                reason = error.reason
            except (MatchingRefusedError, SumRefusedError) as error:
                reason = error.code.name.lower()
            _LOG.warning("matching: reply of %s dropped: %s", member.member_id, reason)
            return False

        exchange = Exchange(members, self.line.carrier, body=body, take=judge)
        while not is_over():
            for gone in {member.member_id for member in members} - self.line.current():
                exchange.settle(gone)
                left(gone)
            now = self.line.clock()
            if is_over() or now >= self.until:
                return
            exchange.ask(now, until=self.until)
            exchange.take_answers(self.line.clock())
            if not is_over():
                self.line.wait()


def gather_keys(asking: Asking) -> tuple[HolderKeys, tuple[bytes, ...]]:
    """Return every holder's key: as they are read, and as they were signed, in the order of holders' ids.

    Raises:
        ProgrammeFailedError: a holder is missing, or takes no part.
    """
    asked, book = asking.asked, asking.book
    missing = {member.member_id for member in asked.holders}
    missing -= {kept.member_id for kept in book.kept(asking.matching_id, Part.KEY)}
    refused: dict[str, str] = {}

    def take(member: Member, reply: MatchAnswer | Refusal) -> bool:
        if isinstance(reply, Refusal):
            if reply.is_final:
                refused[member.member_id] = reply.name
            return reply.is_final
        holder_id, _ = read_holder_key(reply.said.key, asked.context)
        if holder_id != member.member_id:
            raise OddReplyError("another holder's key")
        book.save(asking.matching_id, Part.KEY, holder_id, reply.said.key)
        missing.discard(holder_id)
        return True

    message = asked.offer_message()
    asking.ask(
        [member for member in asked.holders if member.member_id in missing],
        body=lambda member: message,
        take=take,
        is_over=lambda: not missing or bool(refused),
        left=lambda gone: refused.update({gone: "left"}),
    )
    if missing:
        raise _missing_holder(asked, missing, refused, "gave no key")
    offers = tuple(kept.message for kept in book.kept(asking.matching_id, Part.KEY))
    return HolderKeys.collect(asked.context, offers), offers


def gather_lists(
    asking: Asking, keys: HolderKeys, offers: Sequence[bytes], *, required: int
) -> dict[str, CheckedList]:
    """Return the lists of the stores that take part, by member; at least `required`.

    Raises:
        ProgrammeFailedError: too few take part.
    """
    asked, book = asking.asked, asking.book
    cost = matching_cost(asked.charter, participants=len(asked.participants))
    lists: dict[str, CheckedList] = {}
    tally = Tally(
        members=len(asked.participants),
        required=required,
        opened_at=asking.line.clock(),
        deadline=asking.until,
    )

    def read(member_id: str, body: bytes) -> CheckedList:
        checked = read_list(body, asked.context, keys_sha256=keys.sha256())
        if checked.member_id != member_id:
            raise OddReplyError("another member's list")
        return checked

    def count(checked: CheckedList) -> None:
        lists[checked.member_id] = checked
        tally.contributed(checked.member_id, now=asking.line.clock())

    def take(member: Member, reply: MatchAnswer | Refusal) -> bool:
        if isinstance(reply, Refusal):
            _LOG.info("matching: %s refuses: %s", member.member_id, reply.name)
            tally.refuses(member.member_id, reply)
            return reply.is_final
        checked = read(member.member_id, reply.said.list)
        about = asked.attested_list(member, checked.sha256)
        book.save_attestation(Attested.read(reply.attestation, about, member, cost=cost))
        book.save(asking.matching_id, Part.LIST, member.member_id, reply.said.list)
        count(checked)
        return True

    for kept in book.kept(asking.matching_id, Part.LIST):
        count(read(kept.member_id, kept.message))
    message = asked.blind_message(offers)
    asking.ask(
        [member for one, member in asked.participants.items() if one not in lists],
        body=lambda member: message,
        take=take,
        is_over=lambda: tally.decide(now=asking.line.clock()) is not Decision.WAIT,
        left=tally.left,
    )
    if len(lists) < required:
        raise ProgrammeFailedError(
            tally.failure("of the matching's lists"),
            next_step="Ask the stores that are missing, then match again.",
        )
    return lists


def gather_evaluations(
    asking: Asking, offers: Sequence[bytes], lists: Mapping[str, CheckedList]
) -> dict[str, tuple[bytes, ...]]:
    """Return the evaluations of each list that every holder evaluated, by member, in the order of holders.

    All lists go to a holder in one message: what bounds the table's sum leaves room for them
    (`refuse_impossible_matching`).

    Raises:
        ProgrammeFailedError: a holder is missing, or takes no part.
    """
    asked, book = asking.asked, asking.book
    bodies = {kept.member_id: kept.message for kept in book.kept(asking.matching_id, Part.LIST)}
    pending = {holder.member_id: set(lists) for holder in asked.holders}
    for kept in book.kept(asking.matching_id, Part.EVALUATIONS):
        pending[kept.holder_id].discard(kept.member_id)
    refused: dict[str, str] = {}

    def body(member: Member) -> bytes | None:
        return asked.evaluate_message(offers, [bodies[one] for one in sorted(pending[member.member_id])])

    def take(member: Member, reply: MatchAnswer | Refusal) -> bool:
        if isinstance(reply, Refusal):
            if reply.is_final:
                refused[member.member_id] = reply.name
            return reply.is_final
        owners = sorted(pending[member.member_id])
        for owner, message, refusal in _read_evaluated(asked, member, reply.said, owners, lists):
            book.save(
                asking.matching_id,
                Part.EVALUATIONS,
                owner,
                message,
                holder_id=member.member_id,
                refusal=refusal,
            )
            pending[member.member_id].discard(owner)
        return True

    asking.ask(
        [member for member in asked.holders if pending[member.member_id]],
        body=body,
        take=take,
        is_over=lambda: not any(pending.values()) or bool(refused),
        left=lambda gone: refused.update({gone: "left"}),
    )
    missing = {holder for holder, waiting in pending.items() if waiting}
    if missing:
        raise _missing_holder(asked, missing, refused, "evaluated no lists")
    return _complete(asked, book)


def _complete(asked: AskedMatching, book: MatchingBook) -> dict[str, tuple[bytes, ...]]:
    """Return the evaluations of lists that no holder refused."""
    found: dict[str, list[bytes]] = {}
    for kept in book.kept(asked.opened.programme_id, Part.EVALUATIONS):
        if kept.refusal:
            _LOG.warning("matching: a holder refuses the list of %s: %s", kept.member_id, kept.refusal)
        else:
            found.setdefault(kept.member_id, []).append(kept.message)
    return {one: tuple(each) for one, each in found.items() if len(each) == len(asked.holders)}


def _read_evaluated(
    asked: AskedMatching,
    holder: Member,
    reply: MatchReply,
    owners: Sequence[str],
    lists: Mapping[str, CheckedList],
) -> list[tuple[str, bytes, str]]:
    """Return for each list that was sent whose it is, and its evaluations or the name of a refusal."""
    refuse_many_fields(reply.evaluated, at_most=len(owners))
    try:
        evaluated = EvaluatedLists.FromString(reply.evaluated)
    except DecodeError as error:
        raise OddReplyError("signature or form") from error
    if len(evaluated.lists) != len(owners):
        raise OddReplyError("another number of lists")
    read = []
    for owner, each in zip(owners, evaluated.lists, strict=True):
        if each.WhichOneof("outcome") == "refusal":
            known = {int(code): code.name.lower() for code in MatchingRefusal}
            read.append((owner, b"", known.get(each.refusal, "unknown")))
            continue
        sha256 = lists[owner].sha256
        message = read_evaluations(each.evaluations, asked.context, member_id=owner, list_sha256=sha256)
        if message.holder_id != holder.member_id:
            raise OddReplyError("another holder's evaluations")
        read.append((owner, each.evaluations, ""))
    return read


def _missing_holder(
    asked: AskedMatching, missing: set[str], refused: Mapping[str, str], what: str
) -> ProgrammeFailedError:
    names = ", ".join(f"{asked.participants[one].name} ({one})" for one in sorted(missing))
    codes = ", ".join(sorted(set(refused.values()))) or "no answer"
    return ProgrammeFailedError(
        f"Without every one of its key holders a matching cannot go on; {names} {what} in time ({codes}).",
        next_step=_HOLDER_NEXT,
    )
