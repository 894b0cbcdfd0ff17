"""The co-op's own certificates: one authority, the server's, and one per member. P-256 throughout.

The authority signs nothing else, may not make sub-authorities, and each certificate says what it is for: a
member's certificate never passes as the server's. Members' certificates last as long as the authority,
because membership is looked up on every call: what ends it is the member table, at once, not a date.
"""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from highstreet.server.errors import MembershipError, SettingsError

__all__ = ["Authority", "certificate_serial", "key_pem", "needs_renewal", "pem"]

_AUTHORITY_DAYS = 3650
_SERVER_DAYS = 397
_RENEW_BEFORE_DAYS = 60
_CLOCK_SKEW = datetime.timedelta(hours=1)


@dataclass(frozen=True, slots=True, repr=False)
class Authority:
    """The co-op's certificate authority with its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def create(cls, coop_name: str, *, now: datetime.datetime) -> Authority:
        """Draw a key and sign its own certificate, for ten years."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Highstreet co-op {coop_name}"[:64])])
        builder = _builder(name, key.public_key(), issuer=name, now=now, days=_AUTHORITY_DAYS)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
        return cls(builder.sign(key, hashes.SHA256()), key)

    @classmethod
    def from_pem(cls, certificate: bytes, key: bytes) -> Authority:
        """Read the authority from its two files."""
        private = serialization.load_pem_private_key(key, password=None)
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise SettingsError("The authority's key is not an elliptic-curve key.")
        return cls(x509.load_pem_x509_certificate(certificate), private)

    def issue_server(
        self, host: str, *, now: datetime.datetime
    ) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        """Return a new key and a certificate for this host name or address, and for this machine itself."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Highstreet coordinator")])
        builder = self._leaf(name, key.public_key(), now=now, days=_SERVER_DAYS)
        names = x509.SubjectAlternativeName(_alternative_names(host))
        builder = builder.add_extension(names, critical=False)
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=True
        )
        return builder.sign(self.key, hashes.SHA256()), key

    def issue_member(self, request_der: bytes, member_id: str, *, now: datetime.datetime) -> x509.Certificate:
        """Certify the key of a certificate request under a member's name; what else it asks is ignored.

        Raises:
            MembershipError: not a valid PKCS #10 request for a P-256 key, signed by that key.
        """
        public = request_key(request_der)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, member_id)])
        days = (self.certificate.not_valid_after_utc - now).days
        builder = self._leaf(name, public, now=now, days=days)
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=True
        )
        return builder.sign(self.key, hashes.SHA256())

    def _leaf(
        self, name: x509.Name, public: ec.EllipticCurvePublicKey, *, now: datetime.datetime, days: int
    ) -> x509.CertificateBuilder:
        builder = _builder(name, public, issuer=self.certificate.subject, now=now, days=days)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        return builder.add_extension(issuer_key, critical=False)


def request_key(request_der: bytes) -> ec.EllipticCurvePublicKey:
    """Return the P-256 key a certificate request is for, once the request is shown to be signed by it.

    Raises:
        MembershipError: anything else.
    """
    try:
        request = x509.load_der_x509_csr(request_der)
        public = request.public_key()
        is_sound = request.is_signature_valid
    except (ValueError, TypeError, InvalidSignature) as error:
        raise MembershipError("The certificate request cannot be read.") from error
    if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP256R1):
        raise MembershipError("The certificate request is not for a P-256 key.")
    if not is_sound:
        raise MembershipError("The certificate request is not signed by its own key.")
    return public


def pem(certificate: x509.Certificate) -> bytes:
    """Return a certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key: ec.EllipticCurvePrivateKey | Ed25519PrivateKey) -> bytes:
    """Return a private key as unencrypted PEM (PKCS #8); it belongs in a file of mode 0600."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def certificate_serial(certificate_pem: bytes) -> str:
    """Return the serial number by which the member table knows a certificate.

    Raises:
        MembershipError: not a certificate.
    """
    try:
        return format(x509.load_pem_x509_certificate(certificate_pem).serial_number, "x")
    except ValueError as error:
        raise MembershipError("The client certificate cannot be read.") from error


def needs_renewal(certificate: x509.Certificate, host: str, *, now: datetime.datetime) -> bool:
    """Say whether the server's certificate ends within two months or is for another host."""
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    ends_soon = certificate.not_valid_after_utc - now < datetime.timedelta(days=_RENEW_BEFORE_DAYS)
    return ends_soon or _alternative_names(host)[0] not in names


def _alternative_names(host: str) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = []
    for name in (host, "localhost", "127.0.0.1"):
        try:
            entry: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            entry = _dns_name(name)
        if entry not in names:
            names.append(entry)
    return names


def _dns_name(name: str) -> x509.DNSName:
    try:
        return x509.DNSName(name)
    except ValueError as error:
        raise SettingsError(
            "The host name holds a character that certificates do not allow.",
            next_step="Use the name's ASCII form or an IP address.",
        ) from error


def _builder(
    name: x509.Name,
    public: ec.EllipticCurvePublicKey,
    *,
    issuer: x509.Name,
    now: datetime.datetime,
    days: int,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
