"""Flower's SuperLink as the coordinator runs it: its processes, and its Control API from Python.

The SuperLink talks gRPC over TLS with the stores' nodes on the fleet port, the only one open to others. Its
Control API (no authentication in the open-source edition: whoever reaches it can submit code) and its
runtime API listen on loopback. Apps run in process isolation, started by our own SuperExec with a shared
secret, so that the death of the SuperLink does not end a run.
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import grpc
from cryptography.hazmat.primitives import serialization
from flwr.proto.control_pb2 import (
    ListNodesRequest,
    ListRunsRequest,
    RegisterNodeRequest,
    StartRunRequest,
    StopRunRequest,
    UnregisterNodeRequest,
)
from flwr.proto.control_pb2_grpc import ControlStub
from flwr.proto.fab_pb2 import Fab
from flwr.supercore.constant import NodeStatus
from flwr.supercore.interceptors import RuntimeVersionClientInterceptor
from google.protobuf.message import Message

from highstreet.files import make_private_folder, write_private
from highstreet.processes import ChildSpec
from highstreet.server.errors import PortBusyError, SuperLinkError

__all__ = [
    "ControlClient",
    "RunState",
    "SuperLinkSettings",
    "app_bundle",
    "flower_environment",
    "require_free_port",
    "signed_node_id",
    "superexec_spec",
    "superlink_spec",
]

_Response = TypeVar("_Response")
_LOOPBACK = "127.0.0.1"
_CALL_SECONDS = 10.0
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "VIRTUAL_ENV", "COVERAGE_PROCESS_START")
_BUNDLE = """[project]
name = "highstreet"
version = "1.0.0"
description = "Names the installed apps of Highstreet; holds no code."
license = "Apache-2.0"
dependencies = []

[tool.flwr.app]
publisher = "highstreet"

[tool.flwr.app.components]
serverapp = "{serverapp}"
clientapp = "highstreet.client.app:app"

[tool.flwr.app.config]
programme = "{programme}"
"""


class RunState(StrEnum):
    """Where a Flower run stands."""

    PENDING = "pending"
    STARTING = "starting"
    RUNNING = "running"
    FINISHED = "finished"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class SuperLinkSettings:
    """Where the SuperLink listens and keeps its files.

    Attributes:
        fleet_host: address stores reach; the other two APIs listen on loopback whatever this is.
        fleet_port: of the Fleet API (gRPC, TLS, node authentication).
        control_port: of the Control API (gRPC, TLS, loopback).
        runtime_port: of the API our own SuperExec and ServerApp use (HTTP, loopback, shared secret).
        ca_certificate: PEM file of the co-op's authority.
        server_certificate: PEM file; must also be valid for `localhost`.
        server_key: PEM file.
        folder: private folder for state, secret and FLWR_HOME.
        logs: private folder for logs.
    """

    fleet_host: str
    fleet_port: int
    control_port: int
    runtime_port: int
    ca_certificate: Path
    server_certificate: Path
    server_key: Path
    folder: Path
    logs: Path

    @property
    def control_address(self) -> str:
        """Control API as host:port."""
        return f"{_LOOPBACK}:{self.control_port}"

    @property
    def secret_file(self) -> Path:
        """Shared secret of SuperLink and SuperExec; a file, so that it is in no argument list."""
        return self.folder / "superexec.secret"

    def prepare(self) -> None:
        """Make the private folders and the SuperExec secret.

        Raises:
            PortBusyError: another program listens on one of the three ports.
        """
        make_private_folder(self.folder)
        make_private_folder(self.logs)
        if not self.secret_file.exists():
            write_private(self.secret_file, secrets.token_bytes(32))
        require_free_port(self.fleet_host, self.fleet_port)
        require_free_port(_LOOPBACK, self.control_port)
        require_free_port(_LOOPBACK, self.runtime_port)


def flower_environment(folder: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return a small environment for a Flower process: no telemetry, no update check, its own FLWR_HOME."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    binaries = str(Path(sys.executable).parent)
    return {
        **kept,
        "PATH": os.pathsep.join([binaries, *filter(None, [kept.get("PATH")])]),
        "FLWR_HOME": str(folder / "flwr"),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "FLWR_LOG_LEVEL": "WARNING",
        "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": "0.5",
        "NO_COLOR": "1",
        # No TLS 1.2 suite fits our certificates: TLS 1.3 or nothing (see listening.require_tls_1_3).
        "GRPC_SSL_CIPHER_SUITES": "ECDHE-RSA-AES256-GCM-SHA384",
        **(extra or {}),
    }


def superlink_spec(settings: SuperLinkSettings) -> ChildSpec:
    """Return the SuperLink's command."""
    host = f"[{settings.fleet_host}]" if ":" in settings.fleet_host else settings.fleet_host
    arguments = {
        "--fleet-api-address": f"{host}:{settings.fleet_port}",
        "--control-api-address": settings.control_address,
        "--host": _LOOPBACK,
        "--port": str(settings.runtime_port),
        "--ssl-ca-certfile": str(settings.ca_certificate),
        "--ssl-certfile": str(settings.server_certificate),
        "--ssl-keyfile": str(settings.server_key),
        "--database": str(settings.folder / "state.db"),
        "--isolation": "process",
        "--superexec-auth-secret-file": str(settings.secret_file),
    }
    flags = ["--enable-supernode-auth", "--disable-runtime-dependency-installation"]
    words = [word for pair in arguments.items() for word in pair]
    return ChildSpec(
        name="superlink",
        command=[*_program("flower-superlink"), *words, *flags],
        environment=flower_environment(settings.folder),
        log=settings.logs / "superlink.log",
    )


