"""The co-op service speaks TLS 1.3 to whom it should, and nothing to anybody else."""

from __future__ import annotations

import datetime
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from highstreet.audit.invite import Invite
from highstreet.audit.log_book import LogBook
from highstreet.audit.signed_notes import SignedNote
from highstreet.audit.signing import SignatureKind, join_statement, sign
from highstreet.client.errors import CoopRefusedError
from highstreet.client.home import StoreHome
from highstreet.client.identity import Identity, load_identity
from highstreet.client.join import join_coop
from highstreet.client.membership import load_membership
from highstreet.protos import coop_pb2, coop_pb2_grpc
from highstreet.server import coop_desk, join_service, member_service
from highstreet.server.coop_desk import CoopDesk, end_membership
from highstreet.server.coop_log import CoopLog
from highstreet.server.errors import PortBusyError
from highstreet.server.home import CoopHome
from highstreet.server.listening import serve_coop
from highstreet.server.pki import Authority, key_pem, pem

UTC = datetime.UTC
MEMBER_CALLS = [
    "GetCharter",
    "GetRoster",
    "SendVouching",
    "FetchVouching",
    "PutVouch",
    "WithdrawVouch",
    "LatestRelease",
    "DownloadRelease",
    "GetCheckpoint",
    "GetEntries",
    "GetInclusionProof",
    "GetConsistencyProof",
    "PutCosignature",
    "CosignCheckpoint",
    "Leave",
]
_REQUESTS = {
    "GetCharter": coop_pb2.CharterRequest(),
    "GetRoster": coop_pb2.RosterRequest(),
    "SendVouching": coop_pb2.VouchingMessage(),
    "FetchVouching": coop_pb2.FetchVouchingRequest(),
    "PutVouch": coop_pb2.PutVouchRequest(),
    "WithdrawVouch": coop_pb2.WithdrawVouchRequest(),
    "LatestRelease": coop_pb2.LatestReleaseRequest(),
    "DownloadRelease": coop_pb2.DownloadReleaseRequest(number=1),
    "GetCheckpoint": coop_pb2.CheckpointRequest(),
    "GetEntries": coop_pb2.EntriesRequest(first=0, count=10),
    "GetInclusionProof": coop_pb2.InclusionProofRequest(index=0, size=1),
    "GetConsistencyProof": coop_pb2.ConsistencyProofRequest(first=1, second=1),
    "PutCosignature": coop_pb2.PutCosignatureRequest(),
    "CosignCheckpoint": coop_pb2.CosignCheckpointRequest(),
    "Leave": coop_pb2.LeaveRequest(),
}


@pytest.fixture
def store(coop: Any, tmp_path: Any, limits: Any) -> StoreHome:
    home = StoreHome(tmp_path / "store")
    join_coop(home, coop.invite("Corner Shop"), limits, now=datetime.datetime.now(UTC))
    return home


def _call(channel: grpc.Channel, name: str, request: Any = None) -> Any:
    stub = coop_pb2_grpc.CoopStub(channel)  # type: ignore[no-untyped-call]
    reply = getattr(stub, name)(request or _REQUESTS[name], timeout=5)
    return list(reply) if name == "DownloadRelease" else reply


def _refused(channel: grpc.Channel, name: str, request: Any = None) -> tuple[grpc.StatusCode, str]:
    with channel, pytest.raises(grpc.RpcError) as caught:
        _call(channel, name, request)
    return caught.value.code(), str(caught.value.details())


def _member_channel(coop: Any, key: bytes | None, certificate: bytes | None) -> grpc.Channel:
    root = coop.home.ca_certificate.read_bytes()
    credentials = grpc.ssl_channel_credentials(root, key, certificate)
    return grpc.secure_channel(coop.home.config().member_address, credentials)


def _join_channel(coop: Any) -> grpc.Channel:
    credentials = grpc.ssl_channel_credentials(coop.home.ca_certificate.read_bytes())
    return grpc.secure_channel(coop.home.config().join_address, credentials)


def _own_channel(coop: Any, store: StoreHome) -> grpc.Channel:
    certificate = (store.coop / "client.pem").read_bytes()
    return _member_channel(coop, load_identity(store).tls_key_pem, certificate)


def _authority(home: CoopHome) -> Authority:
    return Authority.from_pem(home.ca_certificate.read_bytes(), home.ca_key.read_bytes())


