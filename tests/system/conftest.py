"""Co-ops of real processes on this machine: a coordinator and some shops with made-up customers."""

from __future__ import annotations

import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from highstreet.audit.charter import (
    COOP_LEARNING,
    MATCHING,
    Charter,
    CoopIdentity,
    MatchingTerms,
    PrivacyTerms,
    RoundTerms,
)
from highstreet.audit.invite import key_hash
from highstreet.audit.vouches import sign_vouch
from highstreet.cli import main
from highstreet.client.config import default_toml, read_config
from highstreet.client.home import StoreHome
from highstreet.client.identity import load_identity
from highstreet.client.importing.importer import Importer
from highstreet.client.join import join_coop
from highstreet.client.membership import load_membership, member_caller
from highstreet.client.person_counts import KeptCounts, PersonCounts
from highstreet.client.vault import Vault
from highstreet.client.vouch_desk import VouchDesk
from highstreet.client.vouches import add_vouches
from highstreet.models.programme import default_plan
from highstreet.models.schema import FeatureSchema
from highstreet.privacy.releases import PrivacyUnit, Weighting
from highstreet.server.database import connect
from highstreet.server.founding import Founding, found_coop
from highstreet.server.home import CoopHome
from highstreet.server.membership import record_invite
from highstreet.server.programmes import programme, request_programme

CUSTOMERS = 24
_PROGRAMS = (
    "flower-superlink",
    "flower-superexec",
    "flwr-serverapp",
    "highstreet.client.supernode",
    "highstreet.client.shim",
)


#: Rounds for three stores, all of which are needed.
ALL_OF_THREE = RoundTerms(cohort_floor=3, quorum=1.0, deadline_seconds=300)


def tiny_charter(*, gradient_rounds: int, rounds: RoundTerms) -> Charter:
    """A whole programme of small dimensions; so much noise that many programmes fit one budget."""
    schema = FeatureSchema(
        key_buckets=64,
        category_buckets=8,
        product_type_buckets=8,
        brand_buckets=8,
        maker_buckets=8,
        size_buckets=8,
    )
    params = {"token_keys": 6, "token_types": 4, "token_categories": 3, "candidates": 24, "own_candidates": 8}
    plan = default_plan(
        schema,
        noise_multiplier=20.0,
        clients_per_store=CUSTOMERS,
        gradient_rounds=gradient_rounds,
        params=params,
    )
    return Charter(
        coop=CoopIdentity(id=os.urandom(16).hex(), name="Tiny", created="2026-01-01"),
        purposes=(COOP_LEARNING,),
        plan=plan,
        privacy=PrivacyTerms(epsilon=3.0, delta=1e-5),
        rounds=rounds,
    )


