"""Every call of the co-op's service, the channels to it, and certificates by its authority or another."""

from __future__ import annotations

import datetime
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from highstreet.client.home import StoreHome
from highstreet.client.identity import load_identity
from highstreet.protos import coop_pb2, coop_pb2_grpc
from highstreet.server.home import CoopHome
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


def call_of(channel: grpc.Channel, name: str, request: Any = None) -> Any:
    stub = coop_pb2_grpc.CoopStub(channel)  # type: ignore[no-untyped-call]
    reply = getattr(stub, name)(request or _REQUESTS[name], timeout=5)
    return list(reply) if name == "DownloadRelease" else reply


def refused(channel: grpc.Channel, name: str, request: Any = None) -> tuple[grpc.StatusCode, str]:
    with channel, pytest.raises(grpc.RpcError) as caught:
        call_of(channel, name, request)
    return caught.value.code(), str(caught.value.details())


def member_channel(coop: Any, key: bytes | None, certificate: bytes | None) -> grpc.Channel:
    root = coop.home.ca_certificate.read_bytes()
    credentials = grpc.ssl_channel_credentials(root, key, certificate)
    return grpc.secure_channel(coop.home.config().member_address, credentials)


def join_channel(coop: Any) -> grpc.Channel:
    credentials = grpc.ssl_channel_credentials(coop.home.ca_certificate.read_bytes())
    return grpc.secure_channel(coop.home.config().join_address, credentials)


def own_channel(coop: Any, store: StoreHome) -> grpc.Channel:
    certificate = (store.coop / "client.pem").read_bytes()
    return member_channel(coop, load_identity(store).tls_key_pem, certificate)


def authority_of(home: CoopHome) -> Authority:
    return Authority.from_pem(home.ca_certificate.read_bytes(), home.ca_key.read_bytes())


def certified(authority: Authority, *, now: datetime.datetime | None = None) -> tuple[bytes, bytes]:
    """A fresh key and a client certificate by an authority, for a member nobody knows."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    request = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    certificate = authority.issue_member(request, "ab12", now=now or datetime.datetime.now(UTC))
    return key_pem(key), pem(certificate)
