"""The store's Flower node as two child processes that live and die together: SuperNode and shim.

The SuperNode speaks gRPC over TLS with the coordinator and is told to start nothing: process isolation, and
a PATH that holds only programs that refuse. The shim answers its messages. A message lost between the two
would block the node, so when one of them ends the other is started afresh too.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from highstreet.files import make_private_folder, write_private
from highstreet.processes import Child, ChildSpec, free_port

__all__ = ["REFUSED_PROGRAMS", "Node", "NodeSettings"]

#: Programs of Flower that a node could be made to start; each is replaced by one that refuses.
REFUSED_PROGRAMS = (
    "flower-superexec",
    "flwr-agentapp",
    "flwr-clientapp",
    "flwr-connector",
    "flwr-model",
    "flwr-serverapp",
    "flwr-simulation",
)
_REFUSAL = b"#!/bin/sh\necho 'This store runs no app but its own.' >&2\nexit 64\n"
_KEPT = ("HOME", "LANG", "LC_ALL", "TMPDIR", "TZ")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSettings:
    """What the node needs to know.

    Attributes:
        superlink_address: the coordinator's Fleet API, host:port.
        ca_certificate: PEM file of the co-op's authority; no other is trusted.
        node_key: PEM (OpenSSH) file of the node's private key.
        socket: Unix socket of the store service.
        run: private folder for secret, refusing programs and FLWR_HOME.
        logs: private folder for logs.
    """

    superlink_address: str
    ca_certificate: Path
    node_key: Path
    socket: Path
    run: Path
    logs: Path


class Node:
    """The running pair; call `keep_alive` regularly from the main thread."""

    def __init__(self, settings: NodeSettings) -> None:
        self._settings = settings
        self._pair = self._children()

    @property
    def children(self) -> tuple[Child, Child]:
        """The two processes: SuperNode, shim."""
        return self._pair

    def start(self) -> None:
        """Start both."""
        for child in self._pair:
            child.start()

    def keep_alive(self) -> bool:
        """Start both again, after growing pauses, when one has ended.

        Return whether they were started just now.
        """
        if all(child.is_alive for child in self._pair):
            for child in self._pair:
                child.keep_alive()
            return False
        supernode, shim = self._pair
        if supernode.is_alive:
            supernode.stop()
        if shim.is_alive:
            shim.stop()
        fresh_supernode, fresh_shim = self._children()
        supernode.spec, shim.spec = fresh_supernode.spec, fresh_shim.spec
        if not supernode.keep_alive():
            return False
        shim.start()
        return True

    def stop(self) -> None:
        """End both."""
        for child in self._pair:
            child.stop()

    def _children(self) -> tuple[Child, Child]:
        """Prepare both, on a port that is free now."""
        settings = self._settings
        make_private_folder(settings.run)
        secret = settings.run / "node.secret"
        if not secret.exists():
            write_private(secret, secrets.token_bytes(32))
        refusing = _refusing_programs(settings.run / "bin")
        address = f"127.0.0.1:{free_port()}"
        return (
            Child(_supernode_spec(settings, address=address, secret=secret, path=refusing)),
            Child(_shim_spec(settings, address=address, secret=secret, path=refusing)),
        )


def _refusing_programs(folder: Path) -> Path:
    make_private_folder(folder)
    for name in REFUSED_PROGRAMS:
        write_private(folder / name, _REFUSAL)
        (folder / name).chmod(0o700)
    return folder


def _supernode_spec(settings: NodeSettings, *, address: str, secret: Path, path: Path) -> ChildSpec:
    host, port = address.split(":")
    arguments = {
        "--superlink": settings.superlink_address,
        "--root-certificates": str(settings.ca_certificate),
        "--auth-supernode-private-key": str(settings.node_key),
        "--host": host,
        "--port": port,
        "--isolation": "process",
        "--superexec-auth-secret-file": str(secret),
    }
    words = [word for pair in arguments.items() for word in pair]
    return ChildSpec(
        name="supernode",
        command=[sys.executable, "-m", "highstreet.client.supernode", *words],
        environment=_environment(settings, path=path),
        log=settings.logs / "supernode.log",
    )


def _shim_spec(settings: NodeSettings, *, address: str, secret: Path, path: Path) -> ChildSpec:
    return ChildSpec(
        name="shim",
        command=[
            sys.executable,
            "-m",
            "highstreet.client.shim",
            "--runtime-address",
            address,
            "--secret-file",
            str(secret),
        ],
        environment=_environment(settings, path=path),
        log=settings.logs / "shim.log",
    )


def _environment(settings: NodeSettings, *, path: Path) -> Mapping[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {
        **kept,
        "PATH": str(path),
        "HIGHSTREET_STORE_SOCKET": str(settings.socket),
        "FLWR_HOME": str(settings.run / "flwr"),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "FLWR_LOG_LEVEL": "WARNING",
        "NO_COLOR": "1",
    }
