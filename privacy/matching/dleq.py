"""The proof that a holder used one key for a whole list: equality of logarithms, batched (RFC 9497)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from highstreet.privacy.matching.entropy import Entropy
from highstreet.privacy.matching.errors import MatchingRefusal, MatchingRefusedError
from highstreet.privacy.matching.group import (
    IDENTITY,
    Element,
    Scalar,
    add,
    multiply,
    multiply_base,
    random_scalar,
    read_scalar,
    scalar_multiply_subtract,
)
from highstreet.privacy.matching.hash_to_group import CONTEXT_STRING, hash_to_scalar, with_length
from highstreet.privacy.matching.limits import PROOF_BYTES, SCALAR_BYTES

__all__ = ["check_proof", "prove"]


def prove(
    secret_key: Scalar,
    public_key: Element,
    blinded: Sequence[Element],
    evaluated: Sequence[Element],
    *,
    entropy: Entropy,
) -> bytes:
    """Return 64 bytes that show evaluated[i] = k blinded[i] for the k of the public key, and nothing of k.

    Source: RFC 9497, section 2.2.1 (GenerateProof, ComputeCompositesFast).

    Args:
        secret_key: k.
        public_key: k times the generator.
        blinded: up to 65,535 elements.
        evaluated: as many.
        entropy: gives the proof's own secret; the same secret in two proofs gives k away.
    """
    composite = IDENTITY
    for weight, element in zip(_weights(public_key, blinded, evaluated), blinded, strict=True):
        composite = add(composite, multiply(weight, element))
    secret = random_scalar(entropy)
    challenge = _challenge(
        public_key,
        (composite, multiply(secret_key, composite), multiply_base(secret), multiply(secret, composite)),
    )
    return challenge + scalar_multiply_subtract(secret, challenge, secret_key)


def check_proof(
    public_key: Element, blinded: Sequence[Element], evaluated: Sequence[Element], proof: bytes
) -> None:
    """Return only when the proof holds; a false one passes with a chance of about 2^-250 a try.

    Source: RFC 9497, section 2.2.2 (VerifyProof, ComputeComposites).

    Raises:
        MatchingRefusedError: COUNT, SCALAR, PROOF.
    """
    if len(blinded) != len(evaluated):
        raise MatchingRefusedError(MatchingRefusal.COUNT)
    if len(proof) != PROOF_BYTES:
        raise MatchingRefusedError(MatchingRefusal.PROOF)
    challenge, response = read_scalar(proof[:SCALAR_BYTES]), read_scalar(proof[SCALAR_BYTES:])
    first, second = IDENTITY, IDENTITY
    weights = _weights(public_key, blinded, evaluated)
    for weight, own, answered in zip(weights, blinded, evaluated, strict=True):
        first = add(first, multiply(weight, own))
        second = add(second, multiply(weight, answered))
    expected = _challenge(
        public_key,
        (
            first,
            second,
            add(multiply_base(response), multiply(challenge, public_key)),
            add(multiply(response, first), multiply(challenge, second)),
        ),
    )
    if not hmac.compare_digest(expected, challenge):
        raise MatchingRefusedError(MatchingRefusal.PROOF)


def _weights(public_key: Element, blinded: Sequence[Element], evaluated: Sequence[Element]) -> list[Scalar]:
    """Return the random weights under which a list of pairs becomes one pair."""
    seed = hashlib.sha512(with_length(public_key) + with_length(b"Seed-" + CONTEXT_STRING)).digest()
    start = with_length(seed)
    return [
        hash_to_scalar(
            start + place.to_bytes(2, "big") + with_length(own) + with_length(answered) + b"Composite"
        )
        for place, (own, answered) in enumerate(zip(blinded, evaluated, strict=True))
    ]


def _challenge(public_key: Element, elements: Sequence[Element]) -> Scalar:
    return hash_to_scalar(b"".join(map(with_length, (public_key, *elements))) + b"Challenge")