def superexec_spec(settings: SuperLinkSettings, *, extra: Mapping[str, str]) -> ChildSpec:
    """Return the SuperExec's command.

    It starts the ServerApp of each run, with `extra` in its environment.
    """
    arguments = {
        "--runtime-api-address": f"{_LOOPBACK}:{settings.runtime_port}",
        "--plugin-type": "serverapp",
        "--superexec-auth-secret-file": str(settings.secret_file),
    }
    words = [word for pair in arguments.items() for word in pair]
    return ChildSpec(
        name="superexec",
        command=[*_program("flower-superexec"), "--insecure", *words],
        environment=flower_environment(settings.folder, extra),
        log=settings.logs / "superexec.log",
    )


def app_bundle(*, programme: str, serverapp: str = "highstreet.server.app:app") -> bytes:
    """Return the Flower app bundle of a run: names of installed apps and the programme's id, no code."""
    from flwr.cli.build import build_fab_from_files

    text = _BUNDLE.format(programme=programme, serverapp=serverapp)
    files: dict[str, bytes | Path] = {"pyproject.toml": text.encode(), "README.md": b"No code.\n"}
    return build_fab_from_files(files)[0]


class ControlClient:
    """The SuperLink's Control API: register nodes, submit, watch and stop runs.

    Node ids are Flower's 64-bit numbers read as signed, so that SQLite can keep them.
    """

    def __init__(self, address: str, ca_certificate: bytes) -> None:
        credentials = grpc.ssl_channel_credentials(root_certificates=ca_certificate)
        options = [("grpc.ssl_target_name_override", "localhost")]
        self._channel = grpc.secure_channel(address, credentials, options=options)
        version = RuntimeVersionClientInterceptor(component_name="flwr CLI")
        self._stub = ControlStub(grpc.intercept_channel(self._channel, version))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def is_ready(self) -> bool:
        """Return whether the Control API answers."""
        try:
            self._stub.ListRuns(ListRunsRequest(limit=1), timeout=1.0)
        except grpc.RpcError:
            return False
        return True

    def wait_ready(self, *, seconds: float) -> None:
        """Return when the Control API answers.

        Raises:
            SuperLinkError: it did not within the time.
        """
        end = time.monotonic() + seconds
        while not self.is_ready():
            if time.monotonic() > end:
                raise SuperLinkError(
                    f"The SuperLink did not answer within {seconds:.0f} seconds.",
                    next_step="Look into logs/superlink.log in the co-op's folder.",
                )
            time.sleep(0.1)

    def register_node(self, public_key: bytes) -> int:
        """Return the node id of a public key (OpenSSH or PEM form, NIST curve), registered now or before.

        Raises:
            SuperLinkError: not such a key, or the SuperLink does not answer.
        """
        pem = _pem(public_key)
        known = self._node_ids().get(pem)
        if known is not None:
            return known
        return signed_node_id(
            self._call(self._stub.RegisterNode, RegisterNodeRequest(public_key=pem)).node_id
        )

    def unregister_node(self, node_id: int) -> None:
        """Refuse this node, and its key, from now on; one that is not registered is left as it is.

        Flower keeps the key of a node for ever: it cannot be registered again.
        """
        if node_id in self._node_ids().values():
            self._call(self._stub.UnregisterNode, UnregisterNodeRequest(node_id=node_id % 2**64))

    def submit_run(self, bundle: bytes) -> int:
        """Start a run of a bundle; return its id."""
        fab = Fab(hash_str=sha256(bundle).hexdigest(), content=bundle)
        response = self._call(self._stub.StartRun, StartRunRequest(fab=fab))
        if not response.HasField("run_id"):
            raise SuperLinkError("The SuperLink refused the run.", next_step="Look into logs/superlink.log.")
        return int(response.run_id)

    def run_state(self, run_id: int) -> RunState:
        """Return where a run stands; UNKNOWN when the SuperLink has never heard of it."""
        try:
            response = self._stub.ListRuns(ListRunsRequest(run_id=run_id), timeout=_CALL_SECONDS)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return RunState.UNKNOWN
            raise _unreachable(error) from error
        run = response.run_dict.get(run_id)
        return RunState(run.status.status) if run is not None else RunState.UNKNOWN

    def stop_all_runs(self) -> None:
        """End every run that has not ended: what an earlier coordinator process left behind."""
        for run in self._call(self._stub.ListRuns, ListRunsRequest()).run_dict.values():
            if run.status.status != RunState.FINISHED:
                self.stop_run(run.run_id)

    def stop_run(self, run_id: int) -> None:
        """End a run; one that has ended already is left as it is."""
        try:
            self._stub.StopRun(StopRunRequest(run_id=run_id), timeout=_CALL_SECONDS)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                raise _unreachable(error) from error

    def _node_ids(self) -> dict[bytes, int]:
        nodes = self._call(self._stub.ListNodes, ListNodesRequest()).nodes_info
        known = [node for node in nodes if node.status != NodeStatus.UNREGISTERED]
        return {bytes(node.public_key): signed_node_id(node.node_id) for node in known}

    def _call(self, method: Callable[..., _Response], request: Message) -> _Response:
        try:
            return method(request, timeout=_CALL_SECONDS)
        except grpc.RpcError as error:
            raise _unreachable(error) from error


