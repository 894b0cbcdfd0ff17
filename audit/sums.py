"""A round's secure sum as charter, request and roster describe it: the same for stores and coordinator."""

from __future__ import annotations

from collections.abc import Collection

from highstreet.audit.charter import Charter, RoundTerms
from highstreet.audit.errors import CharterError, RosterError
from highstreet.audit.requests import MESSAGE_LIMIT_BYTES, mechanism_of
from highstreet.audit.roster import Roster
from highstreet.audit.weights import rounding_shops
from highstreet.models.plan import PhasePlan
from highstreet.privacy.errors import PrivacyError
from highstreet.privacy.secure_sum import (
    CommitteeTerms,
    CountedMembers,
    Member,
    RoundContext,
    choose_committee,
)
from highstreet.protos.rounds_pb2 import RoundRequest

__all__ = [
    "committee_terms",
    "counted_participants",
    "refuse_impossible_sum",
    "refuse_impossible_sums",
    "round_context",
    "sum_deadline",
]

#: What a message holds besides the shares: request, headers, signatures, agreements; generous.
_ENTRY_BYTES = 2 << 10


#: The sum is opened after the contributions came in: that may take as long again.
_DEADLINES = 2


def sum_deadline(charter: Charter, *, opened_at: int) -> int:
    """Return until when a round's sum may be opened, unix seconds; afterwards no store gives anything for it.

    Args:
        charter: in force.
        opened_at: when the round was opened, unix seconds, as its request says.
    """
    return opened_at + _DEADLINES * charter.rounds.deadline_seconds


def committee_terms(rounds: RoundTerms) -> CommitteeTerms:
    """Return what a charter says of its committees.

    Raises:
        InvalidTermsError: seats, colluders and floor do not go together.
    """
    return CommitteeTerms(
        committee_size=rounds.committee_size, colluders=rounds.colluders, floor=rounds.cohort_floor
    )


def refuse_impossible_sums(charter: Charter) -> None:
    """Return only when the sums of all phases can be taken, for as few stores as the floor.

    And, where a person's shops all round, for as many as those: with fewer there is less to pay for.

    Raises:
        CharterError: seats, colluders and floor do not go together, or see `refuse_impossible_sum`.
    """
    try:
        committee_terms(charter.rounds)
    except PrivacyError as error:
        raise CharterError(error.what, next_step="Change the charter's section `rounds`.") from error
    floor = charter.rounds.cohort_floor
    for participants in sorted({floor, max(floor, rounding_shops(charter.privacy))}):
        for phase in charter.plan.phases:
            refuse_impossible_sum(phase, charter, participants=participants)


def refuse_impossible_sum(phase: PhasePlan, charter: Charter, *, participants: int) -> None:
    """Return only when the sum of a phase can be taken over so many stores.

    Raises:
        CharterError: it has no noise, no room in the field, or no room in a message.
        InvalidTermsError: seats, colluders and floor do not go together.
    """
    try:
        mechanism_of(phase, charter, participants=participants)
    except PrivacyError as error:
        raise CharterError(
            f"Phase {phase.index} ({phase.name}) cannot be summed over {participants} stores. {error.what}",
            next_step=error.next_step or "Change the phase's dimension or noise_multiplier.",
        ) from error
    terms = committee_terms(charter.rounds)
    seats = terms.seats(participants)
    # A committee member gets a vector from each; a contribution holds one per seat from the threshold on.
    vectors = max(participants, seats - terms.threshold(seats) + 1)
    if vectors * (4 * phase.dimension + _ENTRY_BYTES) > MESSAGE_LIMIT_BYTES:
        raise CharterError(
            f"Phase {phase.index} ({phase.name}) cannot be summed over {participants} stores: with "
            f"{phase.dimension} numbers each, a message of the secure sum is over "
            f"{MESSAGE_LIMIT_BYTES >> 20} MiB.",
            next_step="Lower the phase's dimension.",
        )


def round_context(
    request: RoundRequest,
    request_sha256: bytes,
    *,
    charter: Charter,
    roster: Roster,
    coordinator_public_key: bytes,
) -> RoundContext:
    """Return what everybody must agree on before a message of a round's secure sum arrives.

    Args:
        request: of the round, already checked by whoever asks.
        request_sha256: names it.
        charter: in force.
        roster: the one the request names.
        coordinator_public_key: raw Ed25519 key that signed the request.

    Raises:
        RosterError: a participant is not on the roster.
        InvalidRoundError: fewer participants than the floor, or a key of low order.
    """
    members = counted_participants(roster, request.participants)
    terms = committee_terms(charter.rounds)
    return RoundContext(
        coop_id=request.coop_id,
        request_sha256=request_sha256,
        coordinator_public_key=coordinator_public_key,
        members=members,
        committee=choose_committee(
            members,
            coop_id=request.coop_id,
            programme_id=request.programme_id,
            round_number=request.round,
            roster_sha256=request.roster_sha256,
            terms=terms,
        ),
        floor=request.cohort_floor,
        dimension=request.release.dimension,
    )


def counted_participants(roster: Roster, participants: Collection[str]) -> CountedMembers:
    """Return the participants of a request as its roster names them.

    Raises:
        RosterError: one is not on the roster.
        InvalidRoundError: a key of low order, or two members with one key.
    """
    return CountedMembers(_participant(roster, member_id) for member_id in participants)


def _participant(roster: Roster, member_id: str) -> Member:
    member = roster.member(member_id)
    if member is None:
        raise RosterError("A participant of the round is not on its roster.")
    return Member(
        member_id=member.member_id,
        signing_public_key=member.signing_public_key,
        encryption_public_key=member.encryption_public_key,
    )
