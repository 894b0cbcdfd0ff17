"""The co-op service's two ports: TLS, limits on every size and time, started and stopped together."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import grpc

from highstreet.protos import coop_pb2_grpc
from highstreet.server.coop_desk import CoopDesk
from highstreet.server.errors import PortBusyError
from highstreet.server.join_service import JoinService
from highstreet.server.member_service import MemberService
from highstreet.server.refusals import QuietFailures
from highstreet.server.throttle import Throttle
from highstreet.server.tls import require_tls_1_3

__all__ = ["CoopServers", "require_tls_1_3", "serve_coop"]

_MESSAGE_LIMIT_BYTES = 4 << 20
#: Vouching messages and vouches of one member. A person compares codes with a few others in a minute.
_LETTERS_A_MINUTE = 300
_OPTIONS = [
    ("grpc.so_reuseport", 0),  # without it a second coordinator would share the port in silence
    ("grpc.max_receive_message_length", _MESSAGE_LIMIT_BYTES),
    ("grpc.max_send_message_length", _MESSAGE_LIMIT_BYTES),
    ("grpc.max_metadata_size", 8 << 10),
    ("grpc.max_concurrent_streams", 16),
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.max_connection_idle_ms", 300_000),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CoopServers:
    """The running service.

    Attributes:
        join_port, member_port: where it listens (the ports given, or those the system chose for 0).
    """

    join_port: int
    member_port: int
    _servers: tuple[grpc.Server, grpc.Server]

    def stop(self, grace_seconds: float = 2.0) -> None:
        """Take no more calls, let those under way finish for a while, then end them."""
        for stopped in [server.stop(grace_seconds) for server in self._servers]:
            stopped.wait()


def serve_coop(desk: CoopDesk, *, listen: str, join_port: int, member_port: int) -> CoopServers:
    """Start the service on two ports; 0 lets the system choose.

    Raises:
        PortBusyError: another program listens there.
    """
    home = desk.home
    pair = (home.server_key.read_bytes(), home.server_certificate.read_bytes())
    anybody = grpc.ssl_server_credentials([pair])
    members = grpc.ssl_server_credentials(
        [pair], root_certificates=home.ca_certificate.read_bytes(), require_client_auth=True
    )
    letters = Throttle(time.monotonic, per_peer=_LETTERS_A_MINUTE, in_all=20 * _LETTERS_A_MINUTE)
    join_server, member_server = _server("join", 4), _server("members", 8)
    coop_pb2_grpc.add_CoopServicer_to_server(JoinService(desk, Throttle(time.monotonic)), join_server)  # type: ignore[no-untyped-call]  # generated
    coop_pb2_grpc.add_CoopServicer_to_server(MemberService(desk, letters), member_server)  # type: ignore[no-untyped-call]  # generated
    bound_join = _bind(join_server, listen, join_port, anybody)
    bound_members = _bind(member_server, listen, member_port, members)
    servers = (join_server, member_server)
    for server in servers:
        server.start()
    return CoopServers(join_port=bound_join, member_port=bound_members, _servers=servers)


def _server(name: str, threads: int) -> grpc.Server:
    pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix=f"coop-{name}")
    return grpc.server(
        pool, interceptors=[QuietFailures()], options=_OPTIONS, maximum_concurrent_rpcs=threads * 16
    )


def _bind(server: grpc.Server, listen: str, port: int, credentials: grpc.ServerCredentials) -> int:
    address = f"[{listen}]:{port}" if ":" in listen else f"{listen}:{port}"
    try:
        return server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise PortBusyError(
            f"The co-op service cannot listen on {address}: another program uses the port, or the address is "
            "not this machine's.",
            next_step="Stop what uses it (another `highstreet coop run`?), or change [ports] in coop.toml.",
        ) from error
