"""The store's node: told to start nothing, and its two processes live and die together."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from highstreet.client import node as node_module
from highstreet.client.node import REFUSED_PROGRAMS, Node, NodeSettings
from highstreet.processes import ChildSpec


def _settings(root: Path) -> NodeSettings:
    return NodeSettings(
        superlink_address="coop.example:9442",
        ca_certificate=root / "ca.pem",
        node_key=root / "node.key",
        socket=root / "store.sock",
        run=root / "run",
        logs=root / "logs",
    )


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        if time.monotonic() > end:
            pytest.fail("waited in vain")
        time.sleep(0.01)


def test_the_supernode_is_in_process_isolation_with_the_coops_authority_and_a_secret(tmp_path: Path) -> None:
    supernode, shim = Node(_settings(tmp_path)).children
    flags = dict(zip(supernode.spec.command, supernode.spec.command[1:], strict=False))
    assert flags["--isolation"] == "process"
    assert flags["--superlink"] == "coop.example:9442"
    assert flags["--root-certificates"] == str(tmp_path / "ca.pem")
    assert flags["--host"] == "127.0.0.1"
    assert "--insecure" not in supernode.spec.command
    secret = Path(flags["--superexec-auth-secret-file"])
    assert len(secret.read_bytes()) == 32
    assert secret.stat().st_mode & 0o077 == 0
    assert f"127.0.0.1:{flags['--port']}" in shim.spec.command
    assert str(secret) in shim.spec.command


def test_nothing_on_the_nodes_path_runs_an_app(tmp_path: Path) -> None:
    supernode, _ = Node(_settings(tmp_path)).children
    (folder,) = supernode.spec.environment["PATH"].split(":")
    assert {path.name for path in Path(folder).iterdir()} == set(REFUSED_PROGRAMS)
    for name in REFUSED_PROGRAMS:
        result = subprocess.run([str(Path(folder) / name), "--help"], capture_output=True, check=False)
        assert result.returncode == 64


def test_every_program_that_flower_could_start_is_refused() -> None:
    from flwr.supercore.constant import TASK_TYPE_TO_COMMAND

    assert set(TASK_TYPE_TO_COMMAND.values()) <= set(REFUSED_PROGRAMS)


def test_the_node_gets_none_of_our_environment_but_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIGHSTREET_SECRET_OF_ANOTHER_PROGRAM", "1")
    for child in Node(_settings(tmp_path)).children:
        assert "HIGHSTREET_SECRET_OF_ANOTHER_PROGRAM" not in child.spec.environment
        assert child.spec.environment["FLWR_TELEMETRY_ENABLED"] == "0"


@pytest.mark.parametrize("victim", [0, 1])
def test_when_one_of_the_two_ends_both_are_started_afresh(
    victim: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sleeper(settings: NodeSettings, *, address: str, secret: Path, path: Path) -> ChildSpec:
        command = [sys.executable, "-c", "import time; time.sleep(60)", address]
        return ChildSpec(name="x", command=command, environment={}, log=settings.logs / "x.log")

    monkeypatch.setattr(node_module, "_supernode_spec", sleeper)
    monkeypatch.setattr(node_module, "_shim_spec", sleeper)
    node = Node(_settings(tmp_path))
    node.start()
    before = [child.pid for child in node.children]
    assert not node.keep_alive()
    process = node.children[victim].process
    assert process is not None
    process.kill()
    process.wait()
    _until(node.keep_alive)
    after = [child.pid for child in node.children]
    assert None not in after
    assert not set(before) & set(after)
    addresses = {child.spec.command[-1] for child in node.children}
    assert len(addresses) == 1
    node.stop()
    assert not any(child.is_alive for child in node.children)