def until(holds: Callable[[], bool], seconds: float) -> None:
    """Wait for something that other processes do."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            pytest.fail(f"waited {seconds} seconds in vain")
        time.sleep(0.05)


def children_of(pid: int) -> dict[str, int]:
    """The running descendants of a process, by what they run."""
    found: dict[str, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if _descends(int(entry.name), pid):
                    for name in _PROGRAMS:
                        if name in words and "getppid" not in words:
                            found[name] = int(entry.name)
    return found


def _descends(pid: int, ancestor: int) -> bool:
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        if pid == ancestor:
            return True
    return False


class Process:
    """One of our programs, started as a person would start it."""

    def __init__(self, kind: str, home: Path, log: Path) -> None:
        self._command = [sys.executable, "-m", "highstreet.cli", kind, "run", "--home", str(home)]
        self._starts = 0
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self._starts += 1
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, env=environment, start_new_session=True
            )

    def wait_ready(self, *, seconds: float = 120) -> None:
        """Wait until it says, for the latest start, that it is running."""
        until(
            lambda: self._log.read_text().count("Ctrl-C stops ") >= self._starts or not self.is_running,
            seconds,
        )
        assert self.is_running, self._log.read_text()

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def ask_to_stop(self) -> None:
        if self.is_running and self._process is not None:
            self._process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        self.ask_to_stop()
        if self.is_running and self._process is not None:
            self._process.wait(timeout=60)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()


class Shop:
    """A store with made-up customers."""

    def __init__(self, root: Path, number: int) -> None:
        self.home = StoreHome(root).ensure()
        self._import(random.Random(number), number)  # noqa: S311 - made-up orders
        self.process = Process("store", root, root.parent / f"{root.name}.log")

    def _import(self, chance: random.Random, number: int) -> None:
        files = self.files
        files.mkdir()
        kinds = ["Tea", "Bread", "Jam", "Milk", "Soap"]
        lines = ["product_id,title,category,product_type,brand,maker,size,price,gtin"]
        lines += [
            f"p{i},Thing {i},{kinds[i % 5]},T{i % 5},B{i % 3},M{i % 4},1 kg,{1 + i}.50," for i in range(20)
        ]
        (files / "products.csv").write_text("\n".join(lines) + "\n")
        customers = self._customers(number)
        (files / "customers.csv").write_text("\n".join(customers) + "\n")
        ids = [line.partition(",")[0] for line in customers[1:]]
        lines = ["order_id,ordered_at,customer_id,product_id,quantity,unit_price,discount"]
        newest = datetime.now(UTC) - timedelta(days=2)
        for order in range(len(ids) * 8):
            day = newest - timedelta(days=chance.randrange(200))
            who, what = ids[order % len(ids)], f"p{chance.randrange(20)}"
            lines.append(f"{order},{day:%Y-%m-%dT%H:%M:%S},{who},{what},1,2.50,0")
        (files / "orders.csv").write_text("\n".join(lines) + "\n")
        self._take_in(files)

    @property
    def files(self) -> Path:
        """Where the shop's exports lie."""
        return self.home.root.parent / f"{self.home.root.name}-files"

    def _customers(self, number: int) -> list[str]:
        """The lines of customers.csv."""
        answers = "consent_suggestions,consent_shop_model,consent_coop_learning"
        lines = [f"customer_id,{answers},consent_source,consent_recorded_at"]
        return lines + [f"c{number}-{i},yes,yes,yes,form,2026-01-02T10:00:00Z" for i in range(CUSTOMERS)]

    def _take_in(self, files: Path) -> None:
        with Vault.open(self.home.vault) as vault:
            list(Importer(vault, now=datetime.now(UTC)).run([files]))

    def join(self, code: str) -> None:
        join_coop(self.home, code, read_config(self.home).limits.to_limits(), now=datetime.now(UTC))

    def vouch_for_all(self) -> None:
        """Vouch for every other member, as after comparing codes with each."""
        key, me = load_identity(self.home).signing, load_membership(self.home).member_id
        with member_caller(self.home) as caller:
            desk = VouchDesk(self.home, caller)
            roster, _ = desk.refresh()
            others = [member for member in roster.members if member.member_id != me]
            add_vouches(self.home, roster, [sign_vouch(roster.coop_id, me, each, key) for each in others])
            desk.refresh()  # hands them over: the coordinator lacks them

    def rounds(self) -> list[tuple[str, int, bytes]]:
        """What its ledger says was spent: programme, phase, request."""
        return self._ledger("SELECT programme_id, phase, request_sha256 FROM rounds ORDER BY sequence")

    def replies(self) -> dict[tuple[str, int], bytes]:
        rows = self._ledger(
            "SELECT programme_id, phase, reply FROM replies JOIN rounds ON rounds.sequence = replies.round"
        )
        return {(name, phase): reply for name, phase, reply in rows}

    def agreements(self, programme_id: str) -> list[int]:
        """The phases of a programme in which it agreed, on the committee, to open a sum."""
        rows = self._ledger("SELECT programme_id, phase FROM agreements ORDER BY sequence")
        return [phase for name, phase in rows if name == programme_id]

    def _ledger(self, question: str) -> list[tuple]:  # type: ignore[type-arg]
        with closing(sqlite3.connect(self.home.ledger)) as connection:
            return list(connection.execute(question))


@dataclass(frozen=True, kw_only=True)
class Customer:
    """A customer of one shop, as its owner's file says.

    Attributes:
        customer_id: of this shop alone.
        email: as it was typed here.
        coop_learning, matching: yes, no, or nothing.
    """

    customer_id: str
    email: str = ""
    coop_learning: str = "yes"
    matching: str = "yes"


