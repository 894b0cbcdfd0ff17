"""The co-op service answers whom it should, and tells nobody what went wrong within it."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from service_calls import (
    MEMBER_CALLS,
    UTC,
    authority_of,
    call_of,
    certified,
    join_channel,
    member_channel,
    own_channel,
    refused,
)

from highstreet.audit.log_book import LogBook
from highstreet.audit.signed_notes import SignedNote
from highstreet.client.errors import CoopRefusedError
from highstreet.client.home import StoreHome
from highstreet.client.join import join_coop
from highstreet.client.membership import load_membership
from highstreet.protos import coop_pb2
from highstreet.server import coop_desk, join_service, member_service
from highstreet.server.coop_desk import CoopDesk, end_membership
from highstreet.server.coop_log import CoopLog
from highstreet.server.errors import PortBusyError
from highstreet.server.home import CoopHome
from highstreet.server.listening import serve_coop


@pytest.fixture
def store(coop: Any, tmp_path: Any, limits: Any) -> StoreHome:
    home = StoreHome(tmp_path / "store")
    join_coop(home, coop.invite("Corner Shop"), limits, now=datetime.datetime.now(UTC))
    return home


@pytest.mark.parametrize("name", ["GetCharter", "GetRoster", "FetchVouching", "LatestRelease"])
def test_a_member_is_answered(coop: Any, store: StoreHome, name: str) -> None:
    with own_channel(coop, store) as channel:
        assert call_of(channel, name) is not None


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
    status = refused(own_channel(coop, store), name)
    assert status == (grpc.StatusCode.PERMISSION_DENIED, "COOP_REFUSAL_NOT_A_MEMBER")
    assert coop.nodes == {}


@pytest.mark.parametrize("name", MEMBER_CALLS)
def test_a_certificate_of_the_authority_is_not_enough(coop: Any, store: StoreHome, name: str) -> None:
    key, certificate = certified(authority_of(coop.home))
    status = refused(member_channel(coop, key, certificate), name)
    assert status == (grpc.StatusCode.PERMISSION_DENIED, "COOP_REFUSAL_NOT_A_MEMBER")


def test_leaving_takes_effect_on_the_connection_that_is_open(coop: Any, store: StoreHome) -> None:
    with own_channel(coop, store) as channel:
        call_of(channel, "Leave")
        with pytest.raises(grpc.RpcError) as caught:
            call_of(channel, "GetRoster")
    assert caught.value.details() == "COOP_REFUSAL_NOT_A_MEMBER"


def test_a_message_over_the_limit_is_refused(coop: Any) -> None:
    huge = coop_pb2.JoinRequest(certificate_request_der=bytes(5 << 20))
    assert refused(join_channel(coop), "Join", huge)[0] is grpc.StatusCode.RESOURCE_EXHAUSTED


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
    assert refused(own_channel(coop, store), name) == _UNAVAILABLE


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
    assert refused(join_channel(coop), name, requests[name]) == _UNAVAILABLE


def test_a_failure_after_a_join_was_accepted_says_nothing_either(
    coop: Any, tmp_path: Path, limits: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = coop.invite("Corner Shop")
    with monkeypatch.context() as patched:
        patched.setattr(coop_desk, "roster", _break("roster"))
        with pytest.raises(CoopRefusedError, match="cannot do it at the moment"):
            join_coop(StoreHome(tmp_path / "late"), code, limits, now=datetime.datetime.now(UTC))
    join_coop(StoreHome(tmp_path / "late"), code, limits, now=datetime.datetime.now(UTC))
