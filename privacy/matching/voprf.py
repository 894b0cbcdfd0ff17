"""The verifiable oblivious pseudorandom function of RFC 9497: ristretto255-SHA512, mode VOPRF.

A member learns F(k, input) = SHA-512 over the input and k times its element; the holder of k learns nothing
of the input, and proves that it used the k of its public key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from highstreet.privacy.matching.dleq import check_proof, prove
from highstreet.privacy.matching.entropy import Entropy
from highstreet.privacy.matching.group import Element, Scalar, multiply, multiply_base, scalar_inverse
from highstreet.privacy.matching.hash_to_group import hash_to_group, with_length

__all__ = ["blind", "blind_evaluate", "finalise", "public_key_of"]


def public_key_of(secret_key: Scalar) -> Element:
    """Return k times the generator."""
    return multiply_base(secret_key)


def blind(message: bytes, blinding: Scalar) -> Element:
    """Return the input's element times a blinding scalar: uniform, whatever the input, if the scalar is.

    Args:
        message: the input, at most 65,535 bytes.
        blinding: fresh for this input, not zero.
    """
    return multiply(blinding, hash_to_group(message))


def blind_evaluate(
    secret_key: Scalar, blinded: Sequence[Element], *, entropy: Entropy
) -> tuple[list[Element], bytes]:
    """Return k times each element, in order, and one proof for all of them."""
    evaluated = [multiply(secret_key, element) for element in blinded]
    return evaluated, prove(secret_key, public_key_of(secret_key), blinded, evaluated, entropy=entropy)


def finalise(
    messages: Sequence[bytes],
    blindings: Sequence[Scalar],
    blinded: Sequence[Element],
    evaluated: Sequence[Element],
    *,
    proof: bytes,
    public_key: Element,
) -> list[bytes]:
    """Check a whole list, then return F(k, input), 64 bytes each, for its first len(messages) places.

    Args:
        messages: the inputs; further places of the list, which hold padding, are left out.
        blindings: for each input.
        blinded: the whole list as sent.
        evaluated: as it came back, read element by element.
        proof: the holder's, over the whole list.
        public_key: the holder's.

    Raises:
        MatchingRefusedError: COUNT, SCALAR, PROOF; nothing is unblinded then.
    """
    check_proof(public_key, blinded, evaluated, proof)
    return [
        _output(message, multiply(scalar_inverse(blinding), element))
        for message, blinding, element in zip(messages, blindings, evaluated[: len(messages)], strict=True)
    ]


def _output(message: bytes, unblinded: Element) -> bytes:
    return hashlib.sha512(with_length(message) + with_length(unblinded) + b"Finalize").digest()
