"""An answer: a committee member's share of the sum over the agreed set, or a code why it gives none."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.message import DecodeError

from highstreet.privacy.secure_sum.errors import SumRefusal, SumRefusedError
from highstreet.privacy.secure_sum.field import Buffer
from highstreet.privacy.secure_sum.limits import ANSWER_LIMIT_BYTES, FORMAT_VERSION
from highstreet.privacy.secure_sum.round_context import RoundContext
from highstreet.privacy.secure_sum.signatures import Signed, is_signed_by, sign
from highstreet.privacy.secure_sum.wire import element, take_elements
from highstreet.protos.secure_sum_pb2 import SignedSumAnswer, SumAnswer, SumRefusalCode

__all__ = ["Answer", "GivenReply", "read_answer", "signed_answer", "signed_refusal"]

#: Numbers of the fields that hold the share: of an answer, and of what is signed.
_ANSWER, _VALUES = 1, 5
#: How many fields each of the two may have.
_SIGNED_FIELDS, _FIELDS = 2, 6


@dataclass(frozen=True, slots=True)
class GivenReply:
    """What a committee member said when it was asked to look, to agree or to answer.

    Attributes:
        member_id: who.
        refusal: None when it did; else the code, UNAVAILABLE for codes not known here.
    """

    member_id: str
    refusal: SumRefusal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a committee member said when it was asked for its share of the sum, its signature checked.

    Attributes:
        member_id: who.
        position: its seat.
        set_sha256: the set it answers for.
        values: its share as it came, a view of the answer; empty when it refuses.
        refusal: None when it answers.
    """

    member_id: str
    position: int
    set_sha256: bytes
    values: memoryview = field(repr=False)
    refusal: SumRefusal | None


def signed_answer(
    context: RoundContext, member_id: str, key: Ed25519PrivateKey, *, set_sha256: bytes, values: Buffer
) -> bytes:
    """Return a member's share of the sum over a set, signed; the same bytes every time."""
    others = SumAnswer(
        format_version=FORMAT_VERSION,
        request_sha256=context.request_sha256,
        member_id=member_id,
        set_sha256=set_sha256,
    )
    return _signed(b"".join((others.SerializeToString(deterministic=True), *element(_VALUES, values))), key)


def signed_refusal(context: RoundContext, member_id: str, key: Ed25519PrivateKey, code: SumRefusal) -> bytes:
    """Return a member's refusal to answer: the code and no word more."""
    return _signed(
        SumAnswer(
            format_version=FORMAT_VERSION,
            request_sha256=context.request_sha256,
            member_id=member_id,
            refusal=SumRefusalCode.Name(code),
        ).SerializeToString(deterministic=True),
        key,
    )


def read_answer(body: bytes, context: RoundContext) -> Answer:
    """Return an answer or a refusal that a committee member signed for this request.

    Raises:
        SumRefusedError: UNREADABLE, VERSION, NOT_ON_COMMITTEE, MEMBER_SIGNATURE, OTHER_REQUEST.
    """
    if len(body) > ANSWER_LIMIT_BYTES:
        raise SumRefusedError(SumRefusal.UNREADABLE)
    contents, rest = take_elements(body, _ANSWER, at_most=_SIGNED_FIELDS)
    content = contents[-1] if contents else memoryview(b"")
    shares, others = take_elements(content, _VALUES, at_most=_FIELDS)
    try:
        signature = SignedSumAnswer.FromString(rest).signature
        message = SumAnswer.FromString(others)
    except DecodeError:
        raise SumRefusedError(SumRefusal.UNREADABLE) from None
    if message.format_version != FORMAT_VERSION:
        raise SumRefusedError(SumRefusal.VERSION)
    position = context.committee.position(message.member_id)
    if position is None:
        raise SumRefusedError(SumRefusal.NOT_ON_COMMITTEE)
    key = context.committee.members[position - 1].signing_public_key
    if not is_signed_by(key, Signed.SUM_ANSWER, content, signature):
        raise SumRefusedError(SumRefusal.MEMBER_SIGNATURE)
    if message.request_sha256 != context.request_sha256:
        raise SumRefusedError(SumRefusal.OTHER_REQUEST)
    refuses = message.WhichOneof("outcome") == "refusal"
    if refuses == bool(shares):  # one of the two, and not both
        raise SumRefusedError(SumRefusal.UNREADABLE)
    return Answer(
        member_id=message.member_id,
        position=position,
        set_sha256=message.set_sha256,
        values=shares[-1] if shares else memoryview(b""),
        refusal=SumRefusal.received(message.refusal) if refuses else None,
    )


def _signed(answer: bytes, key: Ed25519PrivateKey) -> bytes:
    signature = SignedSumAnswer(signature=sign(Signed.SUM_ANSWER, answer, key))
    return b"".join((*element(_ANSWER, answer), signature.SerializeToString(deterministic=True)))
