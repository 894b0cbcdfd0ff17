"""A small co-op to test with: its folder, its running service, and stores that joined it."""

from __future__ import annotations

from highstreet.server.tls import require_tls_1_3

require_tls_1_3()  # before anything imports gRPC, as `highstreet coop run` does

import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from dataclasses import dataclass, field, replace  # noqa: E402
from datetime import UTC, datetime  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import pytest  # noqa: E402

from highstreet.audit.charter import COOP_LEARNING, Charter, CoopIdentity, PrivacyTerms  # noqa: E402
from highstreet.audit.limits import StoreLimits  # noqa: E402
from highstreet.models.programme import default_plan  # noqa: E402
from highstreet.server.home import CoopHome, Ports, ServerConfig  # noqa: E402

sys.path.insert(0, str(Path(__file__).parent))  # what tests of all rooms share lies beside them


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let workers share the tests: real processes first, one at a time; the others file by file."""
    items.sort(key=lambda item: item.get_closest_marker("system") is None)
    for item in items:
        together = "system" if item.get_closest_marker("system") else str(item.path)
        item.add_marker(pytest.mark.xdist_group(together))


def make_charter(**changes: object) -> Charter:
    """A charter of two phases that cost epsilon 1.07 at delta 1e-5; fields of Charter can be replaced."""
    whole = default_plan(noise_multiplier=5.0)
    plan = replace(whole, phases=tuple(replace(phase, noise_multiplier=5.0) for phase in whole.phases[:2]))
    charter = Charter(
        coop=CoopIdentity(id="ab" * 16, name="Hill Road", created="2026-11-22"),
        purposes=(COOP_LEARNING,),
        plan=plan,
        privacy=PrivacyTerms(epsilon=1.2, delta=1e-5),
    )
    return replace(charter, **changes)  # type: ignore[arg-type]  # names are checked by dataclasses


LIMITS = StoreLimits(
    max_epsilon=3.0,
    delta=1e-5,
    period_days=365,
    min_cohort_floor=3,
    max_phases=24,
    max_dimension=1 << 20,
    max_state_bytes=1 << 20,
    purposes=(COOP_LEARNING,),
)


@dataclass
class RunningCoop:
    """A co-op whose service listens on free loopback ports; its Flower nodes are a dictionary."""

    home: CoopHome
    clock: Callable[[], int]
    nodes: dict[bytes, int] = field(default_factory=dict)
    register_fails: bool = False
    skew_seconds: int = 0
    log: Any = None

    def register(self, public_key: bytes) -> int:
        from highstreet.server.errors import SuperLinkError

        if self.register_fails:
            raise SuperLinkError("The SuperLink is not up.")
        return self.nodes.setdefault(public_key, len(self.nodes) + 1)

    def unregister(self, node_id: int) -> None:
        self.nodes = {key: value for key, value in self.nodes.items() if value != node_id}

    def now(self) -> int:
        return self.clock() + self.skew_seconds

    def invite(self, name: str, hours: float = 72) -> str:
        from highstreet.server.invitations import invite_store

        return invite_store(self.home, name, hours=hours)


@pytest.fixture
def charter_with() -> Callable[..., Charter]:
    return make_charter


@pytest.fixture
def limits() -> StoreLimits:
    return LIMITS


@pytest.fixture
def found(tmp_path: Path) -> Callable[..., CoopHome]:
    """Found a co-op in a folder of its own."""

    def found_in(name: str = "coop", *, charter: Charter | None = None, host: str = "127.0.0.1") -> CoopHome:
        from highstreet.server.founding import Founding, found_coop

        founding = Founding(
            charter=charter or make_charter(), host=host, listen="127.0.0.1", base_port=20_000
        )
        return found_coop(tmp_path / name, founding, now=datetime.now(UTC))

    return found_in


@pytest.fixture
def coop_home(found: Callable[..., CoopHome]) -> CoopHome:
    return found()


@pytest.fixture
def run_coop(tmp_path: Path) -> Iterator[Callable[[CoopHome], RunningCoop]]:
    """Start a co-op's service on free ports, and write those ports into its settings."""
    from highstreet.files import write_private
    from highstreet.server.coop_desk import CoopDesk
    from highstreet.server.coop_log import CoopLog
    from highstreet.server.founding import config_toml
    from highstreet.server.listening import serve_coop

    started = []

    def start(home: CoopHome) -> RunningCoop:
        running = RunningCoop(home=home, clock=lambda: int(time.time()))
        running.log = CoopLog(home, clock=running.now)
        desk = CoopDesk(
            home=home,
            register_node=running.register,
            unregister_node=running.unregister,
            now=running.now,
            log=running.log,
        )
        servers = serve_coop(desk, listen="127.0.0.1", join_port=0, member_port=0)
        started.append(servers)
        ports = Ports(join=servers.join_port, members=servers.member_port, fleet=1, control=2, runtime=3)
        config = ServerConfig(host=home.config().host, listen="127.0.0.1", ports=ports)
        write_private(home.config_file, config_toml(config).encode())
        return running

    yield start
    for servers in started:
        servers.stop(0)


@pytest.fixture
def coop(coop_home: CoopHome, run_coop: Callable[[CoopHome], RunningCoop]) -> RunningCoop:
    return run_coop(coop_home)
