"""How the SuperLink is started and what is given to it."""

from __future__ import annotations

import io
import socket
import zipfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from highstreet.processes import free_port
from highstreet.server.errors import PortBusyError, SuperLinkError
from highstreet.server.superlink import (
    ControlClient,
    SuperLinkSettings,
    app_bundle,
    flower_environment,
    require_free_port,
    signed_node_id,
    superexec_spec,
    superlink_spec,
)


def _settings(root: Path, *, fleet_host: str = "0.0.0.0") -> SuperLinkSettings:  # noqa: S104
    return SuperLinkSettings(
        fleet_host=fleet_host,
        fleet_port=free_port(),
        control_port=free_port(),
        runtime_port=free_port(),
        ca_certificate=root / "ca.pem",
        server_certificate=root / "server.pem",
        server_key=root / "server.key",
        folder=root / "superlink",
        logs=root / "logs",
    )


def test_only_the_fleet_port_follows_the_address_given(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    command = superlink_spec(settings).command
    flags = dict(pairwise(command))
    assert flags["--fleet-api-address"] == f"0.0.0.0:{settings.fleet_port}"
    assert flags["--control-api-address"] == f"127.0.0.1:{settings.control_port}"
    assert flags["--host"] == "127.0.0.1"
    assert flags["--isolation"] == "process"
    assert {"--enable-supernode-auth", "--disable-runtime-dependency-installation"} <= set(command)
    assert "--insecure" not in command


def test_the_secret_is_a_private_file_and_in_no_argument(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    settings.prepare()
    secret = settings.secret_file.read_bytes()
    assert len(secret) == 32
    assert settings.secret_file.stat().st_mode & 0o077 == 0
    assert settings.folder.stat().st_mode & 0o077 == 0
    for spec in (superlink_spec(settings), superexec_spec(settings, extra={})):
        assert secret.hex() not in " ".join([*spec.command, *spec.environment.values()])
    settings.prepare()
    assert settings.secret_file.read_bytes() == secret


def test_flower_processes_call_nobody_and_see_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_TOKEN", "1")
    environment = flower_environment(tmp_path, {"HIGHSTREET_COOP_HOME": "/x"})
    assert environment["FLWR_TELEMETRY_ENABLED"] == "0"
    assert environment["FLWR_DISABLE_UPDATE_CHECK"] == "1"
    assert environment["FLWR_HOME"].startswith(str(tmp_path))
    assert environment["HIGHSTREET_COOP_HOME"] == "/x"
    assert "A_TOKEN" not in environment


def test_the_bundle_names_installed_apps_and_holds_no_code() -> None:
    bundle = app_bundle(programme="p17")
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        assert not [name for name in archive.namelist() if name.endswith(".py")]
        text = archive.read("pyproject.toml").decode()
    assert "highstreet.server.app:app" in text
    assert 'programme = "p17"' in text
    assert app_bundle(programme="p17") == bundle


def test_a_busy_port_is_told_in_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortBusyError, match=f"Cannot listen on 127.0.0.1:{port}"):
            require_free_port("127.0.0.1", port)
    require_free_port("127.0.0.1", port)


@given(st.integers(0, 2**64 - 1))
def test_node_ids_fit_sqlite_and_come_back(node_id: int) -> None:
    signed = signed_node_id(node_id)
    assert -(2**63) <= signed < 2**63
    assert signed % 2**64 == node_id


def test_without_a_superlink_the_control_client_says_so() -> None:
    with ControlClient(f"127.0.0.1:{free_port()}", b"") as control:
        assert not control.is_ready()
        with pytest.raises(SuperLinkError, match="refused or did not answer"):
            control.submit_run(b"bundle")


def test_a_key_that_is_none_is_refused_before_anything_is_sent() -> None:
    with (
        ControlClient(f"127.0.0.1:{free_port()}", b"") as control,
        pytest.raises(SuperLinkError, match="public key cannot be read"),
    ):
        control.register_node(b"-----BEGIN NOTHING-----")
