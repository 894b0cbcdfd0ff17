"""A matching as charter, roster and request describe it: the same for stores and coordinator.

Of a matching's time, which is six times as long as a round stays open, keys, lists, evaluations, tables and
their sum may each take as long as a round, and the rest is for telling what came of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import replace
from enum import IntEnum
from fractions import Fraction

from highstreet.audit.attestation import AttestedKind, AttestedRound
from highstreet.audit.charter import Charter, MatchingTerms, RoundTerms
from highstreet.audit.errors import CharterError
from highstreet.audit.matching_requests import FORMAT_VERSION
from highstreet.audit.requests import FORMAT_VERSION as ROUND_VERSION
from highstreet.audit.requests import MESSAGE_LIMIT_BYTES
from highstreet.audit.roster import Roster
from highstreet.audit.sums import committee_terms, counted_participants
from highstreet.privacy.errors import PrivacyError
from highstreet.privacy.matching import HolderKeys, MatchingContext, TableShape
from highstreet.privacy.secure_sum.limits import MAX_COMMITTEE, MAX_MEMBERS
from highstreet.protos.matching_pb2 import MatchingRequest
from highstreet.protos.rounds_pb2 import ReleaseSpec, RoundRequest, TableBinding

__all__ = [
    "TABLE_PHASE",
    "MatchingPart",
    "attested_list",
    "drawn_holders",
    "fewest_participants",
    "influence_of",
    "influences",
    "matching_context",
    "matching_request",
    "part_ends",
    "refuse_impossible_matching",
    "shares_stores",
    "table_floor",
    "table_release",
    "table_request",
]

TABLE_PHASE = "matching_table"
_TABLE_MECHANISM = "matching-table"
#: A matching's table is summed before any model there is.
_NO_STATE_SHA256 = hashlib.sha256(b"").digest()
_SECONDS_A_DAY = 86_400
#: What a message holds for each store besides its vector; generous.
_ENTRY_BYTES = 2 << 10


class MatchingPart(IntEnum):
    """A matching's parts, by when each has to be over: after so many times a round's deadline."""

    KEYS = 1
    LISTS = 2
    EVALUATIONS = 3
    TABLES = 4
    SUM = 5
    COUNTS = 6


def part_ends(charter: Charter, *, opened_at: int, part: MatchingPart) -> int:
    """Return until when a part of a matching may last, unix seconds."""
    return opened_at + part * charter.rounds.deadline_seconds


def drawn_holders(
    participants: Collection[str], *, coop_id: str, matching_id: str, roster_sha256: bytes, colluders: int
) -> tuple[str, ...]:
    """Return the key holders of a matching, in the order of their ids; everybody draws the same.

    Participants are ordered by SHA-256("highstreet/v1/matching-holders" || 0x00 || coop_id || matching_id ||
    roster_sha256 || member_id); the first c + 1 hold keys. The lot spreads the work and keeps no colluder
    out: c bounds them in the whole co-op, so that one holder of c + 1 is honest.
    """
    start = b"highstreet/v1/matching-holders\x00" + coop_id.encode() + matching_id.encode() + roster_sha256
    by_lot = sorted(participants, key=lambda one: hashlib.sha256(start + one.encode()).digest())
    return tuple(sorted(by_lot[: colluders + 1]))


def fewest_participants(charter: Charter) -> int:
    """Return how many participants a matching needs at least: t + c of the committee must answer.

    Raises:
        CharterError: with this committee size no number would do.
    """
    rounds = charter.rounds
    found = _fewest(rounds)
    if found is not None:
        return found
    enough = next(
        (size for size in range(rounds.committee_size + 1, MAX_COMMITTEE + 1) if _fewest(rounds, size=size)),
        None,
    )
    raise CharterError(
        f"No matching can be held with a committee of {rounds.committee_size} of which "
        f"{rounds.colluders} may collude: too few would be left to show who lies.",
        next_step=f"Raise committee_size in the charter's section `rounds`, to {enough} or more."
        if enough
        else "Lower colluders in the charter's section `rounds`: no committee is large enough for so many.",
    )


def refuse_impossible_matching(charter: Charter, *, participants: int) -> None:
    """Return only when so many members can be matched under this charter.

    Raises:
        CharterError: they are too few, or their table has no room in the secure sum or in a message.
    """
    terms, needed = _terms(charter), fewest_participants(charter)
    if participants < needed:
        raise CharterError(
            f"A matching needs at least {needed} stores that all count for each other, not {participants}.",
            next_step="Invite more with `highstreet coop invite NAME`.",
        )
    try:
        dimension = _shape(terms, participants).dimension
    except PrivacyError as error:
        raise CharterError(error.what, next_step=_FEWER) from error
    committee = committee_terms(charter.rounds)
    answers = committee.threshold(committee.seats(participants)) + committee.colluders
    largest = max(participants, answers) * 4 * dimension + participants * _ENTRY_BYTES
    if largest > MESSAGE_LIMIT_BYTES:
        raise CharterError(
            f"{participants} stores with {terms.identifiers_per_store} identifiers each cannot be matched: "
            f"a message of their table's sum is over {MESSAGE_LIMIT_BYTES >> 20} MiB.",
            next_step=_FEWER,
        )


def influences(charter: Charter) -> tuple[tuple[int, Fraction], ...]:
    """Return how many shops a matching may have, and how often one person in it changes what others read.

    Returns:
        Pairs of the most participants and `TableShape.influence` in a matching of up to so many, both rising;
        the last is for the most that are not refused. Empty: every number of participants is refused.

    Raises:
        CharterError: the charter matches nobody.
    """
    terms = _terms(charter)
    found: dict[int, tuple[int, Fraction]] = {}
    for participants in range(1, MAX_MEMBERS + 1):
        try:
            refuse_impossible_matching(charter, participants=participants)
        except CharterError:
            if found:
                break
            continue
        shape = _shape(terms, participants)
        found[shape.rows] = (participants, shape.influence)
    return tuple(found.values())


def influence_of(charter: Charter, *, participants: int) -> Fraction:
    """Return how often one person changes what others read in a matching of so many: it adds to delta.

    Raises:
        CharterError: the charter matches nobody.
    """
    return _shape(_terms(charter), participants).influence


def matching_request(
    charter: Charter,
    *,
    matching_id: str,
    roster_sha256: bytes,
    participants: Collection[str],
    opened_at: int,
) -> MatchingRequest:
    """Describe a matching completely: of whom, under which agreement, until when.

    Raises:
        CharterError: the charter matches nobody.
    """
    terms = _terms(charter)
    return MatchingRequest(
        format_version=FORMAT_VERSION,
        coop_id=charter.coop.id,
        matching_id=matching_id,
        charter_sha256=charter.sha256(),
        roster_sha256=roster_sha256,
        participants=sorted(participants),
        holders=drawn_holders(
            participants,
            coop_id=charter.coop.id,
            matching_id=matching_id,
            roster_sha256=roster_sha256,
            colluders=charter.rounds.colluders,
        ),
        identifiers_per_store=terms.identifiers_per_store,
        identifier_kind=terms.identifier_kind,
        opened_unix_seconds=opened_at,
        deadline_unix_seconds=part_ends(charter, opened_at=opened_at, part=MatchingPart.COUNTS),
    )


def matching_context(
    request: MatchingRequest, request_sha256: bytes, *, charter: Charter, roster: Roster
) -> MatchingContext:
    """Return what everybody must agree on before a message of the matching arrives.

    Args:
        request: already checked by whoever asks.
        request_sha256: names it.
        charter: in force.
        roster: the one the request names.

    Raises:
        RosterError: a participant is not on the roster.
        InvalidRoundError, InvalidMatchingError: keys of low order, or holders that are no participants.
    """
    return MatchingContext(
        coop_id=request.coop_id,
        matching_id=request.matching_id,
        request_sha256=request_sha256,
        members=counted_participants(roster, request.participants),
        holder_ids=tuple(request.holders),
        colluders=charter.rounds.colluders,
        identifiers_per_store=request.identifiers_per_store,
    )


def attested_list(
    request: MatchingRequest,
    request_sha256: bytes,
    *,
    charter: Charter,
    member_id: str,
    list_sha256: bytes,
) -> AttestedRound:
    """Return what a member's attestation of its blinded list must be about; of a table see `attested_round`.

    Args:
        request: of the matching.
        request_sha256: names it.
        charter: in force.
        member_id: whose list it is.
        list_sha256: of the list as it is signed.
    """
    return AttestedRound(
        kind=AttestedKind.MATCHING_LIST,
        coop_id=request.coop_id,
        member_id=member_id,
        programme_id=request.matching_id,
        round=0,
        request_sha256=request_sha256,
        model_sha256=_NO_STATE_SHA256,
        cohort_floor=table_floor(charter, participants=len(request.participants)),
        contribution_sha256=list_sha256,
    )


def table_floor(charter: Charter, *, participants: int) -> int:
    """Return the fewest tables that are summed: f with 2 f > participants + c, and the charter's floor.

    Where everybody who counts is asked, two such sums have more than c stores' tables in common, so an honest
    store's. As that store gives one table in the charter's period, there is one sum in it.
    """
    rounds = charter.rounds
    return max(rounds.cohort_floor, (participants + rounds.colluders) // 2 + 1)


def shares_stores(charter: Charter, *, participants: int, counted: int) -> bool:
    """Say whether the sum of a matching has more than c tables in common with any other's.

    Args:
        charter: in force.
        participants: how many are asked.
        counted: how many count for whoever wants to know, the participants among them.
    """
    return 2 * table_floor(charter, participants=participants) > counted + charter.rounds.colluders


def table_release(charter: Charter, *, participants: int) -> ReleaseSpec:
    """Describe the sum of a matching's tables: no release, as nothing of it can be read without the mask.

    Raises:
        CharterError: the charter matches nobody.
        InvalidMatchingError: so large a table has no room.
    """
    return ReleaseSpec(
        mechanism=_TABLE_MECHANISM,
        dimension=_shape(_terms(charter), participants).dimension,
        colluders=charter.rounds.colluders,
    )


def table_request(
    charter: Charter, matching: MatchingRequest, keys: HolderKeys, *, opened_at: int
) -> RoundRequest:
    """Describe the secure sum of a matching's tables, bound to the matching and to its holders' keys."""
    return RoundRequest(
        format_version=ROUND_VERSION,
        coop_id=charter.coop.id,
        programme_id=matching.matching_id,
        round=0,
        phase=TABLE_PHASE,
        charter_sha256=charter.sha256(),
        roster_sha256=matching.roster_sha256,
        schema_sha256=bytes.fromhex(charter.plan.schema.sha256()),
        state_sha256=_NO_STATE_SHA256,
        cohort_floor=table_floor(charter, participants=len(matching.participants)),
        opened_unix_seconds=opened_at,
        deadline_unix_seconds=opened_at + charter.rounds.deadline_seconds,
        release=table_release(charter, participants=len(matching.participants)),
        as_of_day=opened_at // _SECONDS_A_DAY,
        participants=matching.participants,
        table=TableBinding(matching_sha256=keys.context.request_sha256, keys_sha256=keys.sha256()),
    )


def _fewest(rounds: RoundTerms, *, size: int | None = None) -> int | None:
    """Return the fewest participants for whose committee t + c of m seats are there; None: no number does."""
    terms = committee_terms(rounds if size is None else replace(rounds, committee_size=size))
    for participants in range(rounds.cohort_floor, max(rounds.cohort_floor, MAX_COMMITTEE) + 1):
        seats = terms.seats(participants)
        if terms.threshold(seats) + terms.colluders <= seats:
            return participants
    return None


_FEWER = "Let the charter's section `matching` name fewer identifiers_per_store."


def _terms(charter: Charter) -> MatchingTerms:
    if charter.matching is None:
        raise CharterError(
            "This co-op's charter matches nobody: it has no section `matching`.",
            next_step="Agree on one with all members, sign it with `highstreet coop charter sign`, and let "
            "them join anew.",
        )
    return charter.matching


def _shape(terms: MatchingTerms, participants: int) -> TableShape:
    return TableShape(stores=participants, identifiers_per_store=terms.identifiers_per_store)
