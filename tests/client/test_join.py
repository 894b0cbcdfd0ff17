"""A store joins whom it was invited by, and nobody else; what goes wrong is said, and changes nothing."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from highstreet.audit.charter import RoundTerms
from highstreet.audit.errors import CharterError, CharterExceedsLimitsError, InvalidInviteError
from highstreet.audit.invite import Invite
from highstreet.audit.limits import StoreLimits
from highstreet.audit.signing import SignatureKind, SignedDocument
from highstreet.client import join as join_module
from highstreet.client import membership as membership_module
from highstreet.client.errors import (
    AlreadyJoinedError,
    CoopRefusedError,
    CoopUnreachableError,
    NotJoinedError,
    StoreConfigError,
    UntrustedCoordinatorError,
)
from highstreet.client.home import StoreHome
from highstreet.client.identity import load_identity, node_key_file
from highstreet.client.join import join_coop
from highstreet.client.membership import is_joined, load_charter, load_membership, member_caller
from highstreet.files import DiskFullError, write_private
from highstreet.protos import coop_pb2
from highstreet.server import founding
from highstreet.server.database import connect
from highstreet.server.home import CoopHome
from highstreet.server.membership import current_members
from highstreet.server.pki import Authority, key_pem, pem


def _now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def store(tmp_path: Path) -> StoreHome:
    return StoreHome(tmp_path / "store")


def _members(coop: Any) -> list[str]:
    connection = connect(coop.home.database)
    try:
        return [member.name for member in current_members(connection)]
    finally:
        connection.close()


def _invite_used(coop: Any, code: str) -> bool:
    connection = connect(coop.home.database)
    try:
        row = connection.execute(
            "SELECT used_at FROM invites WHERE invite_id = ?", (Invite.from_code(code).invite_id,)
        ).fetchone()
        return row is not None and row["used_at"] is not None
    finally:
        connection.close()


def test_one_code_is_all_a_store_needs(coop: Any, store: StoreHome, limits: StoreLimits) -> None:
    joined = join_coop(store, coop.invite("Corner Shop"), limits, now=_now())
    assert load_membership(store) == joined.membership
    assert load_charter(store) == coop.home.charter() == joined.charter
    assert _members(coop) == ["Corner Shop"]
    assert list(coop.nodes) == [load_identity(store).node_public_key]
    with member_caller(store) as caller:
        roster = caller.call(lambda stub, timeout: stub.GetRoster(coop_pb2.RosterRequest(), timeout=timeout))
    assert joined.membership.member_id.encode() in roster.roster.document


def test_private_keys_stay_and_are_for_the_owner_only(
    coop: Any, store: StoreHome, limits: StoreLimits, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []
    build = join_module._join_request

    def spy(*arguments: Any) -> coop_pb2.JoinRequest:
        request = build(*arguments)
        sent.append(request.SerializeToString())
        return request

    monkeypatch.setattr(join_module, "_join_request", spy)
    join_coop(store, coop.invite("Corner Shop"), limits, now=_now())
    identity = load_identity(store)
    scalars = [
        key.private_numbers().private_value.to_bytes(32, "big") for key in (identity.tls, identity.node)
    ]
    for secret in [
        *scalars,
        identity.signing.private_bytes_raw(),
        identity.encryption.private_bytes_raw(),
    ]:
        assert len(sent) == 1
        assert secret not in sent[0]
    for path in [store.keys, *store.keys.iterdir(), store.coop, *store.coop.iterdir()]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    assert b"OPENSSH PRIVATE KEY" in node_key_file(store).read_bytes()


def test_a_mistyped_code_sends_nothing(store: StoreHome, limits: StoreLimits, coop: Any) -> None:
    code = coop.invite("Corner Shop")
    typo = ("Z" if code[20] != "Z" else "Y").join([code[:20], code[21:]])
    with pytest.raises(InvalidInviteError):
        join_coop(store, typo, limits, now=_now())
    assert not store.root.exists()


def test_a_code_used_by_another_store_is_refused(coop: Any, tmp_path: Path, limits: StoreLimits) -> None:
    code = coop.invite("Corner Shop")
    join_coop(StoreHome(tmp_path / "first"), code, limits, now=_now())
    second = StoreHome(tmp_path / "second")
    with pytest.raises(CoopRefusedError, match="used by another store") as caught:
        join_coop(second, code, limits, now=_now())
    assert "new code" in caught.value.next_step
    assert not is_joined(second)
    assert _members(coop) == ["Corner Shop"]


def test_an_expired_code_is_refused(coop: Any, store: StoreHome, limits: StoreLimits) -> None:
    code = coop.invite("Corner Shop", hours=1)
    coop.skew_seconds = 3700
    with pytest.raises(CoopRefusedError, match="has expired"):
        join_coop(store, code, limits, now=_now())
    assert not is_joined(store)


def test_a_store_joins_one_co_op_once(coop: Any, store: StoreHome, limits: StoreLimits) -> None:
    join_coop(store, coop.invite("Corner Shop"), limits, now=_now())
    with pytest.raises(AlreadyJoinedError, match="Hill Road") as caught:
        join_coop(store, coop.invite("Another"), limits, now=_now())
    assert "store leave" in caught.value.next_step  # another folder would be another budget
    assert "--home" not in caught.value.next_step


def test_nobody_there_is_said(store: StoreHome, limits: StoreLimits, coop: Any) -> None:
    nowhere = replace(Invite.from_code(coop.invite("Corner Shop")), port=1)
    with pytest.raises(CoopUnreachableError, match=r"Nobody answers at 127\.0\.0\.1:1"):
        join_coop(store, nowhere.code(), limits, now=_now())
    assert not store.root.exists()


def test_something_that_is_no_coordinator_is_said(store: StoreHome, limits: StoreLimits, coop: Any) -> None:
    import socket
    import threading

    with socket.create_server(("127.0.0.1", 0)) as server:
        talk = threading.Thread(target=lambda: _greet(server))
        talk.start()
        other = replace(Invite.from_code(coop.invite("Corner Shop")), port=server.getsockname()[1])
        with pytest.raises(CoopUnreachableError, match=r"does not speak TLS 1\.3"):
            join_coop(store, other.code(), limits, now=_now())
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
            fetch_pinned_authority("127.0.0.1", port, bytes(32), now=_now(), timeout_seconds=0.2)


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
        join_coop(store, lured.code(), limits, now=_now())
    assert not store.root.exists()
    assert not _invite_used(coop, code)


def test_a_certificate_for_another_name_is_refused(
    found: Callable[..., CoopHome],
    run_coop: Callable[..., Any],
    store: StoreHome,
    limits: StoreLimits,
) -> None:
    home = found("named")
    authority = Authority.from_pem(home.ca_certificate.read_bytes(), home.ca_key.read_bytes())
    key = authority.issue_server("10.9.8.7", now=_now())[1]
    certificate = _renamed(authority, key)
    write_private(home.server_key, key_pem(key))
    write_private(home.server_certificate, pem(certificate) + pem(authority.certificate))
    elsewhere = run_coop(home)
    with pytest.raises(UntrustedCoordinatorError, match=r"another name than 127\.0\.0\.1"):
        join_coop(store, elsewhere.invite("Corner Shop"), limits, now=_now())


def _renamed(authority: Authority, key: Any) -> x509.Certificate:
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID

    now = _now()
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
        join_coop(store, coop.invite("Corner Shop"), limits, now=_now() + timedelta(days=days))
    assert "date" in caught.value.next_step
    assert not store.root.exists()


def test_an_expired_server_certificate_is_refused_by_tls_too(
    coop: Any, found: Callable[..., CoopHome], run_coop: Callable[..., Any], limits: StoreLimits
) -> None:
    from highstreet.client.coop_calls import CoopCaller

    home = found("old")
    authority = Authority.from_pem(home.ca_certificate.read_bytes(), home.ca_key.read_bytes())
    certificate, key = authority.issue_server("127.0.0.1", now=_now() - timedelta(days=398))
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
    join_coop(member, coop.invite("Mallory"), limits, now=_now())
    stage = found("stage")
    write_private(stage.server_key, load_identity(member).tls_key_pem)
    chain = (member.coop / "client.pem").read_bytes() + coop.home.ca_certificate.read_bytes()
    write_private(stage.server_certificate, chain)
    fake = run_coop(stage)
    lured = replace(Invite.from_code(coop.invite("Victim")), port=fake.home.config().ports.join)
    victim = StoreHome(tmp_path / "victim")
    with pytest.raises(UntrustedCoordinatorError, match="not certified by it as its server"):
        join_coop(victim, lured.code(), limits, now=_now())


def test_a_charter_over_the_stores_limits_does_not_use_up_the_code(
    coop: Any, store: StoreHome, limits: StoreLimits
) -> None:
    code = coop.invite("Corner Shop")
    with pytest.raises(CharterExceedsLimitsError, match="over the 1 allowed"):
        join_coop(store, code, replace(limits, max_epsilon=1.0), now=_now())
    assert not store.root.exists()
    assert not _invite_used(coop, code)
    join_coop(store, code, limits, now=_now())  # the owner changed their mind, not the coordinator


def test_a_charter_whose_sums_cannot_be_held_does_not_use_up_the_code(
    found: Callable[..., CoopHome],
    run_coop: Callable[[CoopHome], Any],
    charter_with: Callable[..., Any],
    store: StoreHome,
    limits: StoreLimits,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No sound coordinator would make one; this one does."""
    monkeypatch.setattr(founding, "refuse_impossible_sums", lambda charter: None)
    odd = charter_with(rounds=RoundTerms(cohort_floor=10_000, colluders=1))
    coop = run_coop(found("odd", charter=odd))
    code = coop.invite("Corner Shop")
    with pytest.raises(CharterError, match="The floor is 10000 contributors"):
        join_coop(store, code, limits, now=_now())
    assert not store.root.exists()
    assert not _invite_used(coop, code)


