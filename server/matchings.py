"""Matchings as the coordinator's database knows them: asked for, and how far each has come."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.audit.charter import Charter
from highstreet.audit.errors import CharterError
from highstreet.audit.matchings import (
    drawn_holders,
    fewest_participants,
    refuse_impossible_matching,
    shares_stores,
)
from highstreet.protos.matching_pb2 import MatchingRequest, SignedMatchingRequest
from highstreet.server.database import transaction
from highstreet.server.errors import ProgrammeRefusedError
from highstreet.server.matching_book import MatchingBook, Part
from highstreet.server.membership import current_members
from highstreet.server.participants import Participants, current_participants, who_counts
from highstreet.server.programme_run import roster_sha256
from highstreet.server.programmes import Programme, latest_of_kind, programme, refuse_second, round_summaries

__all__ = ["MatchingProgress", "latest_matching", "matching_progress", "request_matching"]

_SECONDS_A_DAY = 86_400
#: Draws before it is taken as it is that holders who were silent hold keys again.
_DRAWS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingProgress:
    """How far a matching has come; counts of stores only.

    Attributes:
        participants, holders: asked, and how many of them hold keys; 0 before the request was made.
        keys: holders who gave theirs.
        lists: stores that sent a list.
        evaluations: lists evaluated, by all holders together.
        contributors: stores whose tables are in the sum; None: it is not open yet.
        committee: what the committee gave, in words; empty while there is nothing to say.
        told: contributors that dealt with the sum.
        refusals: codes of contributors that refused it.
        away: names of the others, while they can still be told; empty when all were, or the time is over.
        told_until: unix seconds until which they can be.
    """

    participants: int
    holders: int
    keys: int
    lists: int
    evaluations: int
    contributors: int | None
    committee: str
    told: int
    refusals: tuple[str, ...]
    away: tuple[str, ...] = ()
    told_until: int = 0

    def lines(self) -> list[str]:
        """Say what is done, one sentence each, in order."""
        if not self.participants:
            return []
        said = [f"key holders: {self.keys} of {self.holders}"]
        if self.keys == self.holders:
            said.append(f"lists: {self.lists} of {self.participants} stores")
        if self.evaluations:
            said.append(f"evaluations: {self.evaluations} of {self.lists * self.holders}")
        if self.contributors is not None:
            said.append(
                f"tables: {self.contributors} stores in the sum; answers of the committee: {self.committee}"
            )
            said.append(f"counts: {self.told} of {self.contributors} stores have dealt with the sum")
        if self.refusals:
            said.append(f"refused the sum: {len(self.refusals)} ({', '.join(sorted(set(self.refusals)))})")
        if self.away:
            until = datetime.fromtimestamp(self.told_until, UTC).strftime("%Y-%m-%d %H:%M")
            said.append(f"can still be told, until {until} UTC: {', '.join(self.away)}")
        return said


def latest_matching(connection: sqlite3.Connection) -> Programme | None:
    """Return the matching asked for last, or None."""
    return latest_of_kind(connection, "matching")


def request_matching(
    connection: sqlite3.Connection, charter: Charter, key: Ed25519PrivateKey, *, now: int
) -> Programme:
    """Ask for a matching; `highstreet coop run` takes it up.

    Its id is drawn so that nobody holds a key who was silent as a holder in the matching before, where that
    failed. A coordinator can draw ids as often as it likes anyway: that one holder is honest rests on there
    being more of them than colluders, not on the lot.

    Args:
        connection: to coop.db.
        charter: the agreement in force.
        key: the coordinator's.
        now: unix seconds.

    Raises:
        ProgrammeRefusedError: something is under way, the charter matches nobody, or so many stores as count
            for each other cannot be matched.
    """
    with transaction(connection):
        refuse_second(connection)
        chosen = current_participants(connection, charter)
        _refuse_impossible(charter, chosen)
        _refuse_partial(charter, chosen, who_counts(connection, charter))
        silent = _silent_holders(connection)
        roster = roster_sha256(connection, charter, key)
        for _ in range(_DRAWS):
            programme_id = secrets.token_hex(8)
            holders = drawn_holders(
                chosen.member_ids,
                coop_id=charter.coop.id,
                matching_id=programme_id,
                roster_sha256=roster,
                colluders=charter.rounds.colluders,
            )
            if silent.isdisjoint(holders):
                break
        connection.execute(
            "INSERT INTO programmes (programme_id, number, requested_at, state, charter_sha256, as_of_day,"
            " kind) SELECT ?, coalesce(max(number), 0) + 1, ?, 'requested', ?, ?, 'matching' FROM programmes",
            (programme_id, now, charter.sha256(), now // _SECONDS_A_DAY),
        )
    found = programme(connection, programme_id)
    if found is None:
        raise ProgrammeRefusedError("The matching was not recorded.", next_step="Try again.")
    return found


def matching_progress(connection: sqlite3.Connection, programme_id: str) -> MatchingProgress:
    """Return how far a matching has come."""
    book = MatchingBook(connection)
    opened = book.found(programme_id)
    request = MatchingRequest() if opened is None else _request(opened.signed_request)
    counts = book.kept(programme_id, Part.COUNTS)
    until = book.told_until(programme_id)
    untold = book.untold(programme_id) if until else frozenset()
    table = next((each for each in round_summaries(connection, programme_id)), None)
    return MatchingProgress(
        participants=len(request.participants),
        holders=len(request.holders),
        keys=len(book.kept(programme_id, Part.KEY)),
        lists=len(book.kept(programme_id, Part.LIST)),
        evaluations=sum(not each.refusal for each in book.kept(programme_id, Part.EVALUATIONS)),
        contributors=None if table is None else table.contributors,
        committee="" if table is None else table.committee,
        told=sum(not each.refusal for each in counts),
        refusals=tuple(each.refusal for each in counts if each.refusal),
        away=tuple(
            sorted(member.name for member in current_members(connection) if member.member_id in untold)
        ),
        told_until=until,
    )


def _refuse_impossible(charter: Charter, chosen: Participants) -> None:
    """Say first what nobody can mend by waiting: that the charter matches nobody."""
    try:
        if charter.matching is not None:
            needed = max(chosen.needed, fewest_participants(charter))
            enough = replace(chosen, needed=needed)
            if not enough.are_enough:
                raise ProgrammeRefusedError(
                    f"A matching needs at least {needed} stores that all count for each other; of the "
                    f"{chosen.members} in the co-op {len(chosen.member_ids)} do.",
                    next_step=enough.next_step,
                )
        refuse_impossible_matching(charter, participants=len(chosen.member_ids))
    except CharterError as error:
        raise ProgrammeRefusedError(error.what, next_step=error.next_step) from error


def _refuse_partial(charter: Charter, chosen: Participants, counted: Mapping[str, frozenset[str]]) -> None:
    """Say what stores would refuse: a matching of so few of those who count that others fit beside it."""
    asked = len(chosen.member_ids)
    most = max(len(counted[member_id]) for member_id in chosen.member_ids)
    if not shares_stores(charter, participants=asked, counted=most):
        raise ProgrammeRefusedError(
            f"Of {most} stores that count for some, {asked} all count for each other: too few for a "
            "matching, as the others could be matched apart.",
            next_step="Let the shops' owners compare codes with `highstreet store vouch`; see who counts for "
            "whom with `highstreet coop members`.",
        )


def _silent_holders(connection: sqlite3.Connection) -> set[str]:
    """Return who gave no key, or did not evaluate all lists, in the latest matching if it failed."""
    latest, book = latest_matching(connection), MatchingBook(connection)
    opened = None if latest is None else book.found(latest.programme_id)
    if latest is None or opened is None or latest.state != "failed":
        return set()
    keys = {each.member_id for each in book.kept(latest.programme_id, Part.KEY)}
    holders = set(_request(opened.signed_request).holders)
    if holders - keys:
        return holders - keys
    lists = len(book.kept(latest.programme_id, Part.LIST))
    evaluations = [each.holder_id for each in book.kept(latest.programme_id, Part.EVALUATIONS)]
    return {holder for holder in holders if evaluations and evaluations.count(holder) < lists}


def _request(signed: bytes) -> MatchingRequest:
    return MatchingRequest.FromString(SignedMatchingRequest.FromString(signed).request)
