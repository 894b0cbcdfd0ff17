"""The store in a matching: blinds its customers' identifiers and turns the holders' answers into tags."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.privacy.matching.context import MatchingContext
from highstreet.privacy.matching.entropy import Entropy, drawn, drawn_sample
from highstreet.privacy.matching.errors import InvalidMatchingError, MatchingRefusal, MatchingRefusedError
from highstreet.privacy.matching.evaluations import read_evaluations
from highstreet.privacy.matching.group import Element, Scalar, element_from_uniform, scalar_from_uniform
from highstreet.privacy.matching.holder_keys import HolderKeys
from highstreet.privacy.matching.identifiers import LABEL
from highstreet.privacy.matching.limits import FORMAT_VERSION, SEED_BYTES
from highstreet.privacy.matching.matched import MatchedStore
from highstreet.privacy.matching.shape import MAX_DUMMIES
from highstreet.privacy.matching.tags import drawn_dummies, mask_seed, tag
from highstreet.privacy.matching.voprf import blind, finalise
from highstreet.privacy.matching.wire import read_elements, written, written_elements
from highstreet.privacy.secure_sum.signatures import Signed, sign
from highstreet.protos.matching_pb2 import BlindedList, SignedBlindedList

__all__ = ["MatchingStore"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingStore:
    """One store in one matching, until the holders have answered.

    Its state is `seed`, `dummies`, `customers` and `inputs`: personal data and a secret, for the vault
    alone, kept durably before the list leaves and destroyed when the matching is over. Everything sent
    follows from it, so that after a crash the same bytes are sent again.

    Attributes:
        context: the matching, as this store checked it.
        member_id: this store.
        seed: 32 secret bytes; blindings, padding and made-up entries come from it.
        dummies: made-up entries, receipts not counted.
        customers: the store's own names of the customers who take part, in the order of the list.
        inputs: what is hashed for each (`identifier_input`).
    """

    context: MatchingContext
    member_id: str
    seed: bytes = field(repr=False)
    dummies: int = field(repr=False)
    customers: tuple[str, ...] = field(repr=False)
    inputs: tuple[bytes, ...] = field(repr=False)

    def __post_init__(self) -> None:
        count = len(self.customers)
        sound = (
            self.context.members.get(self.member_id) is not None
            and len(self.seed) == SEED_BYTES
            and 0 <= self.dummies <= MAX_DUMMIES
            and count == len(set(self.customers)) == len(self.inputs) == len(set(self.inputs))
            and count <= self.context.identifiers_per_store
            and LABEL not in self.inputs
        )
        if not sound:
            raise InvalidMatchingError("A store in a matching is described by values that cannot be its own.")

    @classmethod
    def draw(
        cls,
        context: MatchingContext,
        member_id: str,
        inputs: Mapping[str, bytes],
        *,
        entropy: Entropy = os.urandom,
    ) -> MatchingStore:
        """Choose who takes part and draw the store's secrets.

        Of customers with one identifier one takes part, of more customers than the limit so many: which ones
        hangs on `entropy` alone, on nothing they bought.

        Args:
            context: the matching.
            member_id: this store, a counted member.
            inputs: customer -> `identifier_input`, of those who agreed to be matched.
            entropy: gives fresh secret bytes.

        Raises:
            InvalidMatchingError: not a counted member.
        """
        chosen: dict[bytes, str] = {}
        for customer, message in drawn_sample(entropy, list(inputs.items()), len(inputs)):
            if len(chosen) == context.identifiers_per_store:
                break
            chosen.setdefault(message, customer)
        return cls(
            context=context,
            member_id=member_id,
            seed=drawn(entropy, SEED_BYTES),
            dummies=drawn_dummies(entropy),
            customers=tuple(chosen.values()),
            inputs=tuple(chosen),
        )

    def blinded_list(self, keys: HolderKeys, signing_key: Ed25519PrivateKey) -> bytes:
        """Return the signed list, the same bytes for every holder and every time.

        Guarantee: its elements are uniform and independent of the identifiers and of how many there are.

        Raises:
            InvalidMatchingError: the signing key or the holders' keys are not this member's or this
                matching's.
        """
        member = self.context.members.get(self.member_id)
        if member is None or signing_key.public_key().public_bytes_raw() != member.signing_public_key:
            raise InvalidMatchingError("The key of this store is not the one the roster names for it.")
        content = self._list_content(keys)
        return written(
            SignedBlindedList(list=content, signature=sign(Signed.MATCHING_LIST, content, signing_key))
        )

    def match(self, keys: HolderKeys, answers: Iterable[bytes]) -> MatchedStore:
        """Check every holder's answer and return the customers' tags.

        Args:
            keys: those the list was made under.
            answers: one of each holder, in any order.

        Raises:
            MatchingRefusedError: UNREADABLE, VERSION, OTHER_COOP, OTHER_MATCHING, OTHER_REQUEST,
                NOT_A_HOLDER, SIGNATURE, NOT_ADDRESSED, OTHER_LIST, COUNT, ELEMENT, SCALAR, PROOF,
                REPEATED_HOLDER, MISSING_HOLDER. Nothing of any answer is used then.
            InvalidMatchingError: the holders' keys are another matching's.
        """
        blinded = self._blinded()
        list_sha256 = hashlib.sha256(self._list_content(keys)).digest()
        messages = [LABEL, *self.inputs]
        outputs: dict[str, list[bytes]] = {}
        for body in answers:
            message = read_evaluations(body, self.context, member_id=self.member_id, list_sha256=list_sha256)
            if message.holder_id in outputs:
                raise MatchingRefusedError(MatchingRefusal.REPEATED_HOLDER)
            outputs[message.holder_id] = finalise(
                messages,
                [self._blinding(place) for place in range(len(messages))],
                blinded,
                read_elements(message.elements, count=self.context.list_length),
                proof=message.proof,
                public_key=keys.by_id[message.holder_id],
            )
        if outputs.keys() != set(self.context.holder_ids):
            raise MatchingRefusedError(MatchingRefusal.MISSING_HOLDER)
        by_input = list(zip(*(outputs[holder] for holder in self.context.holder_ids), strict=True))
        keys_sha256 = keys.sha256()
        return MatchedStore(
            shape=self.context.shape,
            mask_seed=mask_seed(keys_sha256, by_input[0]),
            made_up_seed=self._derived(b"made-up", 0)[:SEED_BYTES],
            dummies=self.dummies,
            tags={
                customer: tag(keys_sha256, message, own)
                for customer, message, own in zip(self.customers, self.inputs, by_input[1:], strict=True)
            },
        )

    def _list_content(self, keys: HolderKeys) -> bytes:
        if keys.context.sha256() != self.context.sha256():
            raise InvalidMatchingError("The holders' keys are another matching's.")
        return written(
            BlindedList(
                format_version=FORMAT_VERSION,
                coop_id=self.context.coop_id,
                matching_id=self.context.matching_id,
                request_sha256=self.context.request_sha256,
                keys_sha256=keys.sha256(),
                member_id=self.member_id,
                elements=written_elements(self._blinded()),
            )
        )

    def _blinded(self) -> list[Element]:
        """Return the list: the label, the customers and random elements up to the length all lists have."""
        own = [blind(message, self._blinding(place)) for place, message in enumerate([LABEL, *self.inputs])]
        padding = [
            element_from_uniform(self._derived(b"padding", place))
            for place in range(len(own), self.context.list_length)
        ]
        return own + padding

    def _blinding(self, place: int) -> Scalar:
        return scalar_from_uniform(self._derived(b"blinding", place))

    def _derived(self, purpose: bytes, place: int) -> bytes:
        """Return 64 bytes for one purpose and place of this matching, uniform to whoever lacks the seed."""
        start = b"highstreet/v1/matching-" + purpose + b"\x00" + self.context.sha256()
        return hashlib.sha512(start + self.seed + place.to_bytes(4, "big")).digest()