@pytest.mark.parametrize("failing_write", range(9))
def test_a_join_cut_short_at_any_write_is_repeated_with_the_same_code(
    coop: Any,
    store: StoreHome,
    limits: StoreLimits,
    monkeypatch: pytest.MonkeyPatch,
    failing_write: int,
) -> None:
    from highstreet.client import identity as identity_module

    code, written = coop.invite("Corner Shop"), 0

    def fails_once(path: Path, data: bytes) -> None:
        nonlocal written
        if written == failing_write:
            raise DiskFullError("There is no room left.", next_step="Free some space.")
        written += 1
        write_private(path, data)

    with monkeypatch.context() as patched:
        patched.setattr(identity_module, "write_private", fails_once)
        patched.setattr(membership_module, "write_private", fails_once)
        with pytest.raises(DiskFullError):
            join_coop(store, code, limits, now=_now())
    assert not is_joined(store)
    with pytest.raises(NotJoinedError):
        load_membership(store)
    join_coop(store, code, limits, now=_now())
    assert _members(coop) == ["Corner Shop"]
    assert len(coop.nodes) == 1


def test_a_join_goes_on_when_the_superlink_is_back(coop: Any, store: StoreHome, limits: StoreLimits) -> None:
    code = coop.invite("Corner Shop")
    coop.register_fails = True
    with pytest.raises(CoopRefusedError, match="cannot do it at the moment"):
        join_coop(store, code, limits, now=_now())
    assert _members(coop) == []
    coop.register_fails = False
    join_coop(store, code, limits, now=_now())
    assert _members(coop) == ["Corner Shop"]


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
        join_coop(store, coop.invite("Corner Shop"), limits, now=_now())
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
        join_coop(store, coop.invite("Corner Shop"), limits, now=_now())
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
        join_coop(store, coop.invite("Corner Shop"), limits, now=_now())


def test_a_charter_changed_on_disk_is_noticed(coop: Any, store: StoreHome, limits: StoreLimits) -> None:
    from highstreet.audit.errors import SignatureMismatchError

    join_coop(store, coop.invite("Corner Shop"), limits, now=_now())
    file = store.coop / "charter.json"
    file.write_bytes(file.read_bytes().replace(b'"cohort_floor": 3', b'"cohort_floor": 2'))
    with pytest.raises(SignatureMismatchError):
        load_charter(store)


def test_a_damaged_membership_is_said(coop: Any, store: StoreHome, limits: StoreLimits) -> None:
    join_coop(store, coop.invite("Corner Shop"), limits, now=_now())
    (store.coop / "membership.json").write_text("{")
    with pytest.raises(StoreConfigError, match="damaged"):
        load_membership(store)
