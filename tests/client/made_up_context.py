"""The context of a made-up matching of four members; the first two hold keys, the first is this store."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from highstreet.privacy.matching import MatchingContext
from highstreet.privacy.secure_sum import CountedMembers, Member

SIGNING = [
    Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"s%d" % number).digest()) for number in range(4)
]
IDS = [f"{number:016x}" for number in range(4)]
OWN = IDS[0]


def matching_context(
    number: int = 0, *, matching_id: int | None = None, identifiers: int = 8
) -> MatchingContext:
    members = CountedMembers(
        Member(
            member_id=member_id,
            signing_public_key=SIGNING[place].public_key().public_bytes_raw(),
            encryption_public_key=X25519PrivateKey.from_private_bytes(bytes([place + 1] * 32))
            .public_key()
            .public_bytes_raw(),
        )
        for place, member_id in enumerate(IDS)
    )
    return MatchingContext(
        coop_id="ab" * 16,
        matching_id=f"{number if matching_id is None else matching_id:016x}",
        request_sha256=hashlib.sha256(b"request %d" % number).digest(),
        members=members,
        holder_ids=tuple(IDS[:2]),
        colluders=1,
        identifiers_per_store=identifiers,
    )
