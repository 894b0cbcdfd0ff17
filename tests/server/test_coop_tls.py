"""The co-op service speaks TLS 1.3 alone, and nothing to whom its authority did not certify."""

from __future__ import annotations

import datetime
import socket
import ssl
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from service_calls import UTC, authority_of, certified, member_channel, refused

from highstreet.protos import coop_pb2
from highstreet.server.pki import Authority, key_pem, pem


def test_without_a_client_certificate_tls_itself_refuses(coop: Any) -> None:
    code, details = refused(member_channel(coop, None, None), "GetRoster")
    assert code is grpc.StatusCode.UNAVAILABLE
    assert "COOP_REFUSAL" not in details


def test_a_certificate_of_another_authority_is_refused_by_tls(coop: Any) -> None:
    now = datetime.datetime.now(UTC)
    key, certificate = certified(Authority.create("Hill Road", now=now))
    assert refused(member_channel(coop, key, certificate), "GetRoster")[0] is grpc.StatusCode.UNAVAILABLE


def test_an_expired_client_certificate_is_refused_by_tls(coop: Any) -> None:
    long_ago = datetime.datetime.now(UTC) - datetime.timedelta(days=4000)
    authority = authority_of(coop.home)
    old = Authority(authority.certificate, authority.key)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(old.certificate.subject)
        .public_key(key.public_key())
        .serial_number(5)
        .not_valid_before(long_ago)
        .not_valid_after(long_ago + datetime.timedelta(days=1))
        .sign(old.key, hashes.SHA256())
    )
    channel = member_channel(coop, key_pem(key), pem(certificate))
    assert refused(channel, "GetRoster")[0] is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("port", ["join", "members"])
def test_plaintext_is_refused(coop: Any, port: str) -> None:
    number = getattr(coop.home.config().ports, port)
    channel = grpc.insecure_channel(f"127.0.0.1:{number}")
    request = coop_pb2.HelloRequest(format_versions=[2])
    assert refused(channel, "Hello", request)[0] is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("port", ["join", "members"])
def test_nothing_readable_is_on_the_wire_before_tls(coop: Any, port: str) -> None:
    number = getattr(coop.home.config().ports, port)
    with socket.create_connection(("127.0.0.1", number), timeout=5) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = raw.recv(64)
    assert answer == b"" or answer[0] == 0x15  # closed, or a TLS alert


@pytest.mark.parametrize(
    ("newest", "is_spoken"), [(ssl.TLSVersion.TLSv1_2, False), (ssl.TLSVersion.TLSv1_3, True)]
)
def test_only_tls_1_3_is_spoken(coop: Any, newest: ssl.TLSVersion, is_spoken: bool) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = newest
    address = ("127.0.0.1", coop.home.config().ports.join)
    try:
        with socket.create_connection(address, timeout=5) as raw, context.wrap_socket(raw) as spoken:
            version = spoken.version()
    except (ssl.SSLError, ConnectionError):
        version = None
    assert version == ("TLSv1.3" if is_spoken else None)


def test_a_client_that_trusts_another_authority_does_not_connect(coop: Any) -> None:
    other = Authority.create("Hill Road", now=datetime.datetime.now(UTC))
    credentials = grpc.ssl_channel_credentials(pem(other.certificate))
    channel = grpc.secure_channel(coop.home.config().join_address, credentials)
    assert refused(channel, "Hello", coop_pb2.HelloRequest())[0] is grpc.StatusCode.UNAVAILABLE


def test_a_client_that_expects_another_name_does_not_connect(coop: Any) -> None:
    credentials = grpc.ssl_channel_credentials(coop.home.ca_certificate.read_bytes())
    channel = grpc.secure_channel(
        coop.home.config().join_address,
        credentials,
        options=[("grpc.ssl_target_name_override", "other.example.org")],
    )
    assert refused(channel, "Hello", coop_pb2.HelloRequest())[0] is grpc.StatusCode.UNAVAILABLE
