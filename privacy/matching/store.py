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
from highstreet.privacy.matching.group import Scalar, element_from_uniform, scalar_from_uniform
from highstreet.privacy.matching.holder_keys import HolderKeys
from highstreet.privacy.matching.identifiers import LABEL
from highstreet.privacy.matching.limits import ELEMENT_BYTES, FORMAT_VERSION, SCALAR_BYTES, SEED_BYTES
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

    Its state, all of it, is personal data and secrets, for the vault alone, kept durably before the list
    leaves and destroyed when the matching is over. Everything sent follows from it, so that after a crash
    the same bytes are sent again. What was drawn for one customer says nothing of another: one can be
    overwritten, with input and blinding, and the list stays as it was sent.

    Attributes:
        context: the matching, as this store checked it.
        member_id: this store.
        elements: the list as it travels: the label's element, the customers', random ones.
        blindings: scalars; the label's, then each customer's.
        made_up_seed: of this store's made-up entries, 32 bytes.
        dummies: made-up entries, receipts not counted.
        customers: the store's own names of the customers who take part, in the order of the list.
        inputs: what is hashed for each (`identifier_input`).
    """

    context: MatchingContext
    member_id: str
    elements: bytes = field(repr=False)
    blindings: tuple[Scalar, ...] = field(repr=False)
    made_up_seed: bytes = field(repr=False)
    dummies: int = field(repr=False)
    customers: tuple[str, ...] = field(repr=False)
    inputs: tuple[bytes, ...] = field(repr=False)

    def __post_init__(self) -> None:
        count = len(self.customers)
        sound = (
            self.context.members.get(self.member_id) is not None
            and len(self.made_up_seed) == SEED_BYTES
            and len(self.elements) == ELEMENT_BYTES * self.context.list_length
            and len(self.blindings) == count + 1
            and all(len(each) == SCALAR_BYTES for each in self.blindings)
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
        seed = drawn(entropy, SEED_BYTES)
        blindings = tuple(
            scalar_from_uniform(_derived(context, seed, b"blinding", place))
            for place in range(len(chosen) + 1)
        )
        own = [blind(*pair) for pair in zip([LABEL, *chosen], blindings, strict=True)]
        padding = [
            element_from_uniform(_derived(context, seed, b"padding", place))
            for place in range(len(own), context.list_length)
        ]
        return cls(
            context=context,
            member_id=member_id,
            elements=written_elements(own + padding),
            blindings=blindings,
            made_up_seed=_derived(context, seed, b"made-up", 0)[:SEED_BYTES],
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
        blinded = read_elements(self.elements, count=self.context.list_length)
        list_sha256 = hashlib.sha256(self._list_content(keys)).digest()
        messages = [LABEL, *self.inputs]
        outputs: dict[str, list[bytes]] = {}
        for body in answers:
            message = read_evaluations(body, self.context, member_id=self.member_id, list_sha256=list_sha256)
            if message.holder_id in outputs:
                raise MatchingRefusedError(MatchingRefusal.REPEATED_HOLDER)
            outputs[message.holder_id] = finalise(
                messages,
                self.blindings,
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
            made_up_seed=self.made_up_seed,
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
                elements=self.elements,
            )
        )


def _derived(context: MatchingContext, seed: bytes, purpose: bytes, place: int) -> bytes:
    """Return 64 bytes for one purpose and place of a matching, uniform to whoever lacks the seed."""
    start = b"highstreet/v1/matching-" + purpose + b"\x00" + context.sha256()
    return hashlib.sha512(start + seed + place.to_bytes(4, "big")).digest()
