"""Documents have one spelling, and a signature is good for one kind, one document, one key."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from highstreet.audit.canonical import canonical_json, read_canonical
from highstreet.audit.errors import SignatureMismatchError, UnreadableDocumentError
from highstreet.audit.signing import SignatureKind, SignedDocument, public_key_bytes, sign, verify

_KEY = Ed25519PrivateKey.generate()
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), _VALUES, max_size=4))
def test_what_is_written_canonically_is_read_back_the_same(value: dict[str, object]) -> None:
    document = canonical_json(value)
    assert canonical_json(read_canonical(document, limit_bytes=1 << 20)) == document


@pytest.mark.parametrize(
    "document",
    [
        b'{"b":1,"a":2}',
        b'{"a": 1}',
        b'{"a":1,"a":1}',
        b'{"a":1.00}',
        b'{"a":NaN}',
        b"[1]",
        b"{",
        b"\xff",
        b"",
        b"[" * 100_000,
    ],
)
def test_another_spelling_is_refused(document: bytes) -> None:
    with pytest.raises(UnreadableDocumentError):
        read_canonical(document, limit_bytes=1 << 20)


def test_a_document_over_the_limit_is_refused_unread() -> None:
    with pytest.raises(UnreadableDocumentError, match="over the 4 allowed"):
        read_canonical(b'{"a":1}', limit_bytes=4)


def test_a_signature_is_good_for_its_kind_document_and_key_only() -> None:
    signature = sign(SignatureKind.CHARTER, b"text", _KEY)
    other = public_key_bytes(Ed25519PrivateKey.generate())
    ours = public_key_bytes(_KEY)
    verify(SignatureKind.CHARTER, b"text", signature, ours)
    wrong = [
        (SignatureKind.ROSTER, b"text", signature, ours),
        (SignatureKind.CHARTER, b"texts", signature, ours),
        (SignatureKind.CHARTER, b"text", signature, other),
        (SignatureKind.CHARTER, b"text", signature[:-1], ours),
        (SignatureKind.CHARTER, b"text", b"", ours),
        (SignatureKind.CHARTER, b"text", signature, ours[:-1]),
    ]
    for kind, document, given_signature, key in wrong:
        with pytest.raises(SignatureMismatchError):
            verify(kind, document, given_signature, key)


def test_the_signed_bytes_are_those_the_contract_names() -> None:
    expected = _KEY.sign(b"highstreet/v1/reply\x00body")
    assert sign(SignatureKind.REPLY, b"body", _KEY) == expected  # Ed25519 is deterministic


def test_a_signed_file_gives_back_the_very_bytes() -> None:
    signed = SignedDocument.create(SignatureKind.ROSTER, {"b": 1.0, "a": ["é"]}, _KEY)
    again = SignedDocument.from_file_bytes(signed.to_file_bytes())
    again.verify(SignatureKind.ROSTER, public_key_bytes(_KEY))
    assert again == signed


def test_a_signed_file_edited_by_hand_fails_verification() -> None:
    signed = SignedDocument.create(SignatureKind.ROSTER, {"members": 3}, _KEY)
    edited = SignedDocument.from_file_bytes(signed.to_file_bytes().replace(b"3", b"4", 1))
    with pytest.raises((SignatureMismatchError, UnreadableDocumentError)):
        edited.verify(SignatureKind.ROSTER, public_key_bytes(_KEY))


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"kind":"x","signature":"","document":{}}', b"\xff"])
def test_a_file_that_is_no_signed_document_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableDocumentError):
        SignedDocument.from_file_bytes(data)
