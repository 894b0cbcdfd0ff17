"""An answer: a committee member's share of the sum over the agreed set, or a code why it gives none."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.message import DecodeError

from highstreet.privacy.secure_sum.errors import SumRefusal, SumRefusedError
from highstreet.privacy.secure_sum.limits import ANSWER_LIMIT_BYTES, FORMAT_VERSION
from highstreet.privacy.secure_sum.round_context import RoundContext
from highstreet.privacy.secure_sum.signatures import Signed, is_signed_by, sign
from highstreet.protos.secure_sum_pb2 import SignedSumAnswer, SumAnswer, SumRefusalCode

__all__ = ["GivenReply", "read_answer", "signed_answer", "signed_refusal"]


@dataclass(frozen=True, slots=True)
class GivenReply:
    """What a committee member said when it was asked to look, to agree or to answer.

    Attributes:
        member_id: who.
        refusal: None when it did; else the code, UNAVAILABLE for codes not known here.
    """

    member_id: str
    refusal: SumRefusal | None


def signed_answer(
    context: RoundContext, member_id: str, key: Ed25519PrivateKey, *, set_sha256: bytes, values: bytes
) -> bytes:
    """Return a member's share of the sum over a set, signed; the same bytes every time."""
    return _signed(
        SumAnswer(
            format_version=FORMAT_VERSION,
            request_sha256=context.request_sha256,
            member_id=member_id,
            set_sha256=set_sha256,
            values=values,
        ),
        key,
    )


def signed_refusal(context: RoundContext, member_id: str, key: Ed25519PrivateKey, code: SumRefusal) -> bytes:
    """Return a member's refusal to answer: the code and no word more."""
    return _signed(
        SumAnswer(
            format_version=FORMAT_VERSION,
            request_sha256=context.request_sha256,
            member_id=member_id,
            refusal=SumRefusalCode.Name(code),
        ),
        key,
    )


def read_answer(body: bytes, context: RoundContext) -> tuple[SumAnswer, int]:
    """Return an answer or a refusal that a committee member signed for this request, and its position.

    Raises:
        SumRefusedError: UNREADABLE, VERSION, NOT_ON_COMMITTEE, MEMBER_SIGNATURE, OTHER_REQUEST.
    """
    if len(body) > ANSWER_LIMIT_BYTES:
        raise SumRefusedError(SumRefusal.UNREADABLE)
    try:
        signed = SignedSumAnswer.FromString(body)
        message = SumAnswer.FromString(signed.answer)
    except DecodeError:
        raise SumRefusedError(SumRefusal.UNREADABLE) from None
    if message.format_version != FORMAT_VERSION:
        raise SumRefusedError(SumRefusal.VERSION)
    position = context.committee.position(message.member_id)
    if position is None:
        raise SumRefusedError(SumRefusal.NOT_ON_COMMITTEE)
    key = context.committee.members[position - 1].signing_public_key
    if not is_signed_by(key, Signed.SUM_ANSWER, signed.answer, signed.signature):
        raise SumRefusedError(SumRefusal.MEMBER_SIGNATURE)
    if message.request_sha256 != context.request_sha256:
        raise SumRefusedError(SumRefusal.OTHER_REQUEST)
    if message.WhichOneof("outcome") is None:
        raise SumRefusedError(SumRefusal.UNREADABLE)
    return message, position


def _signed(message: SumAnswer, key: Ed25519PrivateKey) -> bytes:
    answer = message.SerializeToString(deterministic=True)
    signature = sign(Signed.SUM_ANSWER, answer, key)
    return SignedSumAnswer(answer=answer, signature=signature).SerializeToString(deterministic=True)
