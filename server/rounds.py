"""A round as the coordinator sees it: what it asks, which replies it accepts, when asking is over. Pure."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from highstreet.audit.charter import Charter, RoundTerms
from highstreet.audit.errors import AuditError
from highstreet.audit.requests import FORMAT_VERSION, attestation_in, open_reply, release_spec
from highstreet.audit.signing import SignedDocument
from highstreet.models.plan import PhasePlan
from highstreet.protos.rounds_pb2 import REFUSAL_UNAVAILABLE, RefusalCode, RoundRequest
from highstreet.server.errors import OddReplyError
from highstreet.server.membership import Member

__all__ = [
    "Contributed",
    "Decision",
    "Refusal",
    "Tally",
    "build_request",
    "read_reply",
    "required_stores",
]

#: How long the others are waited for, at least, once the quorum has answered.
PATIENCE_SECONDS = 30.0
#: Stands among the refusal codes for a store that left the co-op.
_LEFT = "left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contributed:
    """A store's part of a round, as it signed it.

    Attributes:
        contribution: of the secure sum, not checked yet.
        attestation: that came with it, not checked yet; None: there was none.
    """

    contribution: bytes = field(repr=False)
    attestation: SignedDocument | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A store's signed "no", with its code."""

    code: RefusalCode

    @property
    def is_final(self) -> bool:
        """Whether asking again is of no use."""
        return int(self.code) != int(REFUSAL_UNAVAILABLE)

    @property
    def name(self) -> str:
        """The code's name, or `unknown` for a code this version does not know."""
        known: Mapping[int, str] = {number: name for name, number in RefusalCode.items()}
        return known.get(self.code, "unknown").removeprefix("REFUSAL_").lower()


class Decision(StrEnum):
    """What to do with an open round."""

    WAIT = "wait"
    CLOSE = "close"
    FAIL = "fail"


def required_stores(terms: RoundTerms, *, members: int) -> int:
    """Return how many stores must contribute: the cohort floor, and the quorum's share of those asked."""
    return max(terms.cohort_floor, math.ceil(terms.quorum * members))


@dataclass(slots=True, kw_only=True)
class Tally:
    """What has come in for one round.

    Attributes:
        members: how many stores were asked.
        required: how many must contribute.
        deadline: end of the round, seconds since 1970.
        opened_at: its start.
        contributors: ids of the stores whose contributions were taken.
        refused: why the others do not take part, by id.
    """

    members: int
    required: int
    opened_at: float
    deadline: float
    contributors: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    _quorum_at: float | None = None

    def contributed(self, member_id: str, *, now: float) -> None:
        """Count a store's contribution. The first answer of a store stands."""
        if not self.has_answered(member_id):
            self.contributors.add(member_id)
        if self._quorum_at is None and len(self.contributors) >= self.required:
            self._quorum_at = now

    def refuses(self, member_id: str, refusal: Refusal) -> None:
        """Count a store's refusal, unless it is to be asked again."""
        if refusal.is_final and not self.has_answered(member_id):
            self.refused[member_id] = refusal.name

    def left(self, member_id: str) -> None:
        """Count a store that is not a member any more: if it contributed that stands, else none will come."""
        if not self.has_answered(member_id):
            self.refused[member_id] = _LEFT

    def has_answered(self, member_id: str) -> bool:
        """Whether this store need not be asked again."""
        return member_id in self.contributors or member_id in self.refused

    def decide(self, *, now: float) -> Decision:
        """Say whether the asking is over.

        It closes when everybody has answered, or when the quorum has and the others were waited for as long
        again (at least PATIENCE_SECONDS), or at the deadline with a quorum. It fails when no quorum can come
        together any more.
        """
        enough = len(self.contributors) >= self.required
        if len(self.contributors) + len(self.refused) >= self.members:
            return Decision.CLOSE if enough else Decision.FAIL
        if self.members - len(self.refused) < self.required:
            return Decision.FAIL
        if now >= self.deadline:
            return Decision.CLOSE if enough else Decision.FAIL
        return Decision.CLOSE if enough and now >= self._patience_ends() else Decision.WAIT

    def failure(self, phase: str) -> str:
        """Say why the round failed, in one sentence with counts and codes only."""
        codes = ", ".join(sorted(set(self.refused.values()))) or "none"
        return (
            f"{len(self.contributors)} of {self.members} stores took part in phase {phase}, {self.required} "
            f"are required; refused: {len(self.refused)} (codes: {codes})."
        )

    def _patience_ends(self) -> float:
        if self._quorum_at is None:
            return self.deadline
        return self._quorum_at + max(PATIENCE_SECONDS, self._quorum_at - self.opened_at)


def build_request(  # noqa: PLR0913  # each is a field of the request
    charter: Charter,
    phase: PhasePlan,
    state: bytes,
    *,
    programme_id: str,
    roster_sha256: bytes,
    participants: Collection[str],
    opened_at: int,
    as_of_day: int,
    matching_table_sha256: bytes = b"",
) -> RoundRequest:
    """Describe one round completely: what is asked of whom, under which agreement, until when.

    The state travels beside the request; its hash is in it. `matching_table_sha256` names the table whose
    counts contributions are divided by; it is empty where the charter's weights hang on none.

    Raises:
        InvalidReleaseError: so many stores' sums have no room in one.
    """
    return RoundRequest(
        format_version=FORMAT_VERSION,
        coop_id=charter.coop.id,
        programme_id=programme_id,
        round=phase.index,
        phase=phase.name,
        charter_sha256=charter.sha256(),
        roster_sha256=roster_sha256,
        schema_sha256=bytes.fromhex(charter.plan.schema.sha256()),
        state_sha256=hashlib.sha256(state).digest(),
        cohort_floor=charter.rounds.cohort_floor,
        opened_unix_seconds=opened_at,
        deadline_unix_seconds=opened_at + charter.rounds.deadline_seconds,
        release=release_spec(phase, charter, participants=len(participants)),
        as_of_day=as_of_day,
        participants=sorted(participants),
        matching_table_sha256=matching_table_sha256,
    )


def read_reply(
    body: bytes, *, request: RoundRequest, request_sha256: bytes, member: Member
) -> Contributed | Refusal:
    """Return a store's answer when it is signed by that store and answers exactly this request.

    What is inside a contribution is for the secure sum to check.

    Raises:
        OddReplyError: anything else.
    """
    try:
        reply = open_reply(body, member_public_key=member.signing_public_key)
    except AuditError as error:
        raise OddReplyError("signature or form") from error
    expected = (FORMAT_VERSION, request.coop_id, member.member_id)
    if (reply.format_version, reply.coop_id, reply.member_id) != expected:
        raise OddReplyError("version, co-op or member")
    # A refusal names the request as well: one of another round, sent again, must not count in this one.
    if reply.request_sha256 != request_sha256:
        raise OddReplyError("another request")
    if reply.WhichOneof("outcome") == "refusal":
        return Refusal(code=reply.refusal)  # names no round where the store could not read which
    if (reply.programme_id, reply.round) != (request.programme_id, request.round):
        raise OddReplyError("another round")
    if reply.WhichOneof("outcome") != "contribution":
        raise OddReplyError("no outcome")
    return Contributed(contribution=reply.contribution, attestation=attestation_in(reply))
