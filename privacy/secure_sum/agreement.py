"""An agreement: a committee member's signed word that a set of contributors is the one it serves in a round.

An honest member agrees to one set per round, for good, and gives its share of a sum only over a set that t
members agreed to. As 2t > m + c there is at most one (docs/secure-sum.md, section 4, theorem 2).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.message import DecodeError

from highstreet.privacy.secure_sum.errors import SumRefusal, SumRefusedError
from highstreet.privacy.secure_sum.limits import AGREEMENT_LIMIT_BYTES, FORMAT_VERSION
from highstreet.privacy.secure_sum.round_context import RoundContext
from highstreet.privacy.secure_sum.signatures import Signed, is_signed_by, sign
from highstreet.protos.secure_sum_pb2 import SignedSumAgreement, SumAgreement, SumRefusalCode

__all__ = ["Agreement", "check_agreements", "open_agreement", "signed_agreement"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What a committee member said to an announced set, its signature checked.

    Attributes:
        member_id: who.
        position: its seat.
        set_sha256: the set it agrees to; empty when it refuses.
        refusal: None when it agrees.
        content: as signed.
        signature: the member's.
    """

    member_id: str
    position: int
    set_sha256: bytes
    refusal: SumRefusal | None
    content: bytes
    signature: bytes


def signed_agreement(
    context: RoundContext,
    member_id: str,
    key: Ed25519PrivateKey,
    outcome: bytes | SumRefusal,
) -> bytes:
    """Return a member's agreement to the set of that hash, or its refusal; the same bytes every time."""
    content = SumAgreement(
        format_version=FORMAT_VERSION,
        request_sha256=context.request_sha256,
        member_id=member_id,
        committee_sha256=context.committee.sha256(),
        set_sha256=None if isinstance(outcome, SumRefusal) else outcome,
        refusal=SumRefusalCode.Name(outcome) if isinstance(outcome, SumRefusal) else None,
    ).SerializeToString(deterministic=True)
    signature = sign(Signed.SUM_AGREEMENT, content, key)
    return SignedSumAgreement(agreement=content, signature=signature).SerializeToString(deterministic=True)


def open_agreement(body: bytes, context: RoundContext) -> Agreement:
    """Return an agreement or a refusal that a committee member signed for exactly this round and committee.

    Raises:
        SumRefusedError: UNREADABLE, VERSION, AGREEMENT_SEAT, AGREEMENT_SIGNATURE, AGREEMENT_REQUEST,
            AGREEMENT_COMMITTEE: the first that applies.
    """
    if len(body) > AGREEMENT_LIMIT_BYTES:
        raise SumRefusedError(SumRefusal.UNREADABLE)
    try:
        return _checked(SignedSumAgreement.FromString(body), context)
    except DecodeError:
        raise SumRefusedError(SumRefusal.UNREADABLE) from None


def check_agreements(
    agreements: Iterable[SignedSumAgreement], context: RoundContext, *, announced_sha256: bytes
) -> None:
    """Return only when at least t distinct committee members agree to the announced set, and nobody else.

    Raises:
        SumRefusedError: see `open_agreement`; AGREEMENT_SET, REPEATED_AGREEMENT, FEW_AGREEMENTS.
    """
    positions = set()
    for signed in agreements:
        agreement = _checked(signed, context)
        if agreement.set_sha256 != announced_sha256:
            raise SumRefusedError(SumRefusal.AGREEMENT_SET)
        if agreement.position in positions:
            raise SumRefusedError(SumRefusal.REPEATED_AGREEMENT)
        positions.add(agreement.position)
    if len(positions) < context.committee.threshold:
        raise SumRefusedError(SumRefusal.FEW_AGREEMENTS)


def _checked(signed: SignedSumAgreement, context: RoundContext) -> Agreement:
    message = _parsed(signed.agreement)
    position = context.committee.position(message.member_id)
    if position is None:
        raise SumRefusedError(SumRefusal.AGREEMENT_SEAT)
    key = context.committee.members[position - 1].signing_public_key
    if not is_signed_by(key, Signed.SUM_AGREEMENT, signed.agreement, signed.signature):
        raise SumRefusedError(SumRefusal.AGREEMENT_SIGNATURE)
    if message.request_sha256 != context.request_sha256:
        raise SumRefusedError(SumRefusal.AGREEMENT_REQUEST)
    if message.committee_sha256 != context.committee.sha256():
        raise SumRefusedError(SumRefusal.AGREEMENT_COMMITTEE)
    refuses = message.WhichOneof("outcome") == "refusal"
    return Agreement(
        member_id=message.member_id,
        position=position,
        set_sha256=message.set_sha256,
        refusal=SumRefusal.received(message.refusal) if refuses else None,
        content=signed.agreement,
        signature=signed.signature,
    )


def _parsed(content: bytes) -> SumAgreement:
    if len(content) > AGREEMENT_LIMIT_BYTES:
        raise SumRefusedError(SumRefusal.UNREADABLE)
    try:
        message = SumAgreement.FromString(content)
    except DecodeError:
        raise SumRefusedError(SumRefusal.UNREADABLE) from None
    if message.format_version != FORMAT_VERSION:
        raise SumRefusedError(SumRefusal.VERSION)
    if message.WhichOneof("outcome") is None:
        raise SumRefusedError(SumRefusal.UNREADABLE)
    return message
