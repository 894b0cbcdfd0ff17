"""A matching that was asked, rebuilt from what is on record: the same messages whenever they are sent."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from highstreet.audit.attestation import AttestedRound
from highstreet.audit.charter import Charter
from highstreet.audit.errors import AuditError
from highstreet.audit.matching_requests import matching_sha256, open_matching_request
from highstreet.audit.matchings import attested_list, matching_context
from highstreet.audit.requests import FORMAT_VERSION, attestation_in, open_reply
from highstreet.audit.signing import SignedDocument
from highstreet.privacy.matching import MatchingContext
from highstreet.protos.matching_pb2 import MatchingRequest, SignedMatchingRequest
from highstreet.protos.rounds_pb2 import (
    BlindCustomers,
    EvaluateLists,
    GiveTable,
    MatchReply,
    MatchStep,
    ReadCounts,
    RoundMessage,
    SignedRequest,
)
from highstreet.server.asked_round import roster_of
from highstreet.server.errors import DatabaseError, OddReplyError
from highstreet.server.matching_book import OpenMatching
from highstreet.server.membership import Member
from highstreet.server.rounds import Refusal

__all__ = ["AskedMatching", "MatchAnswer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchAnswer:
    """A store's part in a step of a matching, as it signed it.

    Attributes:
        said: not checked yet.
        attestation: that came with it, not checked yet; with a list and with nothing else.
    """

    said: MatchReply
    attestation: SignedDocument | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedMatching:
    """A matching between its opening and its end.

    Attributes:
        opened: as it is on record.
        signed: the request, as every store gets it.
        request: what it says.
        context: as stores derive it.
        participants: by id, in order; also those who left since.
        charter: in force.
    """

    opened: OpenMatching
    signed: SignedMatchingRequest
    request: MatchingRequest
    context: MatchingContext
    participants: Mapping[str, Member]
    charter: Charter

    @classmethod
    def rebuild(
        cls,
        opened: OpenMatching,
        *,
        charter: Charter,
        coordinator_public_key: bytes,
        members: Mapping[str, Member],
    ) -> AskedMatching:
        """Build a matching from its record.

        Args:
            opened: the record.
            charter: in force when it was opened, and still.
            coordinator_public_key: raw Ed25519.
            members: everybody who was ever a member, by id.

        Raises:
            AuditError, PrivacyError: the record is not of a matching of ours.
            DatabaseError: a participant is not on record.
        """
        signed = SignedMatchingRequest.FromString(opened.signed_request)
        request = open_matching_request(signed, coordinator_public_key=coordinator_public_key)
        if not set(request.participants) <= members.keys():
            raise DatabaseError(
                "coop.db names a matching's participant who is not in it.",
                next_step="Restore it from a backup.",
            )
        participants = {one: members[one] for one in request.participants}
        context = matching_context(
            request,
            matching_sha256(signed),
            charter=charter,
            roster=roster_of(charter.coop.id, participants),
        )
        return cls(
            opened=opened,
            signed=signed,
            request=request,
            context=context,
            participants=participants,
            charter=charter,
        )

    @property
    def holders(self) -> tuple[Member, ...]:
        """The members who hold keys."""
        return tuple(self.participants[one] for one in self.request.holders)

    def offer_message(self) -> bytes:
        """Return what asks a holder for its key."""
        return self._message(MatchStep(offer=True))

    def blind_message(self, keys: Collection[bytes]) -> bytes:
        """Return what asks a participant for its list."""
        return self._message(MatchStep(blind=BlindCustomers(keys=keys).SerializeToString()))

    def evaluate_message(self, keys: Collection[bytes], lists: Sequence[bytes]) -> bytes:
        """Return what asks a holder to evaluate lists."""
        return self._message(MatchStep(evaluate=EvaluateLists(keys=keys, lists=lists).SerializeToString()))

    def give_message(
        self, keys: Collection[bytes], evaluations: Sequence[bytes], table: SignedRequest
    ) -> bytes:
        """Return what asks a participant for its table."""
        asked = GiveTable(keys=keys, evaluations=evaluations, table=table)
        return self._message(MatchStep(give=asked.SerializeToString(deterministic=True)))

    def read_message(self, table: SignedRequest, evidence: bytes) -> bytes:
        """Return what shows a contributor the sum of all tables."""
        asked = ReadCounts(table=table, evidence=evidence)
        return self._message(MatchStep(read=asked.SerializeToString(deterministic=True)))

    def attested_list(self, member: Member, list_sha256: bytes) -> AttestedRound:
        """Return what a member's attestation of its list must be about."""
        return attested_list(
            self.request,
            self.context.request_sha256,
            charter=self.charter,
            member_id=member.member_id,
            list_sha256=list_sha256,
        )

    def read_reply(self, body: bytes, member: Member) -> MatchAnswer | Refusal:
        """Return a store's answer when it is signed by that store and answers exactly this matching.

        Raises:
            OddReplyError: anything else.
        """
        try:
            reply = open_reply(body, member_public_key=member.signing_public_key)
        except AuditError as error:
            raise OddReplyError("signature or form") from error
        expected = (FORMAT_VERSION, self.request.coop_id, member.member_id)
        if (reply.format_version, reply.coop_id, reply.member_id) != expected:
            raise OddReplyError("version, co-op or member")
        if reply.request_sha256 != self.context.request_sha256:
            raise OddReplyError("another request")
        if reply.WhichOneof("outcome") == "refusal":
            return Refusal(code=reply.refusal)
        if reply.WhichOneof("outcome") != "match":
            raise OddReplyError("no outcome")
        try:
            said = MatchReply.FromString(reply.match)
        except DecodeError as error:
            raise OddReplyError("signature or form") from error
        answer = MatchAnswer(said=said, attestation=attestation_in(reply))
        if (answer.attestation is None) == (said.WhichOneof("outcome") == "list"):
            raise OddReplyError("attestation: none where one belongs, or one where none does")
        return answer

    def _message(self, step: MatchStep) -> bytes:
        step.request.CopyFrom(self.signed)
        return RoundMessage(match=step).SerializeToString(deterministic=True)
