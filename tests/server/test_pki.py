"""The co-op's certificates are for what they say and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from highstreet.server.errors import MembershipError, SettingsError
from highstreet.server.pki import Authority, needs_renewal, request_key

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
AUTHORITY = Authority.create("Hill Road", now=NOW)


def _request(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, name: str = "store") -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    asked = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return asked.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def _usage(certificate: x509.Certificate) -> list[x509.ObjectIdentifier]:
    return list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def test_the_authority_signs_certificates_only_and_makes_no_sub_authorities() -> None:
    constraints = AUTHORITY.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 0)
    usage = AUTHORITY.certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.key_cert_sign
    assert not usage.digital_signature


def test_a_server_certificate_names_the_host_and_this_machine() -> None:
    certificate, key = AUTHORITY.issue_server("coop.example.org", now=NOW)
    certificate.verify_directly_issued_by(AUTHORITY.certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["coop.example.org", "localhost"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert _usage(certificate) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert key.public_key() == certificate.public_key()


def test_a_member_gets_what_the_coordinator_gives_not_what_the_request_asks() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = AUTHORITY.issue_member(_request(key, "coordinator"), "ab12", now=NOW)
    assert certificate.subject.rfc4514_string() == "CN=ab12"
    assert _usage(certificate) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    with pytest.raises(x509.ExtensionNotFound):
        certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)


def test_another_authority_of_the_same_name_did_not_issue_it() -> None:
    certificate, _ = AUTHORITY.issue_server("localhost", now=NOW)
    with pytest.raises(InvalidSignature):
        certificate.verify_directly_issued_by(Authority.create("Hill Road", now=NOW).certificate)


@pytest.mark.parametrize(
    "request_der",
    [
        b"",
        b"\x30\x03\x02\x01\x01",
        _request(rsa.generate_private_key(public_exponent=65537, key_size=2048)),
        _request(ec.generate_private_key(ec.SECP384R1())),
    ],
)
def test_a_request_that_is_not_for_a_p256_key_is_refused(request_der: bytes) -> None:
    with pytest.raises(MembershipError):
        request_key(request_der)


def test_a_request_signed_by_another_key_is_refused() -> None:
    request = bytearray(_request(ec.generate_private_key(ec.SECP256R1())))
    request[-1] ^= 1
    with pytest.raises(MembershipError):
        request_key(bytes(request))


def test_the_server_certificate_is_renewed_before_it_ends_or_for_another_host() -> None:
    certificate, _ = AUTHORITY.issue_server("coop.example.org", now=NOW)
    assert not needs_renewal(certificate, "coop.example.org", now=NOW)
    assert needs_renewal(certificate, "coop.example.org", now=NOW + timedelta(days=340))
    assert needs_renewal(certificate, "other.example.org", now=NOW)


def test_a_host_name_certificates_cannot_hold_is_refused() -> None:
    with pytest.raises(SettingsError):
        AUTHORITY.issue_server("bücher.example", now=NOW)
