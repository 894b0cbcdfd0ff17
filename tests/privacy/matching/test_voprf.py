"""The VOPRF against the test vectors of RFC 9497 and against a second implementation."""

from __future__ import annotations

import hashlib

import plain_ristretto as plain
import pytest

from highstreet.privacy.matching.dleq import check_proof
from highstreet.privacy.matching.errors import MatchingRefusal, MatchingRefusedError
from highstreet.privacy.matching.group import (
    ORDER,
    add,
    element_from_uniform,
    multiply,
    multiply_base,
    read_element,
    read_scalar,
    scalar_from_uniform,
)
from highstreet.privacy.matching.hash_to_group import CONTEXT_STRING, hash_to_scalar, with_length
from highstreet.privacy.matching.voprf import blind, blind_evaluate, finalise, public_key_of

# RFC 9497, appendix A.1.2: ristretto255-SHA512, mode VOPRF.
SEED = "a3" * 32
KEY_INFO = "74657374206b6579"
SECRET_KEY = "e6f73f344b79b379f1a0dd37e07ff62e38d9f71345ce62ae3a9bc60b04ccd909"  # noqa: S105 - published
PUBLIC_KEY = "c803e2cc6b05fc15064549b5920659ca4a77b2cca6f04f6b357009335476ad4e"
FIRST_BLIND = "64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706"
SECOND_BLIND = "222a5e897cf59db8145db8d16e597e8facb80ae7d4e26d9881aa6f61d645fc0e"
FIRST_OUTPUT = (
    "b58cfbe118e0cb94d79b5fd6a6dafb98764dff49c14e1770b566e42402da1a7d"
    "a4d8527693914139caee5bd03903af43a491351d23b430948dd50cde10d32b3c"
)
SECOND_OUTPUT = (
    "8a9a2f3c7f085b65933594309041fc1898d42d0858e59f90814ae90571a6df60"
    "356f4610bf816f27afdd84f47719e480906d27ecd994985890e5f539e7ea74b6"
)
VECTORS = [
    {
        "inputs": ["00"],
        "blinds": [FIRST_BLIND],
        "blinded": ["863f330cc1a1259ed5a5998a23acfd37fb4351a793a5b3c090b642ddc439b945"],
        "evaluated": ["aa8fa048764d5623868679402ff6108d2521884fa138cd7f9c7669a9a014267e"],
        "proof": "ddef93772692e535d1a53903db24367355cc2cc78de93b3be5a8ffcc6985dd06"
        "6d4346421d17bf5117a2a1ff0fcb2a759f58a539dfbe857a40bce4cf49ec600d",
        "proof_scalar": "222a5e897cf59db8145db8d16e597e8facb80ae7d4e26d9881aa6f61d645fc0e",
        "outputs": [FIRST_OUTPUT],
    },
    {
        "inputs": ["5a" * 17],
        "blinds": [FIRST_BLIND],
        "blinded": ["cc0b2a350101881d8a4cba4c80241d74fb7dcbfde4a61fde2f91443c2bf9ef0c"],
        "evaluated": ["60a59a57208d48aca71e9e850d22674b611f752bed48b36f7a91b372bd7ad468"],
        "proof": "401a0da6264f8cf45bb2f5264bc31e109155600babb3cd4e5af7d181a2c9dc0a"
        "67154fabf031fd936051dec80b0b6ae29c9503493dde7393b722eafdf5a50b02",
        "proof_scalar": "222a5e897cf59db8145db8d16e597e8facb80ae7d4e26d9881aa6f61d645fc0e",
        "outputs": [SECOND_OUTPUT],
    },
    {
        "inputs": ["00", "5a" * 17],
        "blinds": [FIRST_BLIND, SECOND_BLIND],
        "blinded": [
            "863f330cc1a1259ed5a5998a23acfd37fb4351a793a5b3c090b642ddc439b945",
            "90a0145ea9da29254c3a56be4fe185465ebb3bf2a1801f7124bbbadac751e654",
        ],
        "evaluated": [
            "aa8fa048764d5623868679402ff6108d2521884fa138cd7f9c7669a9a014267e",
            "cc5ac221950a49ceaa73c8db41b82c20372a4c8d63e5dded2db920b7eee36a2a",
        ],
        "proof": "cc203910175d786927eeb44ea847328047892ddf8590e723c37205cb74600b0a"
        "5ab5337c8eb4ceae0494c2cf89529dcf94572ed267473d567aeed6ab873dee08",
        "proof_scalar": "419c4f4f5052c53c45f3da494d2b67b220d02118e0857cdbcf037f9ea84bbe0c",
        "outputs": [FIRST_OUTPUT, SECOND_OUTPUT],
    },
]