def require_free_port(host: str, port: int) -> None:
    """Return only when host:port can be listened on.

    Raises:
        PortBusyError: it cannot.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            raise PortBusyError(
                f"Cannot listen on {host}:{port}: {error.strerror or error}.",
                next_step="Stop the program that uses this port, or change the ports in coop.toml.",
            ) from error


def signed_node_id(node_id: int) -> int:
    """Return Flower's unsigned 64-bit node id as the signed number with the same bits.

    >>> signed_node_id(2**64 - 1)
    -1
    """
    return int.from_bytes(int(node_id).to_bytes(8, "big"), "big", signed=True)


def _pem(public_key: bytes) -> bytes:
    """Return a public key in the form Flower registers."""
    try:
        is_ssh = public_key.startswith(b"ecdsa-sha2-")
        load = serialization.load_ssh_public_key if is_ssh else serialization.load_pem_public_key
        return load(public_key).public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    except ValueError as error:
        raise SuperLinkError("A node's public key cannot be read.") from error


def _program(name: str) -> list[str]:
    """Return the command of one of Flower's programs, installed beside this Python."""
    return [sys.executable, str(Path(sys.executable).parent / name)]


def _unreachable(error: grpc.RpcError) -> SuperLinkError:
    code = getattr(error, "code", None)
    name = code().name if callable(code) else "UNKNOWN"
    return SuperLinkError(
        f"The SuperLink's Control API refused or did not answer ({name}).",
        next_step="Is `highstreet coop run` running? Look into logs/superlink.log in the co-op's folder.",
    )
