"""A coordinator of real processes with a tiny charter, and stores that join it and run."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from highstreet.audit.charter import COOP_LEARNING, Charter, CoopIdentity, PrivacyTerms, RoundTerms
from highstreet.audit.invite import key_hash
from highstreet.models.programme import default_plan
from highstreet.models.schema import FeatureSchema
from highstreet.server.database import connect
from highstreet.server.founding import Founding, found_coop
from highstreet.server.home import CoopHome
from highstreet.server.membership import record_invite
from highstreet.server.programmes import programme, request_programme
from tests.system.real_processes import Process, children_of, until
from tests.system.real_shops import CUSTOMERS, MatchingShop, Shop


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


def shops_beside(coop: Coop, count: int) -> list[Shop]:
    return [Shop(coop.home.root.parent / f"shop{number}", number) for number in range(1, count + 1)]
