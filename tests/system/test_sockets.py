"""What listens where, and who is let in: gRPC over TLS 1.3 for stores, everything else on loopback only."""

from __future__ import annotations

import socket
import ssl
from contextlib import closing
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.client.grpc_rere_client.node_auth_client_interceptor import NodeAuthClientInterceptor
from flwr.proto.control_pb2 import ListRunsRequest
from flwr.proto.control_pb2_grpc import ControlStub
from flwr.proto.fleet_pb2 import ActivateNodeRequest
from flwr.proto.fleet_pb2_grpc import FleetStub
from flwr.supercore.interceptors import RuntimeVersionClientInterceptor
from flwr.supercore.primitives.asymmetric import public_key_to_bytes

from highstreet.server.database import connect
from highstreet.server.pki import Authority, pem
from highstreet.server.superlink import ControlClient

if TYPE_CHECKING:
    from conftest import Coop, Shop

pytestmark = [pytest.mark.system]


def _listening(pids: set[int]) -> set[tuple[str, int]]:
    """The TCP addresses these processes listen on, read from the kernel."""
    inodes = set()
    for pid in pids:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            target = entry.readlink().name if entry.is_symlink() else ""
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    found = set()
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and words[9] in inodes:
                address, port = words[1].split(":")
                raw = b"".join(
                    int(address[i : i + 8], 16).to_bytes(4, "little") for i in range(0, len(address), 8)
                )
                found.add((socket.inet_ntop(family, raw), int(port, 16)))
    return found


def _connected_to(pid: int, port: int) -> bool:
    """Whether a process has an established connection to a port."""
    inodes = {
        entry.readlink().name[8:-1]
        for entry in Path(f"/proc/{pid}/fd").iterdir()
        if entry.is_symlink() and entry.readlink().name.startswith("socket:[")
    }
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "01" and words[9] in inodes and int(words[2].split(":")[1], 16) == port:
                return True
    return False


def test_only_the_ports_for_stores_listen_elsewhere_than_on_loopback(coop: Coop, shops: list[Shop]) -> None:
    children = coop.children_of(coop.process.pid)
    listening = _listening({coop.process.pid, *children.values()})
    ports = coop.home.config().ports
    assert {port for _, port in listening} == set(ports.model_dump().values())
    assert all(address in {"127.0.0.1", "::1", "::ffff:127.0.0.1"} for address, _ in listening)
    command = Path(f"/proc/{children['flower-superlink']}/cmdline").read_text().split("\0")
    flags = dict(pairwise(command))
    # Whatever address stores are given, these two stay on this machine.
    assert flags["--control-api-address"] == f"127.0.0.1:{ports.control}"
    assert (flags["--host"], flags["--port"]) == ("127.0.0.1", str(ports.runtime))
    assert flags["--isolation"] == "process"
    assert "--enable-supernode-auth" in command


def test_a_store_reaches_the_coordinator_through_its_node_and_listens_on_loopback_only(
    coop: Coop, shops: list[Shop]
) -> None:
    for shop in shops:
        children = coop.children_of(shop.process.pid)
        node, port = children["highstreet.client.supernode"], coop.home.config().ports.fleet
        coop.until(lambda node=node, port=port: _connected_to(node, port), 180)
        listening = _listening({shop.process.pid, *children.values()})
        assert {address for address, _ in listening} == {"127.0.0.1"}
        assert shop.home.socket.stat().st_mode & 0o777 == 0o600
        assert shop.home.socket.parent.stat().st_mode & 0o777 == 0o700
        environment = Path(f"/proc/{children['highstreet.client.supernode']}/environ").read_text()
        assert f"PATH={shop.home.run / 'node' / 'bin'}\0" in environment


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("name", ["join", "members", "fleet", "control"])
def test_every_port_speaks_tls_1_3_only_with_the_coops_certificate(
    coop: Coop, name: str, newest: ssl.TLSVersion
) -> None:
    context = ssl.create_default_context(cafile=str(coop.home.ca_certificate))
    context.maximum_version = newest
    port = coop.home.config().ports.model_dump()[name]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        if newest is ssl.TLSVersion.TLSv1_2:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                context.wrap_socket(raw, server_hostname="127.0.0.1")
        else:
            with context.wrap_socket(raw, server_hostname="127.0.0.1") as secure:
                assert secure.version() == "TLSv1.3"