def unhex(values):
    return [bytes.fromhex(value) for value in values]


def test_the_key_of_the_rfc_comes_from_its_seed():
    """DeriveKeyPair of RFC 9497, 3.2.1, checks the hash to scalars; keys here are drawn, never derived."""
    derive_input = bytes.fromhex(SEED) + with_length(bytes.fromhex(KEY_INFO))
    secret_key = hash_to_scalar(derive_input + b"\x00", b"DeriveKeyPair" + CONTEXT_STRING)
    assert secret_key.hex() == SECRET_KEY
    assert public_key_of(secret_key).hex() == PUBLIC_KEY


@pytest.mark.parametrize("vector", VECTORS)
def test_the_vectors_of_the_rfc_come_out_byte_for_byte(vector):
    secret_key, public_key = read_scalar(bytes.fromhex(SECRET_KEY)), read_element(bytes.fromhex(PUBLIC_KEY))
    inputs, blinds = unhex(vector["inputs"]), [read_scalar(one) for one in unhex(vector["blinds"])]
    blinded = [blind(*pair) for pair in zip(inputs, blinds, strict=True)]
    assert [one.hex() for one in blinded] == vector["blinded"]
    proof_scalar = bytes.fromhex(vector["proof_scalar"])
    evaluated, proof = blind_evaluate(
        secret_key, blinded, entropy=lambda count: proof_scalar.ljust(count, b"\0")
    )
    assert [one.hex() for one in evaluated] == vector["evaluated"]
    assert proof.hex() == vector["proof"]
    outputs = finalise(inputs, blinds, blinded, evaluated, proof=proof, public_key=public_key)
    assert [one.hex() for one in outputs] == vector["outputs"]


def evaluation(count, label="key"):
    secret_key = scalar_from_uniform(hashlib.sha512(label.encode()).digest())
    inputs = [f"input {number}".encode() for number in range(count)]
    blinds = [scalar_from_uniform(hashlib.sha512(b"blind" + one).digest()) for one in inputs]
    blinded = [blind(*pair) for pair in zip(inputs, blinds, strict=True)]
    evaluated, proof = blind_evaluate(secret_key, blinded, entropy=lambda count: b"\x07" * count)
    return secret_key, inputs, blinds, blinded, evaluated, proof


@pytest.mark.parametrize("count", [1, 2, 5])
def test_outputs_and_proofs_are_the_second_implementations(count):
    secret_key, inputs, blinds, blinded, evaluated, proof = evaluation(count)
    public_key = public_key_of(secret_key)
    outputs = finalise(inputs, blinds, blinded, evaluated, proof=proof, public_key=public_key)
    number = int.from_bytes(secret_key, "little")
    assert outputs == [plain.function(number, message) for message in inputs]
    assert plain.proof_holds(public_key, blinded, evaluated, proof)
    assert not plain.proof_holds(public_key, blinded, blinded, proof)