class MatchingShop(Shop):
    """A store whose owner imports identifiers and consent, and allows matching in store.toml."""

    def __init__(
        self, root: Path, number: int, customers: Sequence[Customer], *, max_dimension: int = 1 << 20
    ) -> None:
        self.customers = list(customers)
        super().__init__(root, number)
        allowed = default_toml().replace('["coop_learning"]', '["coop_learning", "matching"]')
        allowed = allowed.replace(f"max_dimension = {1 << 20}", f"max_dimension = {max_dimension}")
        if max_dimension > 1 << 20:  # the largest tables have fewer rows
            allowed = allowed.replace("max_matching_delta = 1e-05", "max_matching_delta = 0.01")
        self.home.config.write_text(allowed)

    def _customers(self, number: int) -> list[str]:
        answers = "consent_shop_model,consent_coop_learning,consent_matching"
        return [f"customer_id,{answers},consent_source,consent_recorded_at,email"] + [
            f"{one.customer_id},yes,{one.coop_learning},{one.matching},form,2026-01-02T10:00:00Z,{one.email}"
            for one in self.customers
        ]

    def _take_in(self, files: Path) -> None:
        assert main(["store", "import", str(files), "--yes", "--home", str(self.home.root)]) == 0

    @property
    def counts(self) -> KeptCounts | None:
        """What it read."""
        with Vault.open(self.home.vault) as vault:
            vault_id = vault.vault_id
        return PersonCounts(self.home.person_counts, vault_id=vault_id).latest()

    @property
    def shops_of(self) -> dict[str, int]:
        """k by the shop's own customer ids."""
        counts = self.counts
        assert counts is not None
        assert counts.shops is not None
        with Vault.open(self.home.vault) as vault:
            keys = {str(vault.customer_key(one.customer_id)): one.customer_id for one in self.customers}
        return {keys[key]: k for key, k in counts.shops.items()}


@dataclass(frozen=True)
class MatchingCoop:
    """A co-op that can match."""

    coop: Coop
    shops: list[MatchingShop]

    def match(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Type `highstreet coop match`."""
        return self.typed("match", *words)

    def typed(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Type a command of the coordinator."""
        command = [sys.executable, "-m", "highstreet.cli", "coop", *words]
        return subprocess.run(
            [*command, "--home", str(self.coop.home.root)],
            capture_output=True,
            text=True,
            timeout=800,
            check=False,
        )


class Coop:
    """A coordinator."""

    until = staticmethod(until)
    children_of = staticmethod(children_of)

    def __init__(self, root: Path, charter: Charter) -> None:
        founding = Founding(charter=charter, host="127.0.0.1", listen="127.0.0.1", base_port=_five_ports())
        self.home: CoopHome = found_coop(root, founding, now=datetime.now(UTC))
        self.charter = charter
        self.process = Process("coop", root, root.parent / f"{root.name}.log")

    def invite(self, name: str) -> str:
        authority = x509.load_pem_x509_certificate(self.home.ca_certificate.read_bytes())
        config = self.home.config()
        with closing(connect(self.home.database)) as connection:
            invite = record_invite(
                connection,
                name=name,
                address=(config.host, config.ports.join),
                ca_sha256=authority.fingerprint(hashes.SHA256()),
                coordinator_key_hash=key_hash(self.home.coordinator_key().public_key().public_bytes_raw()),
                now=int(time.time()),
                hours=1,
            )
        return invite.code()

    def train(self) -> str:
        with closing(connect(self.home.database)) as connection:
            return request_programme(connection, self.charter, now=int(time.time())).programme_id

    def state_of(self, programme_id: str) -> str:
        with closing(connect(self.home.database)) as connection:
            found = programme(connection, programme_id)
            assert found is not None
            return found.state

    def closed_rounds(self, programme_id: str) -> int:
        return self._count("rounds WHERE closed_at IS NOT NULL AND programme_id = ?", programme_id)

    def open_rounds(self, programme_id: str) -> int:
        return self._count("rounds WHERE programme_id = ?", programme_id)

    def requests(self, programme_id: str) -> list[bytes]:
        with closing(connect(self.home.database)) as connection:
            rows = connection.execute(
                "SELECT request FROM rounds WHERE programme_id = ? ORDER BY round", (programme_id,)
            )
            return [bytes(row["request"]) for row in rows]

    def contributors(self, programme_id: str) -> list[int]:
        """How many stores are in each sum."""
        with closing(connect(self.home.database)) as connection:
            rows = connection.execute(
                "SELECT contributors FROM rounds WHERE programme_id = ? ORDER BY round", (programme_id,)
            )
            return [int(row["contributors"]) for row in rows]

    def _count(self, what: str, programme_id: str) -> int:
        with closing(connect(self.home.database)) as connection:
            return int(connection.execute(f"SELECT count(*) FROM {what}", (programme_id,)).fetchone()[0])  # noqa: S608

    def wait_finished(self, programme_id: str, *, seconds: float = 400) -> None:
        until(lambda: self.state_of(programme_id) in {"finished", "failed"}, seconds)
        log = self.home.logs / "rounds.log"
        assert self.state_of(programme_id) == "finished", log.read_text() if log.exists() else ""


def _five_ports() -> int:
    """A first port of five in a row that nobody listens on."""
    chance = random.SystemRandom()
    while True:
        base = chance.randrange(20_000, 30_000)
        with suppress(OSError):
            for port in range(base, base + 5):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
            return base


@contextmanager
def running_coop(root: Path, charter: Charter) -> Iterator[Coop]:
    """A coordinator for the length of a `with`."""
    made = Coop(root, charter)
    made.process.start()
    try:
        made.process.wait_ready()
        yield made
    finally:
        made.process.stop()


@contextmanager
def running_shops(coop: Coop, made: Sequence[Shop]) -> Iterator[None]:
    """Let stores join, vouch for each other and run, for the length of a `with`."""
    try:
        for shop in made:
            shop.join(coop.invite(shop.home.root.name))
        for shop in made:
            shop.vouch_for_all()
            shop.process.start()
        for shop in made:
            shop.process.wait_ready()
        yield
    finally:
        for shop in made:
            shop.process.ask_to_stop()
        for shop in made:
            shop.process.stop()


def _shops(coop: Coop, count: int) -> list[Shop]:
    return [Shop(coop.home.root.parent / f"shop{number}", number) for number in range(1, count + 1)]


@pytest.fixture(scope="session")
def coop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coop]:
    """A coordinator that runs; used by one test after the other, each with a programme of its own."""
    charter = tiny_charter(gradient_rounds=0, rounds=ALL_OF_THREE)
    with running_coop(tmp_path_factory.mktemp("s") / "coop", charter) as made:
        yield made


