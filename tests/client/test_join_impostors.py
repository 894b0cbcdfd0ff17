"""Whoever answers in the coordinator's place, or tells an odd thing in its name, is not believed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from highstreet.audit.invite import Invite
from highstreet.audit.limits import StoreLimits
from highstreet.audit.signing import SignatureKind, SignedDocument
from highstreet.client import join as join_module
from highstreet.client.errors import CoopUnreachableError, UntrustedCoordinatorError
from highstreet.client.home import StoreHome
from highstreet.client.identity import load_identity
from highstreet.client.join import join_coop
from highstreet.client.membership import is_joined
from highstreet.files import write_private
from highstreet.protos import coop_pb2
from highstreet.server.home import CoopHome
from highstreet.server.pki import Authority, key_pem, pem
from tests.client.joined_coop import is_invite_used, moment_now


@pytest.fixture
def store(tmp_path: Path) -> StoreHome:
    return StoreHome(tmp_path / "store")


def test_something_that_is_no_coordinator_is_said(store: StoreHome, limits: StoreLimits, coop: Any) -> None:
    import socket
    import threading

    with socket.create_server(("127.0.0.1", 0)) as server:
        talk = threading.Thread(target=lambda: _greet(server))
        talk.start()
        other = replace(Invite.from_code(coop.invite("Corner Shop")), port=server.getsockname()[1])
        with pytest.raises(CoopUnreachableError, match=r"does not speak TLS 1\.3"):
            join_coop(store, other.code(), limits, now=moment_now())
        talk.join()


def _greet(server: Any) -> None:
    connection, _ = server.accept()
    with connection:
        connection.sendall(b"220 mail.example.org ready\r\n")
        connection.recv(4096)


def test_a_silent_server_does_not_hold_the_store_for_ever(coop: Any) -> None:
    import socket

    from highstreet.client.coop_tls import fetch_pinned_authority

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(CoopUnreachableError, match="Nobody answers"):
            fetch_pinned_authority("127.0.0.1", port, bytes(32), now=moment_now(), timeout_seconds=0.2)


def test_another_co_op_at_the_address_gets_nothing(
    coop: Any,
    store: StoreHome,
    limits: StoreLimits,
    found: Callable[..., CoopHome],
    run_coop: Callable[..., Any],
) -> None:
    impostor = run_coop(found("impostor"))
    code = coop.invite("Corner Shop")
    lured = replace(Invite.from_code(code), port=impostor.home.config().ports.join)
    with pytest.raises(UntrustedCoordinatorError, match="is not the coordinator that made this invitation"):
        join_coop(store, lured.code(), limits, now=moment_now())
    assert not store.root.exists()
    assert not is_invite_used(coop, code)


def test_a_certificate_for_another_name_is_refused(
    found: Callable[..., CoopHome],
    run_coop: Callable[..., Any],
    store: StoreHome,
    limits: StoreLimits,
) -> None:
    home = found("named")
    authority = Authority.from_pem(home.ca_certificate.read_bytes(), home.ca_key.read_bytes())
    key = authority.issue_server("10.9.8.7", now=moment_now())[1]
    certificate = _renamed(authority, key)
    write_private(home.server_key, key_pem(key))
    write_private(home.server_certificate, pem(certificate) + pem(authority.certificate))
    elsewhere = run_coop(home)
    with pytest.raises(UntrustedCoordinatorError, match=r"another name than 127\.0\.0\.1"):
        join_coop(store, elsewhere.invite("Corner Shop"), limits, now=moment_now())


def _renamed(authority: Authority, key: Any) -> x509.Certificate:
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID

    now = moment_now()
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("other.example.org")]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=True)
    )
    return builder.sign(authority.key, hashes.SHA256())


@pytest.mark.parametrize(("days", "said"), [(400, "ended on"), (-2, "begins on")])
def test_a_certificate_out_of_its_dates_is_refused(
    coop: Any, store: StoreHome, limits: StoreLimits, days: int, said: str
) -> None:
    with pytest.raises(UntrustedCoordinatorError, match=said) as caught:
        join_coop(store, coop.invite("Corner Shop"), limits, now=moment_now() + timedelta(days=days))
    assert "date" in caught.value.next_step
    assert not store.root.exists()


def test_an_expired_server_certificate_is_refused_by_tls_too(
    coop: Any, found: Callable[..., CoopHome], run_coop: Callable[..., Any], limits: StoreLimits
) -> None:
    from highstreet.client.coop_calls import CoopCaller

    home = found("old")
    authority = Authority.from_pem(home.ca_certificate.read_bytes(), home.ca_key.read_bytes())
    certificate, key = authority.issue_server("127.0.0.1", now=moment_now() - timedelta(days=398))
    write_private(home.server_key, key_pem(key))
    write_private(home.server_certificate, pem(certificate) + pem(authority.certificate))
    old = run_coop(home)
    with (
        CoopCaller(old.home.config().join_address, home.ca_certificate.read_bytes()) as caller,
        pytest.raises(CoopUnreachableError, match="No secure connection"),
    ):
        caller.agree_on_version()


def test_a_member_cannot_play_the_coordinator_with_its_certificate(
    coop: Any,
    found: Callable[..., CoopHome],
    run_coop: Callable[..., Any],
    tmp_path: Path,
    limits: StoreLimits,
) -> None:
    member = StoreHome(tmp_path / "member")
    join_coop(member, coop.invite("Mallory"), limits, now=moment_now())
    stage = found("stage")
    write_private(stage.server_key, load_identity(member).tls_key_pem)
    chain = (member.coop / "client.pem").read_bytes() + coop.home.ca_certificate.read_bytes()
    write_private(stage.server_certificate, chain)
    fake = run_coop(stage)
    lured = replace(Invite.from_code(coop.invite("Victim")), port=fake.home.config().ports.join)
    victim = StoreHome(tmp_path / "victim")
    with pytest.raises(UntrustedCoordinatorError, match="not certified by it as its server"):
        join_coop(victim, lured.code(), limits, now=moment_now())


def _tampered(reply: coop_pb2.JoinReply, coop: Any, tmp_path: Path) -> dict[str, coop_pb2.JoinReply]:
    """Replies a coordinator must not be believed, by what is wrong with them."""
    replies = {}
    for name in ("key", "charter", "roster", "certificate", "address"):
        changed = coop_pb2.JoinReply()
        changed.CopyFrom(reply)
        replies[name] = changed
    replies["key"].coordinator_public_key = bytes(range(32))
    replies["charter"].charter.document = reply.charter.document.replace(b"0.5", b"0.6")
    replies["roster"].member_id = "00" * 8
    replies["certificate"].client_certificate_pem = coop.home.ca_certificate.read_bytes()
    replies["address"].member_address = "unix:/tmp/x"
    return replies


@pytest.mark.parametrize("part", ["key", "charter", "roster", "certificate", "address"])
def test_an_answer_with_one_odd_part_is_not_believed(
    coop: Any,
    store: StoreHome,
    limits: StoreLimits,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    part: str,
) -> None:
    check = join_module._checked_papers

    def with_odd_part(reply: coop_pb2.JoinReply, *rest: Any) -> Any:
        odd = _tampered(reply, coop, tmp_path)[part]
        reply.CopyFrom(odd)
        return check(reply, *rest)

    monkeypatch.setattr(join_module, "_checked_papers", with_odd_part)
    with pytest.raises(UntrustedCoordinatorError, match="did not join"):
        join_coop(store, coop.invite("Corner Shop"), limits, now=moment_now())
    assert not is_joined(store)


@pytest.mark.parametrize("member_id", ["..", "/srv/x", "m1", "AB" * 8, "00" * 8 + "\n"])
def test_a_member_id_of_another_form_is_not_believed_though_the_roster_names_it(
    coop: Any, store: StoreHome, limits: StoreLimits, monkeypatch: pytest.MonkeyPatch, member_id: str
) -> None:
    check = join_module._checked_papers

    def renamed(reply: coop_pb2.JoinReply, *rest: Any) -> Any:
        roster = json.loads(reply.roster.document)
        roster["members"][0]["member_id"] = reply.member_id = member_id
        signed = SignedDocument.create(SignatureKind.ROSTER, roster, coop.home.coordinator_key())
        reply.roster.document, reply.roster.signature = signed.document, signed.signature
        return check(reply, *rest)

    monkeypatch.setattr(join_module, "_checked_papers", renamed)
    with pytest.raises(UntrustedCoordinatorError, match="member id"):
        join_coop(store, coop.invite("Corner Shop"), limits, now=moment_now())
    assert not is_joined(store)


def test_a_roster_with_a_name_that_acts_on_a_terminal_is_not_believed(
    coop: Any, store: StoreHome, limits: StoreLimits, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = join_module._checked_papers

    def renamed(reply: coop_pb2.JoinReply, *rest: Any) -> Any:
        roster = json.loads(reply.roster.document)
        roster["members"][0]["name"] = "Corner\x9b2K Shop"
        signed = SignedDocument.create(SignatureKind.ROSTER, roster, coop.home.coordinator_key())
        reply.roster.document, reply.roster.signature = signed.document, signed.signature
        return check(reply, *rest)

    monkeypatch.setattr(join_module, "_checked_papers", renamed)
    with pytest.raises(UntrustedCoordinatorError, match="cannot be used"):
        join_coop(store, coop.invite("Corner Shop"), limits, now=moment_now())
