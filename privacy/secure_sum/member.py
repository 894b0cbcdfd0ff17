"""The committee member: looks boxes through, agrees to one set per round, gives its share of the sum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from highstreet.privacy.secure_sum.agreement import check_agreements, signed_agreement
from highstreet.privacy.secure_sum.announced_set import AnnouncedSet, read_announced_set
from highstreet.privacy.secure_sum.answer import signed_answer, signed_refusal
from highstreet.privacy.secure_sum.contribution import Header
from highstreet.privacy.secure_sum.errors import InvalidRoundError, SumRefusal, SumRefusedError
from highstreet.privacy.secure_sum.field import (
    PART,
    Buffer,
    FieldVector,
    add,
    bytes_of,
    from_bytes,
    parts,
)
from highstreet.privacy.secure_sum.inspection import signed_inspection
from highstreet.privacy.secure_sum.keystream import SeededVector
from highstreet.privacy.secure_sum.limits import HASH_BYTES
from highstreet.privacy.secure_sum.round_context import RoundContext
from highstreet.privacy.secure_sum.sealing import open_box
from highstreet.privacy.secure_sum.set_messages import SetMessage, read_set_message
from highstreet.protos.secure_sum_pb2 import (
    SumAgreementRequest,
    SumInspectionRequest,
    SumRequest,
)

__all__ = ["CommitteeSeat", "MemberKeys", "PreparedReply", "SeatState"]

#: What is wrong with a box that its contributor signed, and nobody else can have made.
_BAD_BOX = frozenset({SumRefusal.BOX_SEAL, SumRefusal.SHARE_RANGE})


class SeatState(StrEnum):
    """Where a seat stands in its round."""

    OPEN = "open"
    AGREED = "agreed"


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
    """One member's seat on the committee of one round; OPEN until it agrees to a set, then bound to that set.

    The whole state is `agreed_set_sha256`: keep it durably, and build the seat from it after a crash. There
    must be one seat per member and round request, and a round number must never be contributed to under
    two requests; both are the caller's records.

    Attributes:
        context: the round, as this member checked it when it answered the request itself.
        member_id: this member; it has a seat.
        own_header_sha256: hash of its own contribution's header; None when it did not contribute.
        agreed_set_sha256: the set it agreed to or answered for; None while there is none.
    """

    context: RoundContext
    member_id: str
    own_header_sha256: bytes | None
    agreed_set_sha256: bytes | None = None

    def __post_init__(self) -> None:
        if self.context.committee.position(self.member_id) is None:
            raise InvalidRoundError("This store has no seat on the round's committee.")
        for value in (self.own_header_sha256, self.agreed_set_sha256):
            if value is not None and len(value) != HASH_BYTES:
                raise InvalidRoundError("A seat was restored from a hash that is not one.")

    @property
    def state(self) -> SeatState:
        """Whether a set was agreed to."""
        return SeatState.OPEN if self.agreed_set_sha256 is None else SeatState.AGREED

    @property
    def position(self) -> int:
        """The seat, 1 .. m."""
        return _position(self.context, self.member_id)

    def inspect(self, inspection_request: bytes, keys: MemberKeys) -> bytes:
        """Look contributions through; say which of them hold no share for this seat.

        It binds this member to nothing and may be asked for again, of other contributions too. What comes
        out is the same whatever honest contributors shared: their boxes open, and hold a share.

        Args:
            inspection_request: as it came from the coordinator.
            keys: this member's own.

        Raises:
            SumRefusedError: with the code that may be sent back (see `inspection_refusal`); BOX_DIGEST or
                BOX_SIZE for a box that is not the one its contributor signed.
            InvalidRoundError: the keys are not this member's.
        """
        self._check_keys(keys)
        read = read_set_message(inspection_request, SumInspectionRequest)
        shown = self._sound_set(read.message)
        bad = [
            header.sha256
            for box, header in zip(read.boxes, shown.headers, strict=True)
            if not self._is_usable(box, header, keys.encryption)
        ]
        return signed_inspection(self.context, self.member_id, keys.signing, (shown.sha256, bad))

    def agree(self, agreement_request: bytes, keys: MemberKeys) -> PreparedReply:
        """Check an announced set and sign an agreement to it; nothing may leave before it is recorded.

        Guarantee: a member that records before it agrees, agrees to one set per round, over at least `floor`
        distinct counted members, its own contribution as it sent it. The same set, asked again, gets the same
        bytes.

        Args:
            agreement_request: as it came from the coordinator.
            keys: this member's own.

        Raises:
            SumRefusedError: with the code that may be sent back (see `agreement_refusal`); the seat stays as
                it was.
            InvalidRoundError: the keys are not this member's.
        """
        self._check_keys(keys)
        announced = self._checked_set(read_set_message(agreement_request, SumAgreementRequest).message)
        body = signed_agreement(self.context, self.member_id, keys.signing, announced.sha256)
        return PreparedReply(seat=replace(self, agreed_set_sha256=announced.sha256), _body=body)

    def prepare(self, sum_request: bytes, keys: MemberKeys) -> PreparedReply:
        """Add up the boxes of a set that t members agreed to; nothing may leave before it is recorded.

        Guarantee: a member that records before it answers gives its share of one sum per round, over the set
        it agreed to itself. One that was away until now is bound to this set by its answer, as if it had
        agreed first. The same set, asked again, gets the same bytes.

        Args:
            sum_request: as it came from the coordinator.
            keys: this member's own.

        Raises:
            SumRefusedError: with the code that may be sent back (see `refusal`); the seat stays as it was. A
                code tells of the announced set only, never of a vector.
            InvalidRoundError: the keys are not this member's.
        """
        self._check_keys(keys)
        read = read_set_message(sum_request, SumRequest)
        announced = self._checked_set(read.message)
        check_agreements(read.message.agreements, self.context, announced_sha256=announced.sha256)
        total = self._summed_shares(read.boxes, announced, keys.encryption)
        body = signed_answer(
            self.context,
            self.member_id,
            keys.signing,
            set_sha256=announced.sha256,
            values=bytes_of(total),
        )
        return PreparedReply(seat=replace(self, agreed_set_sha256=announced.sha256), _body=body)

    def inspection_refusal(self, code: SumRefusal, keys: MemberKeys) -> bytes:
        """Return a signed refusal to look: the code and no word more."""
        self._check_keys(keys)
        return signed_inspection(self.context, self.member_id, keys.signing, code)

    def agreement_refusal(self, code: SumRefusal, keys: MemberKeys) -> bytes:
        """Return a signed refusal to agree: the code and no word more."""
        self._check_keys(keys)
        return signed_agreement(self.context, self.member_id, keys.signing, code)

    def refusal(self, code: SumRefusal, keys: MemberKeys) -> bytes:
        """Return a signed refusal to answer: the code and no word more."""
        self._check_keys(keys)
        return signed_refusal(self.context, self.member_id, keys.signing, code)

    def _check_keys(self, keys: MemberKeys) -> None:
        member = self.context.committee.members[self.position - 1]
        own = (
            keys.signing.public_key().public_bytes_raw(),
            keys.encryption.public_key().public_bytes_raw(),
        )
        if own != (member.signing_public_key, member.encryption_public_key):
            raise InvalidRoundError("The keys of this store are not those the roster names for it.")

    def _checked_set(self, message: SumAgreementRequest | SumRequest) -> AnnouncedSet:
        """Return a set this member may be bound to: sound, with its own contribution, and no second one."""
        announced = self._sound_set(message)
        if self.agreed_set_sha256 not in (None, announced.sha256):
            raise SumRefusedError(SumRefusal.SECOND_SET)
        return announced

    def _sound_set(self, message: SetMessage) -> AnnouncedSet:
        """Return a set that fits the round, with its own contribution as this member sent it."""
        shown = read_announced_set(message, self.context, self.member_id)
        for header in shown.headers:
            if header.contributor_id == self.member_id and header.sha256 != self.own_header_sha256:
                raise SumRefusedError(SumRefusal.OWN_CONTRIBUTION)
        return shown

    def _is_usable(self, box: Buffer, header: Header, encryption_key: X25519PrivateKey) -> bool:
        try:
            opened = self._opened(box, header, encryption_key)
            if self.position >= self.context.committee.threshold:  # any 32 bytes are a seed
                from_bytes(opened, dimension=self.context.dimension)
        except SumRefusedError as error:
            if error.code not in _BAD_BOX:
                raise
            return False
        return True

    def _opened(self, box: Buffer, header: Header, encryption_key: X25519PrivateKey) -> bytes:
        """Return what is in a box, which is the one its contributor signed."""
        header.check_box(box, self.context, self.position)
        label = header.box_label(self.context, self.position)
        return open_box(box, label, member_key=encryption_key)

    def _summed_shares(
        self, boxes: Sequence[Buffer], announced: AnnouncedSet, encryption_key: X25519PrivateKey
    ) -> FieldVector:
        """Open the boxes one after the other; at no time is more than one share in memory."""
        dimension = self.context.dimension
        total = np.zeros(dimension, dtype=np.uint32)
        read, spare = np.empty((2, min(PART, dimension)), dtype=np.uint32)
        for box, header in zip(boxes, announced.headers, strict=True):
            share = self._opened(box, header, encryption_key)
            is_seed = self.position < self.context.committee.threshold
            vector = SeededVector(share) if is_seed else from_bytes(share, dimension=dimension)
            for where in parts(dimension):
                part = total[where]
                if isinstance(vector, SeededVector):
                    addend = read[: len(part)]
                    vector.read_into(addend)
                else:
                    addend = vector[where]
                add(part, addend, out=part, spare=spare[: len(part)])
        return total


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedReply:
    """An agreement or an answer that is not given yet: it comes out only through a record of its set.

    Attributes:
        seat: the seat as it is once the set is recorded.
    """

    seat: CommitteeSeat
    _body: bytes = field(repr=False)

    def release(self, record: Callable[[bytes], None]) -> bytes:
        """Record the set durably, then return the reply for sending.

        Args:
            record: keeps the set's hash, and returns only when a crash cannot undo it. It must raise when
                another set is already on record for this round, and may do nothing when this one is. The hash
                is all there is to keep: the same request gets the same reply again.
        """
        announced = self.seat.agreed_set_sha256
        if announced is None:
            raise InvalidRoundError("A reply was prepared for no set.")
        record(announced)
        return self._body


def _position(context: RoundContext, member_id: str) -> int:
    position = context.committee.position(member_id)
    if position is None:
        raise InvalidRoundError("This store has no seat on the round's committee.")
    return position
