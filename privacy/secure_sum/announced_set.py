"""An announced set: the contributors of one sum, named by one hash that the coordinator signs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from highstreet.privacy.secure_sum.contribution import Header, read_header
from highstreet.privacy.secure_sum.errors import SumRefusal, SumRefusedError
from highstreet.privacy.secure_sum.round_context import RoundContext
from highstreet.privacy.secure_sum.signatures import Signed, is_signed_by
from highstreet.protos.secure_sum_pb2 import SumAgreementRequest, SumEntry, SumHeader, SumRequest

__all__ = ["AnnouncedSet", "announcement", "read_announced_set", "set_sha256"]


@dataclass(frozen=True, slots=True)
class AnnouncedSet:
    """A set that the coordinator announced to one committee member, checked against the round.

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


def read_announced_set(
    message: SumAgreementRequest | SumRequest, context: RoundContext, member_id: str
) -> AnnouncedSet:
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


def _signed_as(
    message: SumAgreementRequest | SumRequest,
) -> tuple[Signed, Sequence[SumHeader] | Sequence[SumEntry]]:
    if isinstance(message, SumAgreementRequest):
        return Signed.SUM_AGREEMENT_REQUEST, message.headers
    return Signed.SUM_REQUEST, message.entries
