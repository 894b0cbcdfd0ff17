"""The key holder: draws a key for one matching, evaluates each member's list once, and forgets the key."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.privacy.matching.blinded_list import read_list
from highstreet.privacy.matching.context import MatchingContext
from highstreet.privacy.matching.entropy import Entropy
from highstreet.privacy.matching.errors import InvalidMatchingError, MatchingRefusal, MatchingRefusedError
from highstreet.privacy.matching.group import Scalar, random_scalar
from highstreet.privacy.matching.holder_keys import HolderKeys, signed_holder_key
from highstreet.privacy.matching.limits import FORMAT_VERSION, HASH_BYTES, SCALAR_BYTES
from highstreet.privacy.matching.voprf import blind_evaluate, public_key_of
from highstreet.privacy.matching.wire import written, written_elements
from highstreet.privacy.secure_sum.signatures import Signed, sign
from highstreet.protos.matching_pb2 import Evaluations, SignedEvaluations

__all__ = ["AnsweredList", "KeyHolder", "PreparedEvaluations"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredList:
    """What a holder must remember of an answer before it gives it.

    Attributes:
        member_id: whose list it was.
        list_sha256: which list; the same may be answered again, no other.
        keys_sha256: the holders' keys it was made under; all lists must be made under these.
    """

    member_id: str
    list_sha256: bytes
    keys_sha256: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyHolder:
    """One holder in one matching. Its state is `secret_key`, `keys_sha256` and `answered`.

    For the caller: draw once per matching and keep the secret key durably before the offer leaves; keep what
    `PreparedEvaluations.release` gives to record; build the holder from both after a crash; destroy the key,
    in every copy, when the matching is over. A second key under one request would split the co-op in two.

    Attributes:
        context: the matching, as this member checked it.
        member_id: this holder.
        secret_key: k.
        keys_sha256: the holders' keys it is bound to; None before its first answer.
        answered: member id -> hash of the one list it was answered for.
    """

    context: MatchingContext
    member_id: str
    secret_key: Scalar = field(repr=False)
    keys_sha256: bytes | None = None
    answered: Mapping[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        hashes = [*self.answered.values(), *([] if self.keys_sha256 is None else [self.keys_sha256])]
        sound = (
            self.context.holder(self.member_id) is not None
            and len(self.secret_key) == SCALAR_BYTES
            and any(self.secret_key)
            and all(len(value) == HASH_BYTES for value in hashes)
            and (self.keys_sha256 is not None or not self.answered)
        )
        if not sound:
            raise InvalidMatchingError("A key holder is described by values that cannot be its own.")

    @classmethod
    def draw(cls, context: MatchingContext, member_id: str, *, entropy: Entropy = os.urandom) -> KeyHolder:
        """Draw a fresh key for one matching.

        Raises:
            InvalidMatchingError: the member is no holder of it.
        """
        return cls(context=context, member_id=member_id, secret_key=random_scalar(entropy))

    def offer(self, signing_key: Ed25519PrivateKey) -> bytes:
        """Return the signed public key, for every member; the same bytes every time.

        Raises:
            InvalidMatchingError: the signing key is not this member's.
        """
        self._check_signing_key(signing_key)
        return signed_holder_key(self.context, self.member_id, public_key_of(self.secret_key), signing_key)

    def evaluate(
        self,
        body: bytes,
        keys: HolderKeys,
        signing_key: Ed25519PrivateKey,
        *,
        entropy: Entropy = os.urandom,
    ) -> PreparedEvaluations:
        """Evaluate a member's list; nothing may leave before it is recorded.

        Guarantee: a holder that records before it answers evaluates at most `identifiers_per_store` inputs
        and the label for each counted member, and for members only who saw the same keys of all holders.

        Args:
            body: the member's signed list as it came.
            keys: of all holders, as this one collected them.
            signing_key: this member's identity.
            entropy: the proof's own secret comes from it.

        Raises:
            MatchingRefusedError: UNREADABLE, VERSION, OTHER_COOP, OTHER_MATCHING, OTHER_REQUEST,
                UNKNOWN_MEMBER, SIGNATURE, OTHER_KEYS, COUNT, ELEMENT, SECOND_LIST: the first that applies.
            InvalidMatchingError: the keys or the signing key are not this matching's or this member's.
        """
        self._check_signing_key(signing_key)
        keys_sha256 = self._checked_keys(keys)
        asked = read_list(body, self.context, keys_sha256=keys_sha256)
        if self.answered.get(asked.member_id, asked.sha256) != asked.sha256:
            raise MatchingRefusedError(MatchingRefusal.SECOND_LIST)
        evaluated, proof = blind_evaluate(self.secret_key, asked.elements, entropy=entropy)
        content = written(
            Evaluations(
                format_version=FORMAT_VERSION,
                coop_id=self.context.coop_id,
                matching_id=self.context.matching_id,
                request_sha256=self.context.request_sha256,
                holder_id=self.member_id,
                member_id=asked.member_id,
                list_sha256=asked.sha256,
                elements=written_elements(evaluated),
                proof=proof,
            )
        )
        signature = sign(Signed.MATCHING_EVALUATIONS, content, signing_key)
        answered = AnsweredList(member_id=asked.member_id, list_sha256=asked.sha256, keys_sha256=keys_sha256)
        return PreparedEvaluations(
            holder=replace(
                self, keys_sha256=keys_sha256, answered={**self.answered, asked.member_id: asked.sha256}
            ),
            answered=answered,
            _body=written(SignedEvaluations(evaluations=content, signature=signature)),
        )

    def _checked_keys(self, keys: HolderKeys) -> bytes:
        """Return the hash of keys that are this matching's, hold its own, and are no others than before."""
        own = keys.by_id.get(self.member_id)
        if keys.context.sha256() != self.context.sha256() or own != public_key_of(self.secret_key):
            raise InvalidMatchingError(
                "The holders' keys are another matching's, or another key is given as its own."
            )
        if self.keys_sha256 not in (None, keys.sha256()):
            raise MatchingRefusedError(MatchingRefusal.OTHER_KEYS)
        return keys.sha256()

    def _check_signing_key(self, signing_key: Ed25519PrivateKey) -> None:
        member = self.context.holder(self.member_id)
        if member is None or signing_key.public_key().public_bytes_raw() != member.signing_public_key:
            raise InvalidMatchingError("The key of this store is not the one the roster names for it.")


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedEvaluations:
    """An answer that is not given yet: it comes out only through a record of the list.

    Attributes:
        holder: the holder as it is once the list is recorded.
        answered: what is to be recorded.
    """

    holder: KeyHolder
    answered: AnsweredList
    _body: bytes = field(repr=False)

    def release(self, record: Callable[[AnsweredList], None]) -> bytes:
        """Record the list durably, then return the answer for sending.

        Args:
            record: keeps what it is given, and returns only when a crash cannot undo it. It must raise when
                another list of that member, or other keys, are already on record for this matching.
        """
        record(self.answered)
        return self._body