def test_outputs_do_not_hang_on_the_blinding():
    secret_key, inputs, blinds, blinded, evaluated, proof = evaluation(3)
    others = [scalar_from_uniform(hashlib.sha512(b"other" + one).digest()) for one in inputs]
    again = [blind(*pair) for pair in zip(inputs, others, strict=True)]
    assert not set(again) & set(blinded)
    evaluated_again, proof_again = blind_evaluate(secret_key, again, entropy=lambda count: b"\x08" * count)
    public_key = public_key_of(secret_key)
    assert finalise(
        inputs, others, again, evaluated_again, proof=proof_again, public_key=public_key
    ) == finalise(inputs, blinds, blinded, evaluated, proof=proof, public_key=public_key)


def refusal_of(public_key, blinded, evaluated, proof):
    with pytest.raises(MatchingRefusedError) as refused:
        check_proof(public_key, blinded, evaluated, proof)
    return refused.value.code


def test_a_proof_holds_for_one_key_one_list_and_one_order_only():
    secret_key, _, _, blinded, evaluated, proof = evaluation(4)
    public_key = public_key_of(secret_key)
    check_proof(public_key, blinded, evaluated, proof)
    other_key = public_key_of(evaluation(1, "other key")[0])
    swapped = [evaluated[1], evaluated[0], *evaluated[2:]]
    shifted = [add(evaluated[0], multiply_base(read_scalar((1).to_bytes(32, "little")))), *evaluated[1:]]
    both_swapped = [blinded[1], blinded[0], *blinded[2:]]
    wrong = [
        (other_key, blinded, evaluated),
        (public_key, blinded, swapped),
        (public_key, both_swapped, swapped),
        (public_key, blinded, shifted),
        (public_key, evaluated, blinded),
        (public_key, blinded[:3], evaluated[:3]),
    ]
    assert {refusal_of(*case, proof) for case in wrong} == {MatchingRefusal.PROOF}
    assert refusal_of(public_key, blinded, evaluated[:3], proof) is MatchingRefusal.COUNT


def test_two_wrong_answers_whose_errors_cancel_are_refused():
    """Errors +E and -E in two places: a sum without weights would not show them."""
    secret_key, _, _, blinded, evaluated, proof = evaluation(3)
    error = element_from_uniform(hashlib.sha512(b"error").digest())
    minus = read_scalar((ORDER - 1).to_bytes(32, "little"))
    moved = [add(evaluated[0], error), add(evaluated[1], multiply(minus, error)), evaluated[2]]
    assert add(moved[0], moved[1]) == add(evaluated[0], evaluated[1])
    assert refusal_of(public_key_of(secret_key), blinded, moved, proof) is MatchingRefusal.PROOF


def test_every_single_changed_bit_of_a_proof_is_refused():
    secret_key, _, _, blinded, evaluated, proof = evaluation(1)
    for bit in range(0, 512, 7):
        altered = bytearray(proof)
        altered[bit // 8] ^= 1 << bit % 8
        code = refusal_of(public_key_of(secret_key), blinded, evaluated, bytes(altered))
        assert code in {MatchingRefusal.PROOF, MatchingRefusal.SCALAR}


def test_a_proof_in_another_spelling_or_size_is_refused():
    secret_key, _, _, blinded, evaluated, proof = evaluation(1)
    public_key = public_key_of(secret_key)
    higher = (int.from_bytes(proof[32:], "little") + ORDER).to_bytes(32, "little")
    assert refusal_of(public_key, blinded, evaluated, proof[:32] + higher) is MatchingRefusal.SCALAR
    for size in (0, 63, 65):
        assert (
            refusal_of(public_key, blinded, evaluated, proof.ljust(65, b"\0")[:size]) is MatchingRefusal.PROOF
        )


def test_nothing_is_unblinded_when_the_proof_is_wrong():
    secret_key, inputs, blinds, blinded, evaluated, proof = evaluation(2)
    with pytest.raises(MatchingRefusedError):
        finalise(inputs, blinds, blinded, evaluated[::-1], proof=proof, public_key=public_key_of(secret_key))