def _certified(authority: Authority, *, now: datetime.datetime | None = None) -> tuple[bytes, bytes]:
    """A fresh key and a client certificate by an authority, for a member nobody knows."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    request = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    certificate = authority.issue_member(request, "ab12", now=now or datetime.datetime.now(UTC))
    return key_pem(key), pem(certificate)


@pytest.mark.parametrize("name", ["GetCharter", "GetRoster", "FetchVouching", "LatestRelease"])
def test_a_member_is_answered(coop: Any, store: StoreHome, name: str) -> None:
    with _own_channel(coop, store) as channel:
        assert _call(channel, name) is not None


def test_every_call_of_the_contract_is_listed_here() -> None:
    service = coop_pb2.DESCRIPTOR.services_by_name["Coop"]
    assert {method.name for method in service.methods} == {*MEMBER_CALLS, "Hello", "Join"}


@pytest.mark.parametrize("name", MEMBER_CALLS)
def test_a_store_that_left_is_refused_every_call(coop: Any, store: StoreHome, name: str) -> None:
    desk = CoopDesk(
        home=coop.home,
        register_node=coop.register,
        unregister_node=coop.unregister,
        now=coop.now,
        log=coop.log,
    )
    assert coop.nodes
    end_membership(desk, load_membership(store).member_id)
    status = _refused(_own_channel(coop, store), name)
    assert status == (grpc.StatusCode.PERMISSION_DENIED, "COOP_REFUSAL_NOT_A_MEMBER")
    assert coop.nodes == {}


@pytest.mark.parametrize("name", MEMBER_CALLS)
def test_a_certificate_of_the_authority_is_not_enough(coop: Any, store: StoreHome, name: str) -> None:
    key, certificate = _certified(_authority(coop.home))
    status = _refused(_member_channel(coop, key, certificate), name)
    assert status == (grpc.StatusCode.PERMISSION_DENIED, "COOP_REFUSAL_NOT_A_MEMBER")


def test_leaving_takes_effect_on_the_connection_that_is_open(coop: Any, store: StoreHome) -> None:
    with _own_channel(coop, store) as channel:
        _call(channel, "Leave")
        with pytest.raises(grpc.RpcError) as caught:
            _call(channel, "GetRoster")
    assert caught.value.details() == "COOP_REFUSAL_NOT_A_MEMBER"


def test_without_a_client_certificate_tls_itself_refuses(coop: Any) -> None:
    code, details = _refused(_member_channel(coop, None, None), "GetRoster")
    assert code is grpc.StatusCode.UNAVAILABLE
    assert "COOP_REFUSAL" not in details


def test_a_certificate_of_another_authority_is_refused_by_tls(coop: Any) -> None:
    now = datetime.datetime.now(UTC)
    key, certificate = _certified(Authority.create("Hill Road", now=now))
    assert _refused(_member_channel(coop, key, certificate), "GetRoster")[0] is grpc.StatusCode.UNAVAILABLE


def test_an_expired_client_certificate_is_refused_by_tls(coop: Any) -> None:
    long_ago = datetime.datetime.now(UTC) - datetime.timedelta(days=4000)
    authority = _authority(coop.home)
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
    channel = _member_channel(coop, key_pem(key), pem(certificate))
    assert _refused(channel, "GetRoster")[0] is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("port", ["join", "members"])
def test_plaintext_is_refused(coop: Any, port: str) -> None:
    number = getattr(coop.home.config().ports, port)
    channel = grpc.insecure_channel(f"127.0.0.1:{number}")
    request = coop_pb2.HelloRequest(format_versions=[2])
    assert _refused(channel, "Hello", request)[0] is grpc.StatusCode.UNAVAILABLE


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
    assert _refused(channel, "Hello", coop_pb2.HelloRequest())[0] is grpc.StatusCode.UNAVAILABLE


def test_a_client_that_expects_another_name_does_not_connect(coop: Any) -> None:
    credentials = grpc.ssl_channel_credentials(coop.home.ca_certificate.read_bytes())
    channel = grpc.secure_channel(
        coop.home.config().join_address,
        credentials,
        options=[("grpc.ssl_target_name_override", "other.example.org")],
    )
    assert _refused(channel, "Hello", coop_pb2.HelloRequest())[0] is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("name", [name for name in MEMBER_CALLS if name != "GetCharter"])
def test_the_join_port_serves_joining_only(coop: Any, name: str) -> None:
    assert _refused(_join_channel(coop), name)[0] is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(("versions", "agreed"), [([2], 2), ([9, 2], 2), ([1], 0), ([], 0)])
def test_hello_agrees_on_a_version_or_says_none(coop: Any, versions: list[int], agreed: int) -> None:
    with _join_channel(coop) as channel:
        reply = _call(channel, "Hello", coop_pb2.HelloRequest(format_versions=versions))
    assert (reply.format_version, reply.coop_name) == (agreed, "Hill Road")


def _application(coop: Any, code: str, identity: Identity, **changes: Any) -> coop_pb2.JoinRequest:
    invite = Invite.from_code(code)
    request = coop_pb2.JoinRequest(
        format_version=2,
        invite_id=invite.invite_id,
        invite_secret=invite.secret,
        certificate_request_der=identity.certificate_request(),
        signing_public_key=identity.signing_public_key,
        node_public_key=identity.node_public_key,
        accepted_charter_sha256=coop.home.charter().sha256(),
        encryption_public_key=identity.encryption_public_key,
    )
    for name, value in changes.items():
        setattr(request, name, value)
    statement = join_statement(
        request.format_version.to_bytes(4, "big"),
        request.invite_id.encode(),
        request.invite_secret,
        request.certificate_request_der,
        request.signing_public_key,
        request.node_public_key,
        request.accepted_charter_sha256,
        request.encryption_public_key,
    )
    request.possession_signature = sign(SignatureKind.JOIN, statement, identity.signing)
    return request


def _fresh_identity() -> Identity:
    return Identity(
        tls=ec.generate_private_key(ec.SECP256R1()),
        signing=Ed25519PrivateKey.generate(),
        encryption=X25519PrivateKey.generate(),
        node=ec.generate_private_key(ec.SECP256R1()),
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format_version": 1}, "COOP_REFUSAL_VERSION"),
        ({"invite_secret": bytes(32)}, "COOP_REFUSAL_INVITE"),
        ({"invite_id": "00" * 8}, "COOP_REFUSAL_INVITE"),
        ({"invite_id": "x" * 65}, "COOP_REFUSAL_UNREADABLE"),
        ({"invite_secret": b"short"}, "COOP_REFUSAL_UNREADABLE"),
        ({"certificate_request_der": b"x" * 5000}, "COOP_REFUSAL_UNREADABLE"),
        ({"certificate_request_der": b"nonsense"}, "COOP_REFUSAL_UNREADABLE"),
        ({"node_public_key": b"ssh-ed25519 AAAA"}, "COOP_REFUSAL_UNREADABLE"),
        ({"node_public_key": b"-----BEGIN PUBLIC KEY-----"}, "COOP_REFUSAL_UNREADABLE"),
        ({"signing_public_key": bytes(31)}, "COOP_REFUSAL_UNREADABLE"),
        ({"encryption_public_key": b""}, "COOP_REFUSAL_UNREADABLE"),
        ({"encryption_public_key": bytes(32)}, "COOP_REFUSAL_UNREADABLE"),  # of low order
        ({"signing_public_key": bytes(range(32))}, "COOP_REFUSAL_POSSESSION"),
        ({"accepted_charter_sha256": bytes(32)}, "COOP_REFUSAL_CHARTER"),
    ],
)
def test_a_join_that_is_not_in_order_is_refused_and_spends_nothing(
    coop: Any, changes: dict[str, Any], said: str
) -> None:
    identity, code = _fresh_identity(), coop.invite("Corner Shop")
    assert _refused(_join_channel(coop), "Join", _application(coop, code, identity, **changes))[1] == said
    with _join_channel(coop) as channel:
        assert _call(channel, "Join", _application(coop, code, identity)).member_id


def test_a_request_changed_after_signing_is_refused(coop: Any) -> None:
    request = _application(coop, coop.invite("Corner Shop"), _fresh_identity())
    request.node_public_key = _fresh_identity().node_public_key
    assert _refused(_join_channel(coop), "Join", request)[1] == "COOP_REFUSAL_POSSESSION"


def test_an_encryption_key_put_in_place_of_the_stores_is_refused(coop: Any) -> None:
    request = _application(coop, coop.invite("Corner Shop"), _fresh_identity())
    request.encryption_public_key = _fresh_identity().encryption_public_key
    assert _refused(_join_channel(coop), "Join", request)[1] == "COOP_REFUSAL_POSSESSION"


def test_guessing_secrets_is_stopped(coop: Any) -> None:
    code, identity = coop.invite("Corner Shop"), _fresh_identity()
    said = []
    for guess in range(12):
        wrong = _application(coop, code, identity, invite_secret=bytes([guess]) * 32)
        said.append(_refused(_join_channel(coop), "Join", wrong)[1])
    assert said == ["COOP_REFUSAL_INVITE"] * 10 + ["COOP_REFUSAL_TOO_MANY"] * 2


def test_a_message_over_the_limit_is_refused(coop: Any) -> None:
    huge = coop_pb2.JoinRequest(certificate_request_der=bytes(5 << 20))
    assert _refused(_join_channel(coop), "Join", huge)[0] is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_busy_port_is_named(coop: Any, found: Callable[..., CoopHome]) -> None:
    busy = coop.home.config().ports.join
    second = found("second")
    desk = CoopDesk(home=second, register_node=len, unregister_node=id, now=lambda: 0, log=CoopLog(second))  # type: ignore[arg-type]
    with pytest.raises(PortBusyError, match=str(busy)) as caught:
        serve_coop(desk, listen="127.0.0.1", join_port=busy, member_port=0)
    assert "coop.toml" in caught.value.next_step


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads Linux' list of sockets")
def test_the_service_listens_on_loopback_only_when_told_so(coop: Any) -> None:
    tables = [Path("/proc/net", name).read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    sockets = [line.split()[1:4] for lines in tables for line in lines]
    listening = [local.split(":") for local, _, state in sockets if state == "0A"]
    ports = coop.home.config().ports
    hosts = {host for host, port in listening if int(port, 16) in (ports.join, ports.members)}
    assert hosts
    assert all(host.endswith("0100007F") for host in hosts)  # 127.0.0.1, as IPv4 or mapped into IPv6


_PRIVATE = "/srv/coop/coop.db: plum jam"
_UNAVAILABLE = (grpc.StatusCode.UNAVAILABLE, "COOP_REFUSAL_UNAVAILABLE")


def _break(name: str) -> Callable[..., Any]:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError(f"{name} {_PRIVATE}")

    return broken


@pytest.mark.parametrize("name", [name for name in MEMBER_CALLS if name != "GetCharter"])
def test_an_unforeseen_failure_reaches_a_member_without_a_word(
    coop: Any, store: StoreHome, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for part in ("latest_manifest", "release_file", "post", "letters_for"):
        monkeypatch.setattr(member_service, part, _break(part))
    for part in ("roster", "leave"):
        monkeypatch.setattr(coop_desk, part, _break(part))
    for part in ("refresh", "entries", "inclusion_proof", "consistency_proof"):
        monkeypatch.setattr(LogBook, part, _break(part))
    monkeypatch.setattr(SignedNote, "from_bytes", _break("note"))
    assert _refused(_own_channel(coop, store), name) == _UNAVAILABLE


@pytest.mark.parametrize("name", ["Hello", "GetCharter", "Join"])
def test_an_unforeseen_failure_reaches_a_stranger_without_a_word(
    coop: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    requests = {
        "Hello": coop_pb2.HelloRequest(format_versions=[2]),
        "GetCharter": coop_pb2.CharterRequest(),
        "Join": coop_pb2.JoinRequest(format_version=2),
    }
    monkeypatch.setattr(CoopHome, "charter", _break("charter"))
    monkeypatch.setattr(CoopHome, "signed_charter", _break("charter"))
    monkeypatch.setattr(join_service, "read_application", _break("application"))
    assert _refused(_join_channel(coop), name, requests[name]) == _UNAVAILABLE


def test_a_failure_after_a_join_was_accepted_says_nothing_either(
    coop: Any, tmp_path: Path, limits: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = coop.invite("Corner Shop")
    with monkeypatch.context() as patched:
        patched.setattr(coop_desk, "roster", _break("roster"))
        with pytest.raises(CoopRefusedError, match="cannot do it at the moment"):
            join_coop(StoreHome(tmp_path / "late"), code, limits, now=datetime.datetime.now(UTC))
    join_coop(StoreHome(tmp_path / "late"), code, limits, now=datetime.datetime.now(UTC))
