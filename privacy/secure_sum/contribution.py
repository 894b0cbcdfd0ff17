"""A contribution: one store's vector, shared out to the committee in one signed message."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from highstreet.privacy.secure_sum.errors import (
    InvalidRoundError,
    InvalidVectorError,
    SumRefusal,
    SumRefusedError,
)
from highstreet.privacy.secure_sum.field import Buffer, bytes_of
from highstreet.privacy.secure_sum.limits import (
    CONTRIBUTION_LIMIT_BYTES,
    FORMAT_VERSION,
    HASH_BYTES,
    HEADER_LIMIT_BYTES,
    KEY_BYTES,
    MAX_COMMITTEE,
    SEED_BYTES,
)
from highstreet.privacy.secure_sum.round_context import RoundContext
from highstreet.privacy.secure_sum.sealing import BoxLabel, is_low_order, seal
from highstreet.privacy.secure_sum.shamir import complete_seeded_shares
from highstreet.privacy.secure_sum.signatures import Signed, is_signed_by, sign
from highstreet.privacy.secure_sum.wire import element, take_elements
from highstreet.protos.secure_sum_pb2 import Contribution, ContributionHeader

__all__ = [
    "Header",
    "MadeContribution",
    "OpenedContribution",
    "contribute",
    "open_contribution",
    "read_header",
]

#: Fields of a contribution besides its boxes, and the number of those.
_OWN_FIELDS, _BOXES = 2, 3


@dataclass(frozen=True, slots=True)
class MadeContribution:
    """A contribution ready to be sent.

    Attributes:
        body: what travels.
        header_sha256: its name in announced sets. A store that may sit on the committee keeps it.
    """

    body: bytes = field(repr=False)
    header_sha256: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A contribution's header that was checked against the round and its contributor's key.

    Attributes:
        contributor_id: a counted member.
        sha256: hash of the header as signed.
        ephemeral_public_key: X25519, not of low order.
        box_sha256: hashes of the boxes at positions 1 .. m.
        fixed: the header's bytes without those hashes; each box is bound to it.
    """

    contributor_id: str
    sha256: bytes
    ephemeral_public_key: bytes
    box_sha256: tuple[bytes, ...]
    fixed: bytes

    def box_label(self, context: RoundContext, position: int) -> BoxLabel:
        """Return what the box at a position is bound to."""
        member = context.committee.members[position - 1]
        return BoxLabel(
            request_sha256=context.request_sha256,
            contributor_id=self.contributor_id,
            member_id=member.member_id,
            position=position,
            ephemeral_public_key=self.ephemeral_public_key,
            member_public_key=member.encryption_public_key,
            header_fixed=self.fixed,
        )

    def check_box(self, box: Buffer, context: RoundContext, position: int) -> None:
        """Return only when this is the box the contributor signed for that position.

        Raises:
            SumRefusedError: BOX_SIZE, BOX_DIGEST.
        """
        if len(box) != context.box_bytes(position):
            raise SumRefusedError(SumRefusal.BOX_SIZE)
        if hashlib.sha256(box).digest() != self.box_sha256[position - 1]:
            raise SumRefusedError(SumRefusal.BOX_DIGEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedContribution:
    """A contribution as the coordinator keeps it: checked as far as it can be without opening a box.

    Attributes:
        header: checked.
        header_bytes: as signed.
        signature: the contributor's.
        boxes: at positions 1 .. m, each with the digest the header gives; views of the contribution.
    """

    header: Header
    header_bytes: bytes
    signature: bytes
    boxes: tuple[Buffer, ...] = field(repr=False)


def contribute(
    context: RoundContext,
    integers: NDArray[np.int64],
    *,
    member_id: str,
    signing_key: Ed25519PrivateKey,
    entropy: Callable[[int], bytes] = os.urandom,
) -> MadeContribution:
    """Share a vector out to the committee. One message; the store may go offline for good.

    Guarantee: whoever opens fewer than t of the boxes learns nothing of the vector but its length, if X25519,
    HKDF-SHA256, ChaCha20 and ChaCha20-Poly1305 are what they are taken for and `entropy` is fresh. For the
    caller: once per round and store, the spending recorded before.

    Args:
        context: the round.
        integers: shape (d,), int64, each within field.HALF of zero; noise included.
        member_id: the contributor, a counted member.
        signing_key: its identity.
        entropy: gives fresh secret bytes; anything but the operating system's is for tests and test vectors.

    Raises:
        InvalidRoundError: the contributor is not counted, the key is not its own, or d is too large for it.
        InvalidVectorError: not such a vector.
    """
    _check_contributor(context, member_id, signing_key)
    if integers.shape != (context.dimension,):
        raise InvalidVectorError(
            f"The round sums vectors of shape ({context.dimension},), not {integers.shape}."
        )
    ephemeral_key = X25519PrivateKey.from_private_bytes(_drawn(entropy, KEY_BYTES))
    seeds = [_drawn(entropy, SEED_BYTES) for _ in range(context.committee.threshold - 1)]
    computed = complete_seeded_shares(integers, seeds, shares=len(context.committee.members))
    message = ContributionHeader(
        format_version=FORMAT_VERSION,
        coop_id=context.coop_id,
        request_sha256=context.request_sha256,
        contributor_id=member_id,
        committee_sha256=context.committee.sha256(),
        dimension=context.dimension,
        ephemeral_public_key=ephemeral_key.public_key().public_bytes_raw(),
    )
    boxes = _sealed(context, message, ephemeral_key, [*seeds, *map(bytes_of, computed)])
    message.box_sha256.extend(hashlib.sha256(box).digest() for box in boxes)
    header = message.SerializeToString(deterministic=True)
    signed = Contribution(header=header, signature=sign(Signed.CONTRIBUTION, header, signing_key))
    elements = (piece for box in boxes for piece in element(_BOXES, box))
    body = b"".join((signed.SerializeToString(), *elements))
    return MadeContribution(body, hashlib.sha256(header).digest())


def open_contribution(body: bytes, context: RoundContext) -> OpenedContribution:
    """Check a contribution as the coordinator can: header, signature, digests and sizes, no box opened.

    Raises:
        SumRefusedError: see `read_header`; UNREADABLE, BOX_COUNT, BOX_SIZE, BOX_DIGEST.
    """
    if len(body) > CONTRIBUTION_LIMIT_BYTES:
        raise SumRefusedError(SumRefusal.UNREADABLE)
    boxes, rest = take_elements(body, _BOXES, at_most=_OWN_FIELDS + MAX_COMMITTEE)
    try:
        message = Contribution.FromString(rest)
    except DecodeError:
        raise SumRefusedError(SumRefusal.UNREADABLE) from None
    header = read_header(message.header, message.signature, context)
    if len(boxes) != len(context.committee.members):
        raise SumRefusedError(SumRefusal.BOX_COUNT)
    for position, box in enumerate(boxes, start=1):
        header.check_box(box, context, position)
    return OpenedContribution(
        header=header,
        header_bytes=message.header,
        signature=message.signature,
        boxes=tuple(boxes),
    )


def read_header(header: bytes, signature: bytes, context: RoundContext) -> Header:
    """Return a header that a counted member signed for exactly this round.

    Raises:
        SumRefusedError: UNREADABLE, VERSION, OTHER_COOP, UNKNOWN_CONTRIBUTOR, CONTRIBUTOR_SIGNATURE,
            REPLAYED, COMMITTEE, DIMENSION, BOX_COUNT, LOW_ORDER_KEY: the first that applies.
    """
    message = _parsed(header)
    contributor = context.members.get(message.contributor_id)
    signed = contributor is not None and is_signed_by(
        contributor.signing_public_key, Signed.CONTRIBUTION, header, signature
    )
    checks = (
        (message.format_version == FORMAT_VERSION, SumRefusal.VERSION),
        (message.coop_id == context.coop_id, SumRefusal.OTHER_COOP),
        (contributor is not None, SumRefusal.UNKNOWN_CONTRIBUTOR),
        (signed, SumRefusal.CONTRIBUTOR_SIGNATURE),
        (message.request_sha256 == context.request_sha256, SumRefusal.REPLAYED),
        (message.committee_sha256 == context.committee.sha256(), SumRefusal.COMMITTEE),
        (message.dimension == context.dimension, SumRefusal.DIMENSION),
        (len(message.box_sha256) == len(context.committee.members), SumRefusal.BOX_COUNT),
        (not is_low_order(message.ephemeral_public_key), SumRefusal.LOW_ORDER_KEY),
    )
    for holds, refusal in checks:
        if not holds:
            raise SumRefusedError(refusal)
    return Header(
        contributor_id=message.contributor_id,
        sha256=hashlib.sha256(header).digest(),
        ephemeral_public_key=message.ephemeral_public_key,
        box_sha256=tuple(message.box_sha256),
        fixed=_fixed_part(message),
    )


def _check_contributor(context: RoundContext, member_id: str, key: Ed25519PrivateKey) -> None:
    member = context.members.get(member_id)
    if member is None or member.signing_public_key != key.public_key().public_bytes_raw():
        raise InvalidRoundError(
            "This store is not a counted member of the round's roster under its key; nothing was shared.",
            next_step="See the roster with `highstreet store status`.",
        )
    boxes = sum(context.box_bytes(position) for position in range(1, len(context.committee.members) + 1))
    if boxes + 2 * HEADER_LIMIT_BYTES > CONTRIBUTION_LIMIT_BYTES:
        raise InvalidRoundError(
            f"A contribution of {context.dimension} coordinates is over the limit for a committee of "
            f"{len(context.committee.members)} with a threshold of {context.committee.threshold}."
        )


def _drawn(entropy: Callable[[int], bytes], count: int) -> bytes:
    drawn = entropy(count)
    if len(drawn) != count:
        raise InvalidRoundError("The source of randomness gave too few bytes; nothing was shared.")
    return drawn


def _sealed(
    context: RoundContext,
    message: ContributionHeader,
    ephemeral_key: X25519PrivateKey,
    shares: Sequence[Buffer],
) -> list[bytes]:
    header = Header(
        contributor_id=message.contributor_id,
        sha256=b"",
        ephemeral_public_key=message.ephemeral_public_key,
        box_sha256=(),
        fixed=_fixed_part(message),
    )
    return [
        seal(share, header.box_label(context, position), ephemeral_key=ephemeral_key)
        for position, share in enumerate(shares, start=1)
    ]


def _fixed_part(message: ContributionHeader) -> bytes:
    fixed = ContributionHeader()
    fixed.CopyFrom(message)
    del fixed.box_sha256[:]
    return fixed.SerializeToString(deterministic=True)


def _parsed(header: bytes) -> ContributionHeader:
    """Parse a header in its one spelling: deterministic bytes, no unknown field, all sizes right."""
    if len(header) > HEADER_LIMIT_BYTES:
        raise SumRefusedError(SumRefusal.UNREADABLE)
    try:
        message = ContributionHeader.FromString(header)
    except DecodeError:
        raise SumRefusedError(SumRefusal.UNREADABLE) from None
    known = ContributionHeader(
        format_version=message.format_version,
        coop_id=message.coop_id,
        request_sha256=message.request_sha256,
        contributor_id=message.contributor_id,
        committee_sha256=message.committee_sha256,
        dimension=message.dimension,
        ephemeral_public_key=message.ephemeral_public_key,
        box_sha256=message.box_sha256,
    )
    sizes = [
        len(message.request_sha256) == HASH_BYTES,
        len(message.committee_sha256) == HASH_BYTES,
        len(message.ephemeral_public_key) == KEY_BYTES,
        *(len(digest) == HASH_BYTES for digest in message.box_sha256),
    ]
    if not all(sizes) or known.SerializeToString(deterministic=True) != header:
        raise SumRefusedError(SumRefusal.UNREADABLE)
    return known
