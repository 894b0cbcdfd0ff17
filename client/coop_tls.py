"""Trust in the coordinator, from nothing but a fingerprint: the pin is checked before anything is believed.

gRPC for Python cannot look at a certificate it does not trust yet. So the store first makes a bare TLS 1.3
connection, takes the chain the server shows, and looks for the authority whose SHA-256 stands in the
invitation. Only then gRPC connects, with that authority as its only root, and verifies chain, name and
dates again by itself. The checks made here give people a sentence; those of gRPC give the safety.
"""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import select
import socket
import time

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import SSL

from highstreet.client.errors import CoopUnreachableError, UntrustedCoordinatorError

__all__ = ["fetch_pinned_authority"]

_TIMEOUT_SECONDS = 10.0


def fetch_pinned_authority(
    host: str,
    port: int,
    ca_sha256: bytes,
    *,
    now: datetime.datetime,
    timeout_seconds: float = _TIMEOUT_SECONDS,
) -> bytes:
    """Return the authority with this SHA-256 as PEM, once the server was shown to be certified by it.

    Raises:
        CoopUnreachableError: nobody answers there, or not with TLS 1.3.
        UntrustedCoordinatorError: another authority, another name, or a certificate out of its dates.
    """
    chain = _presented_chain(host, port, timeout_seconds)
    where = f"{host}:{port}"
    pinned = [each for each in chain if _sha256(each) == ca_sha256]
    if not pinned:
        raise UntrustedCoordinatorError(
            f"Who answers at {where} is not the coordinator that made this invitation: its certificate "
            "differs.",
            next_step="Nothing was sent. Ask the coordinator, by telephone say, whether the code and the "
            "address are right; do not go on until they are.",
        )
    _check_server(chain[0], pinned[0], host, now=now)
    return pinned[0].public_bytes(Encoding.PEM)


def _check_server(
    server: x509.Certificate, authority: x509.Certificate, host: str, *, now: datetime.datetime
) -> None:
    for certificate in (server, authority):
        if now > certificate.not_valid_after_utc:
            raise UntrustedCoordinatorError(
                f"The coordinator's certificate ended on {certificate.not_valid_after_utc:%Y-%m-%d}.",
                next_step="Check this computer's date. If it is right, ask the coordinator to start their "
                "service again, which renews it.",
            )
        if now < certificate.not_valid_before_utc:
            raise UntrustedCoordinatorError(
                f"The coordinator's certificate begins on {certificate.not_valid_before_utc:%Y-%m-%d} only.",
                next_step="Check this computer's date and try again.",
            )
    try:
        server.verify_directly_issued_by(authority)
        usage = server.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound) as error:
        raise _not_certified() from error
    if ExtendedKeyUsageOID.SERVER_AUTH not in usage:
        raise _not_certified()
    if not _is_named(host, names):
        raise UntrustedCoordinatorError(
            f"The coordinator's certificate is for another name than {host}.",
            next_step="Use the address in the invitation, or ask the coordinator for a code for this one.",
        )


def _sha256(certificate: x509.Certificate) -> bytes:
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()


def _is_named(host: str, names: x509.SubjectAlternativeName) -> bool:
    try:
        return ipaddress.ip_address(host) in names.get_values_for_type(x509.IPAddress)
    except ValueError:
        return host.lower() in {name.lower() for name in names.get_values_for_type(x509.DNSName)}


def _not_certified() -> UntrustedCoordinatorError:
    return UntrustedCoordinatorError(
        "Who answers shows the co-op's authority but is not certified by it as its server.",
        next_step="Nothing was sent. Tell the coordinator.",
    )


def _presented_chain(host: str, port: int, timeout_seconds: float) -> list[x509.Certificate]:
    """Return the certificates the server shows, its own first. None of them is trusted by that."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_3_VERSION)
    context.set_verify(SSL.VERIFY_NONE)
    end = time.monotonic() + timeout_seconds
    try:
        with socket.create_connection((host, port), timeout=timeout_seconds) as raw:
            raw.setblocking(False)
            connection = SSL.Connection(context, raw)
            connection.set_tlsext_host_name(host.encode("idna"))
            connection.set_connect_state()
            _shake_hands(connection, raw, end)
            return connection.get_peer_cert_chain(as_cryptography=True) or []
    except (SSL.Error, UnicodeError) as error:
        raise CoopUnreachableError(
            f"What answers at {host}:{port} does not speak TLS 1.3, so it is not a coordinator.",
            next_step="Check the address in the invitation with the coordinator.",
        ) from error
    except OSError as error:
        raise CoopUnreachableError(
            f"Nobody answers at {host}:{port}.",
            next_step="Check this computer's network, and with the coordinator that `highstreet coop run` is "
            "running and the address is right.",
        ) from error


def _shake_hands(connection: SSL.Connection, raw: socket.socket, end: float) -> None:
    while True:
        try:
            connection.do_handshake()
        except SSL.WantReadError:
            left = end - time.monotonic()
            if left <= 0 or not select.select([raw], [], [], left)[0]:
                raise TimeoutError("the handshake takes too long") from None
        else:
            return
