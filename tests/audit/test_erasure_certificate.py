"""A certificate is the shop's word, names nobody, and says what cannot be undone in numbers."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from highstreet.audit.erasure_certificate import (
    ErasureCertificate,
    guess_bound,
    person_commitment,
    read_certificate,
)
from highstreet.audit.errors import AuditError, SignatureMismatchError, UnreadableDocumentError
from highstreet.audit.signing import SignatureKind, SignedDocument
from highstreet.privacy.accountant import PldAccountant
from highstreet.privacy.releases import customer_release

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
CERTIFICATE = ErasureCertificate(
    certificate_id="ab" * 16,
    shop_public_key=KEY.public_key().public_bytes_raw().hex(),
    member_id="12" * 8,
    coop_id="34" * 16,
    erased_at=1_795_348_800,
    people=1,
    person=person_commitment(b"s" * 32, "ann"),
    removed={"orders": 3},
    rounds=2,
    epsilon=1.25,
    delta=1e-5,
    epsilon_is_least=False,
    counted_epsilon=1.5,
    period_days=365,
    files_searched=9,
    bytes_searched=1_000,
    values_searched=4,
    forgotten_until=1_798_372_800,
)


def _signed(plain: dict[str, object], key: Ed25519PrivateKey = KEY) -> SignedDocument:
    return SignedDocument.create(SignatureKind.ERASURE, plain, key)


def test_what_was_signed_is_read_back() -> None:
    file = _signed(CERTIFICATE.to_dict()).to_file_bytes()
    assert read_certificate(SignedDocument.from_file_bytes(file)) == CERTIFICATE


def test_it_names_nobody_without_the_salt_and_one_person_with_it() -> None:
    text = json.dumps(CERTIFICATE.to_dict())
    assert '"ann"' not in text
    assert person_commitment(b"s" * 32, "ann") == CERTIFICATE.person
    assert person_commitment(b"t" * 32, "ann") != CERTIFICATE.person
    assert person_commitment(b"s" * 32, "ben") != CERTIFICATE.person


@pytest.mark.parametrize(
    "change",
    [
        {"epsilon": 0.5},
        {"right_guesses": 0.51},
        {"certificate_id": "../../etc"},
        {"people": 0},
        {"format_version": 1},
        {"more": "fields"},
        {"person": "ann"},
        {"delta": 0},
        {"rounds": -1},
    ],
)
def test_figures_that_contradict_each_other_or_the_form_are_refused_even_if_signed(
    change: dict[str, object],
) -> None:
    with pytest.raises(UnreadableDocumentError):
        read_certificate(_signed({**CERTIFICATE.to_dict(), **change}))


def test_a_change_or_another_key_or_kind_is_seen() -> None:
    signed = _signed(CERTIFICATE.to_dict())
    changed = signed.to_file_bytes().replace(b'"orders": 3', b'"orders": 4')
    with pytest.raises(SignatureMismatchError):
        read_certificate(SignedDocument.from_file_bytes(changed))
    with pytest.raises(SignatureMismatchError):
        read_certificate(_signed(CERTIFICATE.to_dict(), Ed25519PrivateKey.generate()))
    with pytest.raises(SignatureMismatchError):
        read_certificate(replace(signed, kind=SignatureKind.CHARTER))


@given(st.binary(max_size=300))
def test_no_bytes_at_all_pass_for_a_certificate(document: bytes) -> None:
    signed = SignedDocument(kind=SignatureKind.ERASURE, document=document, signature=bytes(64))
    with pytest.raises(AuditError):
        read_certificate(signed)


@pytest.mark.parametrize(
    ("epsilon", "delta", "right"),
    [(0.0, 0.0, 0.5), (math.log(3), 0.0, 0.75), (math.log(3), 0.4, 0.85), (0.0, 1.0, 1.0), (800.0, 0.0, 1.0)],
)
def test_the_share_of_right_guesses_worked_by_hand(epsilon: float, delta: float, right: float) -> None:
    """(e^epsilon + delta) / (1 + e^epsilon); at epsilon = ln 3: (3 + delta) / 4."""
    assert guess_bound(epsilon, delta=delta) == pytest.approx(right)


@pytest.mark.parametrize("noise", [0.7, 1.0, 3.0, 10.0])
def test_the_bound_holds_against_the_best_guesser_of_a_noisy_sum(noise: float) -> None:
    """Whoever sees x + N(0, noise^2), x 0 or 1, is right Phi(1 / (2 noise)) of the time at best."""
    best = 0.5 * (1 + math.erf(1 / (2 * noise) / math.sqrt(2)))
    epsilon = PldAccountant().epsilon([customer_release(noise_multiplier=noise)], delta=1e-5)
    assert best <= guess_bound(epsilon, delta=1e-5)
    assert best > guess_bound(epsilon / 20, delta=1e-5)  # a bound too small by far would be seen


@pytest.mark.parametrize(("epsilon", "delta"), [(-1.0, 0.0), (math.nan, 0.0), (1.0, -0.1), (1.0, 1.1)])
def test_no_bound_is_given_for_what_is_no_guarantee(epsilon: float, delta: float) -> None:
    with pytest.raises(ValueError, match="epsilon"):
        guess_bound(epsilon, delta=delta)
