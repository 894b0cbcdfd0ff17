"""The join port serves joining only, and a join that is not in order spends nothing."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from service_calls import MEMBER_CALLS, call_of, join_channel, refused

from highstreet.audit.invite import Invite
from highstreet.audit.signing import SignatureKind, join_statement, sign
from highstreet.client.identity import Identity
from highstreet.protos import coop_pb2


@pytest.mark.parametrize("name", [name for name in MEMBER_CALLS if name != "GetCharter"])
def test_the_join_port_serves_joining_only(coop: Any, name: str) -> None:
    assert refused(join_channel(coop), name)[0] is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(("versions", "agreed"), [([2], 2), ([9, 2], 2), ([1], 0), ([], 0)])
def test_hello_agrees_on_a_version_or_says_none(coop: Any, versions: list[int], agreed: int) -> None:
    with join_channel(coop) as channel:
        reply = call_of(channel, "Hello", coop_pb2.HelloRequest(format_versions=versions))
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
    assert refused(join_channel(coop), "Join", _application(coop, code, identity, **changes))[1] == said
    with join_channel(coop) as channel:
        assert call_of(channel, "Join", _application(coop, code, identity)).member_id


def test_a_request_changed_after_signing_is_refused(coop: Any) -> None:
    request = _application(coop, coop.invite("Corner Shop"), _fresh_identity())
    request.node_public_key = _fresh_identity().node_public_key
    assert refused(join_channel(coop), "Join", request)[1] == "COOP_REFUSAL_POSSESSION"


def test_an_encryption_key_put_in_place_of_the_stores_is_refused(coop: Any) -> None:
    request = _application(coop, coop.invite("Corner Shop"), _fresh_identity())
    request.encryption_public_key = _fresh_identity().encryption_public_key
    assert refused(join_channel(coop), "Join", request)[1] == "COOP_REFUSAL_POSSESSION"


def test_guessing_secrets_is_stopped(coop: Any) -> None:
    code, identity = coop.invite("Corner Shop"), _fresh_identity()
    said = []
    for guess in range(12):
        wrong = _application(coop, code, identity, invite_secret=bytes([guess]) * 32)
        said.append(refused(join_channel(coop), "Join", wrong)[1])
    assert said == ["COOP_REFUSAL_INVITE"] * 10 + ["COOP_REFUSAL_TOO_MANY"] * 2
