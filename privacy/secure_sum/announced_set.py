"""A set of contributions that the coordinator signed for one committee member, named by one hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.privacy.secure_sum.contribution import Header, OpenedContribution, read_header
from highstreet.privacy.secure_sum.errors import InvalidRoundError, SumRefusal, SumRefusedError
from highstreet.privacy.secure_sum.field import Buffer
from highstreet.privacy.secure_sum.limits import SUM_REQUEST_LIMIT_BYTES
from highstreet.privacy.secure_sum.round_context import RoundContext
from highstreet.privacy.secure_sum.set_messages import BOX, ENTRIES, SetMessage
from highstreet.privacy.secure_sum.signatures import Signed, is_signed_by, sign
from highstreet.privacy.secure_sum.wire import element
from highstreet.protos.secure_sum_pb2 import (
    SumAgreementRequest,
    SumEntry,
    SumHeader,
    SumInspectionRequest,
    SumRequest,
)

__all__ = [
    "AnnouncedSet",
    "announce_to",
    "announcement",
    "read_announced_set",
    "set_sha256",
    "with_boxes",
]


@dataclass(frozen=True, slots=True)
class AnnouncedSet:
    """A set that the coordinator showed to one committee member, checked against the round.

    Attributes:
        sha256: names it.
        headers: of distinct counted members, at least the floor, in the order they came.
    """

    sha256: bytes
    headers: tuple[Header, ...]


def set_sha256(header_sha256s: Iterable[bytes]) -> bytes:
    """Return the SHA-256 over the sorted header hashes: the order they come in does not matter."""
    return hashlib.sha256(b"".join(sorted(header_sha256s))).digest()


def announcement(request_sha256: bytes, member_id: str, set_hash: bytes) -> bytes:
    """Return what the coordinator signs for one committee member: all of fixed length.

    The hash of the set stands for every header, and each header for its boxes.
    """
    return request_sha256 + member_id.encode() + set_hash


def announce_to(
    member_id: str, set_hash: bytes, *, kind: Signed, context: RoundContext, key: Ed25519PrivateKey
) -> bytes:
    """Return the coordinator's signature with which a set is shown to one committee member.

    Raises:
        InvalidRoundError: the key is not the one the stores know.
    """
    if key.public_key().public_bytes_raw() != context.coordinator_public_key:
        raise InvalidRoundError("The key is not the one that signed the round's request.")
    return sign(kind, announcement(context.request_sha256, member_id, set_hash), key)


def with_boxes(
    message: SumInspectionRequest | SumRequest,
    contributions: Iterable[OpenedContribution],
    *,
    context: RoundContext,
    position: int,
) -> bytes:
    """Return a request with the contributions in it, each with its box for one position.

    These are the bytes that the library of messages would make; joined here, as it copies each box several
    times.

    Args:
        message: all of the request but the entries.
        contributions: what goes in.
        context: the round.
        position: of the member that is asked.

    Raises:
        InvalidRoundError: they are over the limit of a request.
    """
    listed = list(contributions)
    if len(listed) * context.box_bytes(position) > SUM_REQUEST_LIMIT_BYTES:
        raise InvalidRoundError("The boxes of the set are over the limit of a request.")
    others = message.SerializeToString(deterministic=True)
    first = type(message)(
        format_version=message.format_version,
        request_sha256=message.request_sha256,
        member_id=message.member_id,
    ).SerializeToString(deterministic=True)
    pieces: list[Buffer] = [first]
    for each in listed:
        signed = SumEntry(header=each.header_bytes, signature=each.signature).SerializeToString()
        pieces += element(ENTRIES, signed, *element(BOX, each.boxes[position - 1]))
    return b"".join((*pieces, others[len(first) :]))  # fields are in the order of their numbers


def read_announced_set(message: SetMessage, context: RoundContext, member_id: str) -> AnnouncedSet:
    """Check all that can be checked of a set before a box is opened, but for the member's own contribution.

    Raises:
        SumRefusedError: OTHER_REQUEST, NOT_ADDRESSED, COORDINATOR_SIGNATURE, FLOOR; see `read_header`;
            REPEATED_CONTRIBUTOR: the first that applies.
    """
    kind, entries = _signed_as(message)
    if message.request_sha256 != context.request_sha256:
        raise SumRefusedError(SumRefusal.OTHER_REQUEST)
    if message.member_id != member_id:
        raise SumRefusedError(SumRefusal.NOT_ADDRESSED)
    announced = set_sha256(hashlib.sha256(entry.header).digest() for entry in entries)
    signed = announcement(context.request_sha256, member_id, announced)
    if not is_signed_by(context.coordinator_public_key, kind, signed, message.signature):
        raise SumRefusedError(SumRefusal.COORDINATOR_SIGNATURE)
    if len(entries) < context.floor:
        raise SumRefusedError(SumRefusal.FLOOR)
    headers = tuple(read_header(entry.header, entry.signature, context) for entry in entries)
    if len({header.contributor_id for header in headers}) != len(headers):
        raise SumRefusedError(SumRefusal.REPEATED_CONTRIBUTOR)
    return AnnouncedSet(announced, headers)


def _signed_as(message: SetMessage) -> tuple[Signed, Sequence[SumHeader] | Sequence[SumEntry]]:
    if isinstance(message, SumAgreementRequest):
        return Signed.SUM_AGREEMENT_REQUEST, message.headers
    if isinstance(message, SumInspectionRequest):
        return Signed.SUM_INSPECTION_REQUEST, message.entries
    return Signed.SUM_REQUEST, message.entries
