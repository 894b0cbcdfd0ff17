"""A round's secure sum as charter, request and roster describe it: the same for stores and coordinator."""

from __future__ import annotations

from highstreet.audit.charter import Charter, RoundTerms
from highstreet.audit.errors import RosterError
from highstreet.audit.roster import Roster
from highstreet.privacy.secure_sum import (
    CommitteeTerms,
    CountedMembers,
    Member,
    RoundContext,
    choose_committee,
)
from highstreet.protos.rounds_pb2 import RoundRequest

__all__ = ["committee_terms", "round_context"]


def committee_terms(rounds: RoundTerms) -> CommitteeTerms:
    """Return what a charter says of its committees.

    Raises:
        InvalidTermsError: seats, colluders and floor do not go together.
    """
    return CommitteeTerms(
        committee_size=rounds.committee_size, colluders=rounds.colluders, floor=rounds.cohort_floor
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
    members = CountedMembers(_participant(roster, member_id) for member_id in request.participants)
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


def _participant(roster: Roster, member_id: str) -> Member:
    member = roster.member(member_id)
    if member is None:
        raise RosterError("A participant of the round is not on its roster.")
    return Member(
        member_id=member.member_id,
        signing_public_key=member.signing_public_key,
        encryption_public_key=member.encryption_public_key,
    )
