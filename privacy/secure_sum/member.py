"""The committee member: decides whether to answer an announced set, and answers one set per round."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from google.protobuf.message import DecodeError

from highstreet.privacy.secure_sum.announced_set import announcement, set_sha256
from highstreet.privacy.secure_sum.contribution import Header, read_header
from highstreet.privacy.secure_sum.errors import InvalidRoundError, SumRefusal, SumRefusedError
from highstreet.privacy.secure_sum.field import MODULUS, FieldVector, from_bytes, to_bytes
from highstreet.privacy.secure_sum.keystream import expand_seed
from highstreet.privacy.secure_sum.limits import (
    FORMAT_VERSION,
    HASH_BYTES,
    MAX_MEMBERS,
    SUM_REQUEST_LIMIT_BYTES,
)
from highstreet.privacy.secure_sum.round_context import RoundContext
from highstreet.privacy.secure_sum.sealing import open_box
from highstreet.privacy.secure_sum.signatures import Signed, is_signed_by, sign
from highstreet.privacy.secure_sum.wire import refuse_many_fields
from highstreet.protos.secure_sum_pb2 import SignedSumAnswer, SumAnswer, SumRefusalCode, SumRequest

__all__ = ["CommitteeSeat", "MemberKeys", "PreparedAnswer", "SeatState"]

#: Fields of a sum request besides its entries.
_OWN_FIELDS = 4


class SeatState(StrEnum):
    """Where a seat stands in its round."""

    OPEN = "open"
    ANSWERED = "answered"


@dataclass(frozen=True, slots=True)
class MemberKeys:
    """A committee member's own private keys.

    Attributes:
        signing: Ed25519, its identity.
        encryption: X25519, opens its boxes.
    """

    signing: Ed25519PrivateKey = field(repr=False)
    encryption: X25519PrivateKey = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitteeSeat:
    """One member's seat on the committee of one round; OPEN until it answers, then bound to that set.

    The whole state is `answered_set_sha256`: keep it durably, and build the seat from it after a crash. There
    must be one seat per member and round request, and a round number must never be contributed to under
    two requests; both are the caller's records.

    Attributes:
        context: the round, as this member checked it when it answered the request itself.
        member_id: this member; it has a seat.
        own_header_sha256: hash of its own contribution's header; None when it did not contribute.
        answered_set_sha256: the set it answered for; None while it has not.
    """

    context: RoundContext
    member_id: str
    own_header_sha256: bytes | None
    answered_set_sha256: bytes | None = None

    def __post_init__(self) -> None:
        if self.context.committee.position(self.member_id) is None:
            raise InvalidRoundError("This store has no seat on the round's committee.")
        for value in (self.own_header_sha256, self.answered_set_sha256):
            if value is not None and len(value) != HASH_BYTES:
                raise InvalidRoundError("A seat was restored from a hash that is not one.")

    @property
    def state(self) -> SeatState:
        """Whether a set was answered."""
        return SeatState.OPEN if self.answered_set_sha256 is None else SeatState.ANSWERED

    @property
    def position(self) -> int:
        """The seat, 1 .. m."""
        return _position(self.context, self.member_id)

    def prepare(self, sum_request: bytes, keys: MemberKeys) -> PreparedAnswer:
        """Check an announced set, open and add up its boxes; nothing may leave before it is recorded.

        Guarantee: a member that records before it answers gives its share of one sum per round, over at least
        `floor` distinct counted members, its own contribution as it sent it. The same set, asked again,
        gets the same bytes.

        Args:
            sum_request: as it came from the coordinator.
            keys: this member's own.

        Raises:
            SumRefusedError: with the code that may be sent back (see `refusal`); the seat stays as it was. A
                code tells of the announced set only, never of a vector.
            InvalidRoundError: the keys are not this member's.
        """
        self._check_keys(keys)
        message = _read_sum_request(sum_request)
        announced = self._announced_by_the_coordinator(message)
        headers = self._checked_headers(message)
        if self.answered_set_sha256 not in (None, announced):
            raise SumRefusedError(SumRefusal.SECOND_SET)
        total = self._summed_shares(message, headers, keys.encryption)
        body = self._signed_answer(keys.signing, set_sha256=announced, values=to_bytes(total))
        return PreparedAnswer(seat=replace(self, answered_set_sha256=announced), _body=body)

    def refusal(self, code: SumRefusal, keys: MemberKeys) -> bytes:
        """Return a signed refusal: the code and no word more."""
        self._check_keys(keys)
        return self._signed_answer(keys.signing, refusal=code)

    def _check_keys(self, keys: MemberKeys) -> None:
        member = self.context.committee.members[self.position - 1]
        own = (
            keys.signing.public_key().public_bytes_raw(),
            keys.encryption.public_key().public_bytes_raw(),
        )
        if own != (member.signing_public_key, member.encryption_public_key):
            raise InvalidRoundError("The keys of this store are not those the roster names for it.")

    def _announced_by_the_coordinator(self, message: SumRequest) -> bytes:
        """Return the hash of the set, when the coordinator announced it in this round to this member."""
        if message.request_sha256 != self.context.request_sha256:
            raise SumRefusedError(SumRefusal.OTHER_REQUEST)
        if message.member_id != self.member_id:
            raise SumRefusedError(SumRefusal.NOT_ADDRESSED)
        announced = set_sha256(hashlib.sha256(entry.header).digest() for entry in message.entries)
        signed = announcement(self.context.request_sha256, self.member_id, announced)
        if not is_signed_by(
            self.context.coordinator_public_key, Signed.SUM_REQUEST, signed, message.signature
        ):
            raise SumRefusedError(SumRefusal.COORDINATOR_SIGNATURE)
        return announced

    def _checked_headers(self, message: SumRequest) -> list[Header]:
        """Check all that can be checked of a set before a box is opened."""
        if len(message.entries) < self.context.floor:
            raise SumRefusedError(SumRefusal.FLOOR)
        headers = [read_header(entry.header, entry.signature, self.context) for entry in message.entries]
        if len({header.contributor_id for header in headers}) != len(headers):
            raise SumRefusedError(SumRefusal.REPEATED_CONTRIBUTOR)
        for header in headers:
            if header.contributor_id == self.member_id and header.sha256 != self.own_header_sha256:
                raise SumRefusedError(SumRefusal.OWN_CONTRIBUTION)
        return headers

    def _summed_shares(
        self, message: SumRequest, headers: list[Header], encryption_key: X25519PrivateKey
    ) -> FieldVector:
        """Open the boxes one after the other; at no time is more than one share in memory."""
        total = np.zeros(self.context.dimension, dtype=np.uint64)  # 1,024 values below 2^31 fit
        for entry, header in zip(message.entries, headers, strict=True):
            header.check_box(entry.box, self.context, self.position)
            label = header.box_label(self.context, self.position)
            share = open_box(entry.box, label, member_key=encryption_key)
            if self.position < self.context.committee.threshold:
                total += expand_seed(share, self.context.dimension)
            else:
                total += from_bytes(share, dimension=self.context.dimension)
        return (total % np.uint64(MODULUS)).astype(np.uint32)

    def _signed_answer(
        self,
        key: Ed25519PrivateKey,
        *,
        set_sha256: bytes = b"",
        values: bytes | None = None,
        refusal: SumRefusal | None = None,
    ) -> bytes:
        answer = SumAnswer(
            format_version=FORMAT_VERSION,
            request_sha256=self.context.request_sha256,
            member_id=self.member_id,
            set_sha256=set_sha256,
            values=values,
            refusal=None if refusal is None else SumRefusalCode.Name(refusal),
        ).SerializeToString(deterministic=True)
        signature = sign(Signed.SUM_ANSWER, answer, key)
        return SignedSumAnswer(answer=answer, signature=signature).SerializeToString(deterministic=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedAnswer:
    """An answer that is not given yet: it comes out only through a record of the set it is for.

    Attributes:
        seat: the seat as it is once this is recorded.
    """

    seat: CommitteeSeat
    _body: bytes = field(repr=False)

    def release(self, record: Callable[[bytes, bytes], None]) -> bytes:
        """Record the answer durably, then return it for sending.

        Args:
            record: keeps the set's hash and the answer, and returns only when a crash cannot undo it. It must
                raise when another set is already on record for this round.
        """
        announced = self.seat.answered_set_sha256
        if announced is None:
            raise InvalidRoundError("An answer was prepared for no set.")
        record(announced, self._body)
        return self._body


def _position(context: RoundContext, member_id: str) -> int:
    position = context.committee.position(member_id)
    if position is None:
        raise InvalidRoundError("This store has no seat on the round's committee.")
    return position


def _read_sum_request(body: bytes) -> SumRequest:
    if len(body) > SUM_REQUEST_LIMIT_BYTES:
        raise SumRefusedError(SumRefusal.UNREADABLE)
    refuse_many_fields(body, at_most=_OWN_FIELDS + MAX_MEMBERS)
    try:
        message = SumRequest.FromString(body)
    except DecodeError:
        raise SumRefusedError(SumRefusal.UNREADABLE) from None
    if message.format_version != FORMAT_VERSION:
        raise SumRefusedError(SumRefusal.VERSION)
    return message
