"""A round that was asked, rebuilt from what is on record: the same messages whenever they are sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from highstreet.audit.attested_cost import CostBounds, matching_cost, training_cost
from highstreet.audit.charter import Charter
from highstreet.audit.requests import open_request, request_sha256
from highstreet.audit.roster import Member as RosterMember
from highstreet.audit.roster import Roster
from highstreet.audit.sums import round_context
from highstreet.privacy.secure_sum import Inspections, Opening, RoundContext
from highstreet.protos.rounds_pb2 import (
    ContributeStep,
    RoundMessage,
    RoundRequest,
    SignedRequest,
    SumStep,
)
from highstreet.server.checkpoints import OpenRound, Stage
from highstreet.server.errors import DatabaseError
from highstreet.server.membership import Member

__all__ = ["AskedRound", "roster_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedRound:
    """A round between its opening and its close.

    Attributes:
        opened: as it is on record.
        signed: the request, as every store gets it.
        request: what it says.
        sha256: the hash that names it.
        participants: who may contribute, by id, in order; also those who left since.
        context: of the secure sum.
        cost: what a store that contributes can have spent on it.
        opening: where its sum stands.
    """

    opened: OpenRound
    signed: SignedRequest
    request: RoundRequest
    sha256: bytes
    participants: Mapping[str, Member]
    context: RoundContext
    cost: CostBounds
    opening: Opening = field(repr=False)

    @classmethod
    def rebuild(
        cls,
        opened: OpenRound,
        *,
        charter: Charter,
        coordinator_public_key: bytes,
        members: Mapping[str, Member],
    ) -> AskedRound:
        """Build a round from its record.

        Args:
            opened: the record.
            charter: in force when it was opened, and still.
            coordinator_public_key: raw Ed25519.
            members: everybody who was ever a member, by id. An id keeps its keys for good, so the keys of the
                request's roster are known as long as this is.

        Raises:
            AuditError, SecureSumError: the record is not of a round of ours.
            DatabaseError: a participant is not on record.
        """
        signed = SignedRequest.FromString(opened.signed_request)
        request = open_request(signed, coordinator_public_key=coordinator_public_key)
        sha256 = request_sha256(signed)
        if not set(request.participants) <= members.keys():
            raise DatabaseError(
                "coop.db names a round's participant who is not in it.", next_step="Restore it from a backup."
            )
        participants = {member_id: members[member_id] for member_id in request.participants}
        context = round_context(
            request,
            sha256,
            charter=charter,
            roster=roster_of(charter.coop.id, participants),
            coordinator_public_key=coordinator_public_key,
        )
        return cls(
            opened=opened,
            signed=signed,
            request=request,
            sha256=sha256,
            participants=participants,
            context=context,
            cost=_cost(charter, request),
            opening=Opening(context),
        )

    @property
    def committee(self) -> tuple[Member, ...]:
        """The members who hold the shares of the sum, seat by seat."""
        return tuple(self.participants[seat.member_id] for seat in self.context.committee.members)

    def contribute_message(self) -> bytes:
        """Return what asks a store for its contribution: the same to all."""
        step = ContributeStep(request=self.signed, state=self.opened.state)
        return RoundMessage(contribute=step).SerializeToString(deterministic=True)

    def inspect_message(self, inspections: Inspections, member_id: str) -> bytes:
        """Return what asks a committee member which contributions it cannot use."""
        step = SumStep(request=self.signed, message=inspections.request(member_id))
        return RoundMessage(inspect=step).SerializeToString(deterministic=True)

    def committee_message(self, stage: Stage, member_id: str) -> bytes:
        """Return what asks a committee member for its agreement to the set, or for its share of the sum.

        Raises:
            OpeningStateError: no set was announced, or agreements are missing for this.
        """
        if stage is Stage.AGREEMENT:
            step = SumStep(request=self.signed, message=self.opening.agreement_request(member_id))
            message = RoundMessage(agree=step)
        else:
            step = SumStep(request=self.signed, message=self.opening.sum_request(member_id))
            message = RoundMessage(open=step)
        return message.SerializeToString(deterministic=True)


def _cost(charter: Charter, request: RoundRequest) -> CostBounds:
    if request.HasField("table"):
        return matching_cost(charter, participants=len(request.participants))
    return training_cost(charter, round_number=request.round)


def roster_of(coop_id: str, participants: Mapping[str, Member]) -> Roster:
    """Return the part of a request's roster that sums and matchings read: who the participants are."""
    members = tuple(
        RosterMember(
            member_id=member.member_id,
            name=member.name,
            signing_public_key=member.signing_public_key,
            encryption_public_key=member.encryption_public_key,
        )
        for member in participants.values()
    )
    return Roster(coop_id=coop_id, number=0, members=members)