@pytest.mark.parametrize("name", ["join", "members", "fleet", "control"])
def test_plaintext_is_refused(coop: Coop, name: str) -> None:
    port = coop.home.config().ports.model_dump()[name]
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel, pytest.raises(grpc.RpcError) as caught:
        ControlStub(channel).ListRuns(ListRunsRequest(), timeout=5)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_the_control_api_is_not_on_the_fleet_port(coop: Coop) -> None:
    credentials = grpc.ssl_channel_credentials(coop.home.ca_certificate.read_bytes())
    with (
        grpc.secure_channel(coop.home.config().superlink_address, credentials) as channel,
        pytest.raises(grpc.RpcError) as caught,
    ):
        ControlStub(channel).ListRuns(ListRunsRequest(), timeout=5)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def _activate(coop: Coop, key: ec.EllipticCurvePrivateKey | None, authority: bytes) -> grpc.StatusCode:
    """Try to come in as a node; return how it went."""
    credentials = grpc.ssl_channel_credentials(authority)
    with grpc.secure_channel(coop.home.config().superlink_address, credentials) as channel:
        used, public = channel, b""
        if key is not None:
            public = public_key_to_bytes(key.public_key())
            used = grpc.intercept_channel(channel, NodeAuthClientInterceptor(key, key.public_key()))
        used = grpc.intercept_channel(
            used, RuntimeVersionClientInterceptor(component_name="flower-supernode")
        )
        try:
            FleetStub(used).ActivateNode(
                ActivateNodeRequest(public_key=public, heartbeat_interval=30), timeout=10
            )
        except grpc.RpcError as error:
            return error.code()
        return grpc.StatusCode.OK


def test_a_node_comes_in_only_with_a_registered_key_over_the_coops_own_authority(coop: Coop) -> None:
    ours = coop.home.ca_certificate.read_bytes()
    registered, stranger = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    address = f"127.0.0.1:{coop.home.config().ports.control}"
    with ControlClient(address, ours) as control:
        node = control.register_node(public_key_to_bytes(registered.public_key()))
        try:
            assert _activate(coop, registered, ours) is grpc.StatusCode.OK
            assert _activate(coop, None, ours) is grpc.StatusCode.UNAUTHENTICATED
            assert _activate(coop, stranger, ours) not in {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}
            another = Authority.create("Another", now=datetime.now(UTC))
            assert _activate(coop, registered, pem(another.certificate)) is grpc.StatusCode.UNAVAILABLE
        finally:
            control.unregister_node(node)


def test_the_node_of_a_member_who_was_removed_is_refused(coop: Coop) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    ours = coop.home.ca_certificate.read_bytes()
    with ControlClient(f"127.0.0.1:{coop.home.config().ports.control}", ours) as control:
        node = control.register_node(public_key_to_bytes(key.public_key()))
        assert _activate(coop, key, ours) is grpc.StatusCode.OK
        with closing(connect(coop.home.database)) as connection:
            # As `coop remove` leaves it: a process of its own that reaches nothing but coop.db.
            connection.execute(
                "INSERT INTO members (member_id, name, signing_public_key, node_public_key, keys_sha256,"
                " node_id, certificate_serial, certificate_pem, claimed_at, joined_at, left_at)"
                " VALUES ('gone', 'Gone', x'00', x'00', x'00', ?, 'gone', x'00', 1, 1, 2)",
                (node,),
            )
        coop.until(lambda: _activate(coop, key, ours) is not grpc.StatusCode.OK, 20)
        control.unregister_node(node)  # once more changes nothing
