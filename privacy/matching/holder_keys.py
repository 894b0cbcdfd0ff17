"""The holders' public keys of one matching, as one party collected them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.privacy.matching.context import MatchingContext
from highstreet.privacy.matching.errors import MatchingRefusal, MatchingRefusedError
from highstreet.privacy.matching.group import Element, read_element
from highstreet.privacy.matching.limits import FORMAT_VERSION, KEY_LIMIT_BYTES
from highstreet.privacy.matching.wire import check_bound, check_signed, parsed, parsed_content, written
from highstreet.privacy.secure_sum.signatures import Signed, sign
from highstreet.protos.matching_pb2 import HolderKey, SignedHolderKey

__all__ = ["HolderKeys", "read_holder_key", "signed_holder_key"]


def signed_holder_key(
    context: MatchingContext, holder_id: str, public_key: Element, signing_key: Ed25519PrivateKey
) -> bytes:
    """Return a holder's offer of its key for one matching; the same bytes every time."""
    key = written(
        HolderKey(
            format_version=FORMAT_VERSION,
            coop_id=context.coop_id,
            matching_id=context.matching_id,
            request_sha256=context.request_sha256,
            holder_id=holder_id,
            public_key=public_key,
        )
    )
    return written(SignedHolderKey(key=key, signature=sign(Signed.MATCHING_KEY, key, signing_key)))


@dataclass(frozen=True, slots=True, kw_only=True)
class HolderKeys:
    """One key of every holder, each signed for this matching.

    Attributes:
        context: the matching.
        by_id: holder id -> public key, in the order of ids.
    """

    context: MatchingContext
    by_id: Mapping[str, Element]

    @classmethod
    def collect(cls, context: MatchingContext, offers: Iterable[bytes]) -> HolderKeys:
        """Check offers in any order; the same one may come twice.

        Raises:
            MatchingRefusedError: UNREADABLE, VERSION, OTHER_COOP, OTHER_MATCHING, OTHER_REQUEST,
                NOT_A_HOLDER, SIGNATURE, ELEMENT, REPEATED_HOLDER for a second, other key, MISSING_HOLDER.
        """
        found: dict[str, Element] = {}
        for body in offers:
            holder_id, public_key = read_holder_key(body, context)
            if found.setdefault(holder_id, public_key) != public_key:
                raise MatchingRefusedError(MatchingRefusal.REPEATED_HOLDER)
        if found.keys() != set(context.holder_ids):
            raise MatchingRefusedError(MatchingRefusal.MISSING_HOLDER)
        return cls(context=context, by_id={holder: found[holder] for holder in context.holder_ids})

    def sha256(self) -> bytes:
        """Return the hash that names the matching under these keys.

        It is in every list, in every tag, and has to be in the request of the table's secure sum.
        """
        digest = hashlib.sha256(b"highstreet/v1/matching-keys\x00" + self.context.sha256())
        for public_key in self.by_id.values():
            digest.update(public_key)
        return digest.digest()


def read_holder_key(body: bytes, context: MatchingContext) -> tuple[str, Element]:
    """Return who offers a key, and the key.

    Raises:
        MatchingRefusedError: UNREADABLE, VERSION, OTHER_COOP, OTHER_MATCHING, OTHER_REQUEST, NOT_A_HOLDER,
            SIGNATURE, ELEMENT: the first that applies.
    """
    signed = parsed(SignedHolderKey, body, limit_bytes=KEY_LIMIT_BYTES)
    message = parsed_content(HolderKey, signed.key)
    check_bound(message, context)
    holder = context.holder(message.holder_id)
    if holder is None:
        raise MatchingRefusedError(MatchingRefusal.NOT_A_HOLDER)
    check_signed(holder.signing_public_key, Signed.MATCHING_KEY, signed.key, signed.signature)
    return message.holder_id, read_element(message.public_key)
