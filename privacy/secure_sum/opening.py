"""The opening: the coordinator collects contributions, has one set agreed to and opens its sum."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from highstreet.privacy.secure_sum.agreement import Agreement, open_agreement
from highstreet.privacy.secure_sum.announced_set import announce_to, set_sha256, with_boxes
from highstreet.privacy.secure_sum.answer import GivenReply, read_answer
from highstreet.privacy.secure_sum.contribution import OpenedContribution, open_contribution
from highstreet.privacy.secure_sum.errors import (
    BelowFloorError,
    InconsistentAnswersError,
    InvalidRoundError,
    MissingAgreementsError,
    MissingAnswersError,
    OpeningStateError,
    SumRefusal,
    SumRefusedError,
)
from highstreet.privacy.secure_sum.field import FieldVector, centre, from_bytes
from highstreet.privacy.secure_sum.inspections import Inspections
from highstreet.privacy.secure_sum.limits import FORMAT_VERSION
from highstreet.privacy.secure_sum.round_context import RoundContext
from highstreet.privacy.secure_sum.shamir import open_shares
from highstreet.privacy.secure_sum.signatures import Signed
from highstreet.protos.secure_sum_pb2 import SumAgreementRequest, SumHeader, SumRequest

__all__ = ["OpenedSum", "Opening", "OpeningState"]


class OpeningState(StrEnum):
    """Where the opening of a round stands."""

    COLLECTING = "collecting"
    ANNOUNCED = "announced"
    AGREED = "agreed"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedSum:
    """A sum, and what is known of how it came about.

    Attributes:
        values: shape (d,), int64, in -field.HALF .. field.HALF: the sum of the contributors' vectors mod p.
        contributors: ids, in order.
        answers: how many committee members' answers went into it or checked it.
        wrong: members whose answers contradict all others; empty does not mean checked, see `is_checked`.
        is_checked: whether there were more answers than the threshold, so that a single wrong answer or a
            malformed sharing would have been noticed.
    """

    values: NDArray[np.int64]
    contributors: tuple[str, ...]
    answers: int
    wrong: tuple[str, ...]
    is_checked: bool


class Opening:
    """The coordinator's side of one round.

    COLLECTING contributions; ANNOUNCED and collecting agreements to the set; AGREED, once t members did, and
    collecting answers. The t agreements that came first go out with the sum requests; later ones change
    nothing.

    After a crash, feed it the recorded contributions, set, agreements and answers again, in the order they
    came: each step is deterministic, and giving the same message twice changes nothing.
    """

    def __init__(self, context: RoundContext) -> None:
        self._context = context
        self._contributions: dict[str, OpenedContribution] = {}
        self._announced: tuple[str, ...] | None = None
        self._coordinator_key: Ed25519PrivateKey | None = None
        self._agreements: dict[int, Agreement] = {}
        self._answers: dict[int, FieldVector] = {}
        self._refusals: dict[str, SumRefusal] = {}

    @property
    def state(self) -> OpeningState:
        """Whether the set was announced, and agreed to by t members."""
        if self._announced is None:
            return OpeningState.COLLECTING
        return OpeningState.ANNOUNCED if self.missing_agreements else OpeningState.AGREED

    @property
    def contributors(self) -> tuple[str, ...]:
        """Ids of the announced set; of all contributions so far while there is none."""
        return tuple(sorted(self._contributions)) if self._announced is None else self._announced

    @property
    def refusals(self) -> dict[str, SumRefusal]:
        """Members who refused and have neither agreed nor answered since."""
        return dict(self._refusals)

    @property
    def missing_agreements(self) -> int:
        """How many agreements are missing before a member answers."""
        return max(0, self._context.committee.threshold - len(self._agreements))

    @property
    def missing_answers(self) -> int:
        """How many answers are missing before the sum can be opened."""
        return max(0, self._context.committee.threshold - len(self._answers))

    @property
    def set_sha256(self) -> bytes:
        """Hash of the announced set.

        Raises:
            OpeningStateError: none was announced.
        """
        return set_sha256(self._contributions[one].header.sha256 for one in self._announced_set())

    def add_contribution(self, body: bytes) -> str:
        """Take in a contribution; return its contributor's id.

        Raises:
            SumRefusedError: see `open_contribution`; REPEATED_CONTRIBUTOR for a second, different one.
            OpeningStateError: a set was announced; the contribution comes too late.
        """
        if self._announced is not None:
            raise OpeningStateError("A set was already announced; the contribution came too late.")
        opened = open_contribution(body, self._context)
        known = self._contributions.setdefault(opened.header.contributor_id, opened)
        if known.header.sha256 != opened.header.sha256:
            raise SumRefusedError(SumRefusal.REPEATED_CONTRIBUTOR)
        return opened.header.contributor_id

    def inspections(self, signing_key: Ed25519PrivateKey) -> Inspections:
        """Begin to have the committee look through what was contributed so far, before a set is announced.

        Args:
            signing_key: the coordinator's.
        """
        return Inspections(self._context, self._contributions, signing_key)

    def announce(self, signing_key: Ed25519PrivateKey, contributors: Collection[str] | None = None) -> bytes:
        """Settle the one set of this round; return its hash. Record it before an agreement request is sent.

        Args:
            signing_key: the coordinator's.
            contributors: ids, each of which contributed; everybody who did when None.

        Raises:
            BelowFloorError: too few.
            OpeningStateError: another set was announced, or somebody in it did not contribute.
            InvalidRoundError: the key is not the one the stores know.
        """
        if signing_key.public_key().public_bytes_raw() != self._context.coordinator_public_key:
            raise InvalidRoundError("The key is not the one that signed the round's request.")
        wanted = self.contributors if contributors is None else tuple(sorted(set(contributors)))
        if self._announced not in (None, wanted):
            raise OpeningStateError("Another set was already announced; committee members agree to one.")
        if not set(wanted) <= self._contributions.keys():
            raise OpeningStateError("A set names a store whose contribution is not here.")
        if len(wanted) < self._context.floor:
            raise BelowFloorError(contributions=len(wanted), floor=self._context.floor)
        self._announced, self._coordinator_key = wanted, signing_key
        return self.set_sha256

    def agreement_request(self, member_id: str) -> bytes:
        """Return the announced set as one committee member is asked to agree to it: headers and signatures.

        Raises:
            OpeningStateError: no set was announced.
            InvalidRoundError: the member has no seat.
        """
        announced = self._announced_set()
        self._position(member_id)
        request = SumAgreementRequest(
            format_version=FORMAT_VERSION,
            request_sha256=self._context.request_sha256,
            member_id=member_id,
            signature=self._announcement(Signed.SUM_AGREEMENT_REQUEST, member_id),
        )
        for contributor in announced:
            contribution = self._contributions[contributor]
            request.headers.add(header=contribution.header_bytes, signature=contribution.signature)
        return request.SerializeToString()

    def add_agreement(self, body: bytes) -> GivenReply:
        """Take in a committee member's agreement or its refusal to agree.

        Raises:
            SumRefusedError: see `open_agreement`; AGREEMENT_SET. What was taken in before stays.
            OpeningStateError: no set was announced.
        """
        announced = self.set_sha256
        agreement = open_agreement(body, self._context)
        if agreement.refusal is not None:
            if agreement.position not in self._agreements:
                self._refusals[agreement.member_id] = agreement.refusal
            return GivenReply(agreement.member_id, agreement.refusal)
        if agreement.set_sha256 != announced:
            raise SumRefusedError(SumRefusal.AGREEMENT_SET)
        if agreement.position not in self._agreements:
            self._agreements[agreement.position] = agreement
            self._refusals.pop(agreement.member_id, None)
        return GivenReply(agreement.member_id, None)

    def sum_request(self, member_id: str) -> bytes:
        """Return the agreed set as one committee member gets it: headers, its own boxes and t agreements.

        Any member may be asked, also one that has not agreed: it was away, and may be there now.

        Raises:
            OpeningStateError: no set was announced.
            MissingAgreementsError: fewer agreements than the threshold.
            InvalidRoundError: the member has no seat, or the request is over the limit.
        """
        announced = self._agreed_set()
        position = self._position(member_id)
        request = SumRequest(
            format_version=FORMAT_VERSION,
            request_sha256=self._context.request_sha256,
            member_id=member_id,
            signature=self._announcement(Signed.SUM_REQUEST, member_id),
        )
        chosen = (self._contributions[contributor] for contributor in announced)
        for agreement in list(self._agreements.values())[: self._context.committee.threshold]:
            request.agreements.add(agreement=agreement.content, signature=agreement.signature)
        return with_boxes(request, chosen, context=self._context, position=position)

    def missing_beyond(self, surplus: int) -> int:
        """How many answers are missing before there are so many beyond the threshold."""
        return max(0, self._context.committee.threshold + surplus - len(self._answers))

    def announced_headers(self) -> list[SumHeader]:
        """Return the signed headers of the announced set, in the order of contributors' ids.

        Raises:
            OpeningStateError: no set was announced.
        """
        announced = (self._contributions[one] for one in self._announced_set())
        return [SumHeader(header=each.header_bytes, signature=each.signature) for each in announced]

    def add_answer(self, body: bytes) -> GivenReply:
        """Take in a committee member's answer or refusal.

        Raises:
            SumRefusedError: UNREADABLE, VERSION, NOT_ON_COMMITTEE, MEMBER_SIGNATURE, OTHER_REQUEST,
                OTHER_SET, ANSWER_SIZE, SHARE_RANGE, REPEATED_ANSWER. What was taken in before stays.
            OpeningStateError: no set was announced.
            MissingAgreementsError: nobody was asked yet.
        """
        self._agreed_set()
        announced = self.set_sha256
        answer = read_answer(body, self._context)
        if answer.refusal is not None:
            if answer.position not in self._answers:
                self._refusals[answer.member_id] = answer.refusal
            return GivenReply(answer.member_id, answer.refusal)
        if answer.set_sha256 != announced:
            raise SumRefusedError(SumRefusal.OTHER_SET)
        if len(answer.values) != 4 * self._context.dimension:
            raise SumRefusedError(SumRefusal.ANSWER_SIZE)
        share = from_bytes(answer.values, dimension=self._context.dimension)
        if not np.array_equal(self._answers.setdefault(answer.position, share), share):
            raise SumRefusedError(SumRefusal.REPEATED_ANSWER)
        self._refusals.pop(answer.member_id, None)
        return GivenReply(answer.member_id, None)

    def open(self) -> OpenedSum:
        """Open the sum from the answers given so far; more answers may be added and it be opened again.

        Raises:
            MissingAnswersError: fewer answers than the threshold.
            InconsistentAnswersError: they contradict each other and the wrong ones cannot be told.
            OpeningStateError: no set was announced.
        """
        contributors = self._announced_set()
        threshold = self._context.committee.threshold
        count = len(self._answers)
        if count < threshold:
            raise MissingAnswersError(answers=count, threshold=threshold)
        opened = open_shares(self._answers, threshold=threshold)
        if opened is None:
            raise InconsistentAnswersError(answers=count, missing=self._missing_to_find_one_more())
        seats = self._context.committee.members
        return OpenedSum(
            values=centre(opened.secret),
            contributors=contributors,
            answers=count,
            wrong=tuple(seats[position - 1].member_id for position in sorted(opened.wrong)),
            is_checked=count > threshold,
        )

    def _announced_set(self) -> tuple[str, ...]:
        if self._announced is None:
            raise OpeningStateError("No set was announced yet.")
        return self._announced

    def _agreed_set(self) -> tuple[str, ...]:
        announced = self._announced_set()
        if self.missing_agreements:
            raise MissingAgreementsError(
                agreements=len(self._agreements), threshold=self._context.committee.threshold
            )
        return announced

    def _position(self, member_id: str) -> int:
        position = self._context.committee.position(member_id)
        if position is None:
            raise InvalidRoundError("A committee member is asked, and nobody else.")
        return position

    def _announcement(self, kind: Signed, member_id: str) -> bytes:
        """Return the coordinator's signature that announces the set to one member."""
        if self._coordinator_key is None:
            raise OpeningStateError("No set was announced yet.")
        return announce_to(
            member_id, self.set_sha256, kind=kind, context=self._context, key=self._coordinator_key
        )

    def _missing_to_find_one_more(self) -> int:
        surplus = len(self._answers) - self._context.committee.threshold
        missing = 2 - surplus % 2
        seats = len(self._context.committee.members)
        return missing if len(self._answers) + missing <= seats else 0
