"""A store's request to join, read with suspicion: the form of each field, and who holds the key it brings."""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from highstreet.audit.errors import SignatureMismatchError
from highstreet.audit.signing import SignatureKind, join_statement, verify
from highstreet.privacy.secure_sum.sealing import is_low_order
from highstreet.protos import coop_pb2
from highstreet.server.errors import JoinRefusedError, MembershipError
from highstreet.server.membership import Application
from highstreet.server.pki import request_key

__all__ = ["read_application"]

_REQUEST_LIMIT_BYTES = 4_096
_NODE_KEY_LIMIT_BYTES = 1_024


def read_application(request: coop_pb2.JoinRequest) -> Application:
    """Turn a JoinRequest into an application.

    Raises:
        JoinRefusedError: a field is malformed, or the possession signature does not match.
    """
    if not _has_form(request):
        raise JoinRefusedError(coop_pb2.COOP_REFUSAL_UNREADABLE, "A field is missing or too large.")
    if is_low_order(request.encryption_public_key):  # no round could have such a member
        raise JoinRefusedError(coop_pb2.COOP_REFUSAL_UNREADABLE, "The encryption key is of low order.")
    node_public_key = _node_key(request.node_public_key)
    try:
        tls_key = request_key(request.certificate_request_der)
    except MembershipError as error:
        raise JoinRefusedError(coop_pb2.COOP_REFUSAL_UNREADABLE, error.what) from error
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
    try:
        verify(SignatureKind.JOIN, statement, request.possession_signature, request.signing_public_key)
    except SignatureMismatchError as error:
        raise JoinRefusedError(coop_pb2.COOP_REFUSAL_POSSESSION, error.what) from error
    return Application(
        invite_id=request.invite_id,
        invite_secret=request.invite_secret,
        request_der=request.certificate_request_der,
        tls_public_key=tls_key.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
        signing_public_key=request.signing_public_key,
        encryption_public_key=request.encryption_public_key,
        node_public_key=node_public_key,
    )


def _has_form(request: coop_pb2.JoinRequest) -> bool:
    return (
        0 < len(request.invite_id) <= 64
        and len(request.invite_secret) == 32
        and 0 < len(request.certificate_request_der) <= _REQUEST_LIMIT_BYTES
        and len(request.signing_public_key) == 32
        and len(request.encryption_public_key) == 32
        and 0 < len(request.node_public_key) <= _NODE_KEY_LIMIT_BYTES
        and len(request.possession_signature) == 64
        and len(request.accepted_charter_sha256) == 32
    )


def _node_key(data: bytes) -> bytes:
    """Return a P-256 key in OpenSSH form without its comment, whichever of the two forms it came in."""
    try:
        is_pem = data.startswith(b"-----BEGIN")
        key = serialization.load_pem_public_key(data) if is_pem else serialization.load_ssh_public_key(data)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise JoinRefusedError(coop_pb2.COOP_REFUSAL_UNREADABLE, "The node key cannot be read.") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise JoinRefusedError(coop_pb2.COOP_REFUSAL_UNREADABLE, "The node key is not a P-256 key.")
    return key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
