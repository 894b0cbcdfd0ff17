"""An inspection: a committee member's signed word on which contributions it could not add up.

It is asked for before a set is announced, and binds nobody: a contribution whose box does not open can be
left out, and the set that is then agreed to is one that the committee can open (docs/secure-sum.md,
section 2). A member that lies in it can have single contributions left out, and learns nothing by it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.message import DecodeError

from highstreet.privacy.secure_sum.errors import SumRefusal, SumRefusedError
from highstreet.privacy.secure_sum.limits import (
    FORMAT_VERSION,
    HASH_BYTES,
    INSPECTION_LIMIT_BYTES,
    MAX_MEMBERS,
)
from highstreet.privacy.secure_sum.round_context import RoundContext
from highstreet.privacy.secure_sum.signatures import Signed, is_signed_by, sign
from highstreet.protos.secure_sum_pb2 import (
    SignedSumInspection,
    SumFindings,
    SumInspection,
    SumRefusalCode,
)

__all__ = ["Inspection", "open_inspection", "signed_inspection"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What a committee member said of the boxes it was shown, its signature checked.

    Attributes:
        member_id: who.
        set_sha256: names the contributions it looked at; empty when it refuses.
        bad_header_sha256: those it cannot use.
        refusal: None when it looked.
    """

    member_id: str
    set_sha256: bytes
    bad_header_sha256: frozenset[bytes]
    refusal: SumRefusal | None


def signed_inspection(
    context: RoundContext,
    member_id: str,
    key: Ed25519PrivateKey,
    outcome: tuple[bytes, Collection[bytes]] | SumRefusal,
) -> bytes:
    """Return a member's findings, or its refusal to look.

    Args:
        context: the round.
        member_id: this member.
        key: its identity.
        outcome: the hash of the set looked at with the header hashes of the bad ones; or the code.
    """
    message = SumInspection(
        format_version=FORMAT_VERSION,
        request_sha256=context.request_sha256,
        member_id=member_id,
        committee_sha256=context.committee.sha256(),
    )
    if isinstance(outcome, SumRefusal):
        message.refusal = SumRefusalCode.Name(outcome)  # type: ignore[assignment]  # a name is taken too
    else:
        looked_at, bad = outcome
        message.findings.CopyFrom(SumFindings(set_sha256=looked_at, bad_header_sha256=sorted(bad)))
    content = message.SerializeToString(deterministic=True)
    signature = sign(Signed.SUM_INSPECTION, content, key)
    return SignedSumInspection(inspection=content, signature=signature).SerializeToString(deterministic=True)


def open_inspection(body: bytes, context: RoundContext) -> Inspection:
    """Return findings or a refusal that a committee member signed for exactly this round and committee.

    Raises:
        SumRefusedError: UNREADABLE, VERSION, INSPECTION: the first that applies.
    """
    if len(body) > INSPECTION_LIMIT_BYTES:
        raise SumRefusedError(SumRefusal.UNREADABLE)
    try:
        signed = SignedSumInspection.FromString(body)
        message = SumInspection.FromString(signed.inspection)
    except DecodeError:
        raise SumRefusedError(SumRefusal.UNREADABLE) from None
    if message.format_version != FORMAT_VERSION:
        raise SumRefusedError(SumRefusal.VERSION)
    position = context.committee.position(message.member_id)
    is_ours = (
        position is not None
        and is_signed_by(
            context.committee.members[position - 1].signing_public_key,
            Signed.SUM_INSPECTION,
            signed.inspection,
            signed.signature,
        )
        and message.request_sha256 == context.request_sha256
        and message.committee_sha256 == context.committee.sha256()
    )
    if not is_ours:
        raise SumRefusedError(SumRefusal.INSPECTION)
    outcome = message.WhichOneof("outcome")
    if outcome is None:
        raise SumRefusedError(SumRefusal.UNREADABLE)
    if outcome == "refusal":
        return Inspection(
            member_id=message.member_id,
            set_sha256=b"",
            bad_header_sha256=frozenset(),
            refusal=SumRefusal.received(message.refusal),
        )
    return Inspection(
        member_id=message.member_id,
        set_sha256=message.findings.set_sha256,
        bad_header_sha256=_sorted_hashes(list(message.findings.bad_header_sha256)),
        refusal=None,
    )


def _sorted_hashes(listed: list[bytes]) -> frozenset[bytes]:
    in_order = len(listed) <= MAX_MEMBERS and listed == sorted(set(listed))
    if not in_order or any(len(one) != HASH_BYTES for one in listed):
        raise SumRefusedError(SumRefusal.UNREADABLE)
    return frozenset(listed)
