"""Salted commitments: bound to salt, value and domain, and computed as the document says."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from highstreet.audit.commitments import commit

_BYTES = st.binary(max_size=80)
_SALTS = st.binary(min_size=32, max_size=32)
_DOMAINS = st.text("abc/.", min_size=1, max_size=12)


@given(_SALTS, _BYTES, _DOMAINS)
def test_a_commitment_is_the_hash_the_document_says(salt: bytes, value: bytes, domain: str) -> None:
    hashed = b"highstreet/commitment/v1\x00" + bytes([len(domain)]) + domain.encode() + salt + value
    assert commit(salt, value, domain=domain) == hashlib.sha256(hashed).digest()


@given(st.tuples(_SALTS, _BYTES, _DOMAINS), st.tuples(_SALTS, _BYTES, _DOMAINS))
def test_two_inputs_never_give_one_commitment(
    one: tuple[bytes, bytes, str], other: tuple[bytes, bytes, str]
) -> None:
    made = [commit(salt, value, domain=domain) for salt, value, domain in (one, other)]
    assert (made[0] == made[1]) == (one == other)


def test_a_domain_that_begins_with_anothers_is_another() -> None:
    salt = bytes(32)
    assert commit(salt, b"", domain="ab") != commit(salt, b"", domain="a")


@pytest.mark.parametrize(
    ("salt", "domain"), [(bytes(31), "a"), (bytes(33), "a"), (bytes(32), ""), (bytes(32), "é")]
)
def test_a_short_salt_or_a_nameless_domain_is_refused(salt: bytes, domain: str) -> None:
    with pytest.raises(ValueError, match="commitment"):
        commit(salt, b"x", domain=domain)


def test_a_domain_of_256_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="domain"):
        commit(bytes(32), b"x", domain="a" * 256)
