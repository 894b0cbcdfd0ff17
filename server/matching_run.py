"""A matching from its request to the stores' counts, resumed wherever the last run stopped."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.audit.charter import Charter
from highstreet.audit.errors import CharterError
from highstreet.audit.matching_requests import sign_matching_request
from highstreet.audit.matchings import (
    TABLE_PHASE,
    MatchingPart,
    matching_request,
    part_ends,
    refuse_impossible_matching,
    table_floor,
    table_request,
)
from highstreet.audit.requests import sign_request
from highstreet.audit.sums import sum_deadline
from highstreet.privacy.matching import HolderKeys
from highstreet.privacy.secure_sum import OpenedSum, sum_evidence
from highstreet.protos.rounds_pb2 import SignedRequest
from highstreet.server.announcing import settle_set
from highstreet.server.asked_matching import AskedMatching
from highstreet.server.asked_round import AskedRound
from highstreet.server.checkpoints import Checkpoints, Outcome, Programme, ProgrammeState, Stage
from highstreet.server.errors import ProgrammeFailedError
from highstreet.server.exchange import Carrier, Line
from highstreet.server.matching_book import MatchingBook
from highstreet.server.matching_counts import Telling
from highstreet.server.matching_parts import Asking, gather_evaluations, gather_keys, gather_lists
from highstreet.server.membership import Member, current_ids, members_ever
from highstreet.server.participants import current_participants
from highstreet.server.programme_run import roster_sha256
from highstreet.server.rounds import required_stores
from highstreet.server.sum_opening import open_sum

__all__ = ["MatchingRun"]

_LOG = logging.getLogger("highstreet.rounds")


@dataclass(frozen=True, slots=True)
class _TablePhase:
    """A matching's one round, by the name under which it is on record."""

    index: int = 0
    name: str = TABLE_PHASE


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingRun:
    """Everything a run of a matching needs.

    Attributes:
        programme: which one.
        charter: the agreement in force.
        key: signs the requests.
        connection: to coop.db.
        carrier: takes messages to the nodes.
        clock: seconds since 1970.
        sleep: waits so many seconds.
    """

    programme: Programme
    charter: Charter
    key: Ed25519PrivateKey
    connection: sqlite3.Connection
    carrier: Carrier
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def run(self) -> None:
        """Ask for what is left, tell the stores the sum, note how it ended, and tell those who were away.

        A crash at any point leaves a matching that `run` finishes: what was given is not asked for again,
        and what is asked again is asked with the same bytes. Once the stores that are there were told, the
        matching is finished, and another programme may be asked for: this one then gives way, and is taken up
        again behind it.
        """
        book = Checkpoints(self.connection, clock=self.clock)
        number, programme_id = self.programme.number, self.programme.programme_id
        is_finished = self.programme.state is ProgrammeState.FINISHED
        if is_finished and not MatchingBook(self.connection).evidence(programme_id):
            return
        try:
            self._refuse_other_charter()
            book.mark_running(programme_id)
            telling = self._telling(book)
        except (ProgrammeFailedError, CharterError) as error:
            _LOG.warning(
                "matching %s %s: %s", number, "tells nobody" if is_finished else "failed", error.what
            )
            book.mark_failed(programme_id, error.for_user())
            return
        if not is_finished:
            telling.tell_those_who_are_there()
            book.mark_finished(programme_id)
            _LOG.info("matching %s finished", number)
        telling.tell_the_others(gives_way=lambda: _is_another(book.due(), programme_id))

    def _refuse_other_charter(self) -> None:
        if self.programme.charter_sha256 != self.charter.sha256():
            raise ProgrammeFailedError(
                "The charter was changed after this matching was requested.",
                next_step="Request a new one with `highstreet coop match`.",
            )

    def _telling(self, book: Checkpoints) -> Telling:
        """Hold what is left up to the sum, and return how stores are told of it.

        What they read it from is put on record once; from then on nothing else is asked for.
        """
        messages = MatchingBook(self.connection, clock=self.clock)
        members = {member.member_id: member for member in members_ever(self.connection)}
        programme_id = self.programme.programme_id
        asked = AskedMatching.rebuild(
            messages.open(programme_id, self._request),
            charter=self.charter,
            coordinator_public_key=self.key.public_key().public_bytes_raw(),
            members=members,
        )
        ends = part_ends(self.charter, opened_at=asked.opened.opened_at, part=MatchingPart.COUNTS)
        if not messages.evidence(programme_id):
            messages.keep_evidence(programme_id, self._hold(book, messages, asked, members), until=ends)
        signed = SignedRequest.FromString(book.last_request(programme_id))
        return Telling(
            asking=self._asking(asked, messages, MatchingPart.COUNTS),
            message=asked.read_message(signed, messages.evidence(programme_id)),
        )

    def _hold(
        self,
        book: Checkpoints,
        messages: MatchingBook,
        asked: AskedMatching,
        members: Mapping[str, Member],
    ) -> bytes:
        """Ask for keys, lists, evaluations and tables; return what the sum is read from."""
        keys, offers = gather_keys(self._asking(asked, messages, MatchingPart.KEYS))
        evaluated = self._evaluated(asked, messages, keys, offers)
        opened = book.open_round(
            asked.opened.programme_id, _TablePhase(), lambda now: self._table_request(asked, keys, now)
        )
        table = AskedRound.rebuild(
            opened,
            charter=self.charter,
            coordinator_public_key=self.key.public_key().public_bytes_raw(),
            members=members,
        )
        return self._evidence(book, table, self._sum(book, asked, table, offers, evaluated))

    def _evaluated(
        self, asked: AskedMatching, messages: MatchingBook, keys: HolderKeys, offers: Sequence[bytes]
    ) -> Mapping[str, tuple[bytes, ...]]:
        asked_of = len(asked.participants)
        floor = table_floor(self.charter, participants=asked_of)
        required = max(floor, required_stores(self.charter.rounds, members=asked_of))
        lists = gather_lists(
            self._asking(asked, messages, MatchingPart.LISTS), keys, offers, required=required
        )
        evaluated = gather_evaluations(self._asking(asked, messages, MatchingPart.EVALUATIONS), offers, lists)
        if len(evaluated) < required:
            raise ProgrammeFailedError(
                f"Of {len(lists)} lists the key holders evaluated {len(evaluated)}; {required} are required.",
                next_step="See logs/rounds.log for the reasons, then match again.",
            )
        return evaluated

    def _sum(
        self,
        book: Checkpoints,
        asked: AskedMatching,
        table: AskedRound,
        offers: Sequence[bytes],
        evaluated: Mapping[str, tuple[bytes, ...]],
    ) -> OpenedSum:
        """Return the sum of all tables, from answers enough for stores to believe them."""

        def message(member: Member) -> bytes | None:
            if member.member_id not in evaluated:
                return None
            return asked.give_message(offers, evaluated[member.member_id], table.signed)

        rounds = self.charter.rounds
        ends = part_ends(self.charter, opened_at=asked.opened.opened_at, part=MatchingPart.SUM)
        deadline = min(ends, sum_deadline(self.charter, opened_at=table.opened.opened_at))
        settle_set(table, book, self._line(), key=self.key, terms=rounds, message=message, deadline=deadline)
        opened_sum = open_sum(table, book, self._line(), deadline=deadline, surplus=rounds.colluders)
        book.close_table(
            table.opened,
            Outcome(
                contributors=len(opened_sum.contributors),
                answers=opened_sum.answers,
                wrong=len(opened_sum.wrong),
                is_checked=opened_sum.is_checked,
            ),
        )
        return opened_sum

    def _evidence(self, book: Checkpoints, table: AskedRound, opened_sum: OpenedSum) -> bytes:
        """Return what stores read the sum from: the t + c answers that came first and agree."""
        enough = table.context.committee.threshold + self.charter.rounds.colluders
        answers = [
            kept.reply
            for kept in book.committee_replies(table.opened, Stage.ANSWER)
            if kept.member_id not in opened_sum.wrong
        ]
        return sum_evidence(table.context, table.opening.announced_headers(), answers[:enough])

    def _request(self, now: int) -> bytes:
        """Return a new matching's signed request; called within a transaction of coop.db."""
        chosen = current_participants(self.connection, self.charter)
        if not chosen.are_enough:
            raise ProgrammeFailedError(chosen.shortage, next_step=chosen.next_step)
        refuse_impossible_matching(self.charter, participants=len(chosen.member_ids))
        request = matching_request(
            self.charter,
            matching_id=self.programme.programme_id,
            roster_sha256=roster_sha256(self.connection, self.charter, self.key),
            participants=chosen.member_ids,
            opened_at=now,
        )
        return sign_matching_request(request, self.key).SerializeToString(deterministic=True)

    def _table_request(self, asked: AskedMatching, keys: HolderKeys, now: int) -> tuple[bytes, bytes]:
        """Return the table's signed request; called within a transaction of coop.db."""
        if now >= part_ends(self.charter, opened_at=asked.opened.opened_at, part=MatchingPart.TABLES):
            raise ProgrammeFailedError(
                "The time to ask for tables has passed.",
                next_step="Match again with `highstreet coop match`.",
            )
        request = table_request(self.charter, asked.request, keys, opened_at=now)
        return sign_request(request, self.key).SerializeToString(deterministic=True), b""

    def _asking(self, asked: AskedMatching, messages: MatchingBook, part: MatchingPart) -> Asking:
        ends = part_ends(self.charter, opened_at=asked.opened.opened_at, part=part)
        return Asking(asked=asked, book=messages, line=self._line(), until=ends)

    def _line(self) -> Line:
        return Line(
            carrier=self.carrier,
            current=lambda: current_ids(self.connection),
            clock=self.clock,
            sleep=self.sleep,
        )


def _is_another(due: Programme | None, programme_id: str) -> bool:
    return due is None or due.programme_id != programme_id