@pytest.fixture(scope="session")
def shops(coop: Coop) -> Iterator[list[Shop]]:
    """Three stores that joined, vouch for each other and run."""
    made = _shops(coop, 3)
    with running_shops(coop, made):
        yield made


@pytest.fixture
def six(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Coop, list[Shop]]]:
    """A co-op of six stores that opens the sum of four."""
    terms = RoundTerms(cohort_floor=4, quorum=0.5, deadline_seconds=90)
    charter = tiny_charter(gradient_rounds=0, rounds=terms)
    with running_coop(tmp_path_factory.mktemp("six") / "coop", charter) as coop:
        made = _shops(coop, 6)
        with running_shops(coop, made):
            yield coop, made


@pytest.fixture
def make_customer() -> Callable[..., Customer]:
    """Make a customer of a shop."""
    return Customer


@pytest.fixture
def matching(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., AbstractContextManager[MatchingCoop]]:
    """Make a co-op whose charter matches, of stores with these customers, for the length of a `with`."""

    @contextmanager
    def made(
        customers: Sequence[Sequence[Customer]],
        *,
        deadline_seconds: int,
        identifiers: int = 200,
        max_dimension: int = 1 << 20,
        counts_weigh: bool = False,
    ) -> Iterator[MatchingCoop]:
        terms = RoundTerms(cohort_floor=3, quorum=0.5, deadline_seconds=deadline_seconds)
        charter = replace(
            tiny_charter(gradient_rounds=0, rounds=terms),
            purposes=(COOP_LEARNING, MATCHING),
            matching=MatchingTerms(identifiers_per_store=identifiers, period_days=30),
        )
        if counts_weigh:
            about_persons = replace(
                charter.privacy, privacy_unit=PrivacyUnit.PERSON, weighting=Weighting.ONE_OVER_SHOPS
            )
            charter = replace(charter, privacy=about_persons)
        with running_coop(tmp_path_factory.mktemp("m") / "coop", charter) as coop:
            shops = [
                MatchingShop(
                    coop.home.root.parent / f"shop{number}", number, each, max_dimension=max_dimension
                )
                for number, each in enumerate(customers, start=1)
            ]
            with running_shops(coop, shops):
                yield MatchingCoop(coop, shops)

    return made
