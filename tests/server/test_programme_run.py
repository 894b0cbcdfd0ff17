"""A programme from its first phase to its release, crashed and resumed at any moment."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Collection, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.audit.charter import COOP_LEARNING, Charter, CoopIdentity, PrivacyTerms, RoundTerms
from highstreet.audit.requests import open_request, seal_reply
from highstreet.models.programme import default_plan
from highstreet.models.schema import FeatureSchema
from highstreet.protos.rounds_pb2 import REFUSAL_BUDGET, RoundReply, RoundRequest, SignedRequest
from highstreet.server.checkpoints import Checkpoints
from highstreet.server.database import connect
from highstreet.server.errors import PublishError
from highstreet.server.exchange import Carried
from highstreet.server.programme_run import ProgrammeRun
from highstreet.server.releases import Candidate

SCHEMA = FeatureSchema(
    key_buckets=32,
    category_buckets=8,
    product_type_buckets=8,
    brand_buckets=8,
    maker_buckets=8,
    size_buckets=8,
)
CHARTER = Charter(
    coop=CoopIdentity(id="0" * 32, name="Tiny", created="2026-01-01"),
    purposes=(COOP_LEARNING,),
    plan=default_plan(
        SCHEMA,
        noise_multiplier=4.0,
        gradient_rounds=1,
        params={"token_keys": 6, "token_types": 4, "token_categories": 3, "holdout_days": 14},
    ),
    privacy=PrivacyTerms(epsilon=3.0, delta=1e-5),
    rounds=RoundTerms(cohort_floor=3, quorum=0.5, deadline_seconds=600),
)
COORDINATOR = Ed25519PrivateKey.generate()
KEYS = [Ed25519PrivateKey.generate() for _ in range(3)]


class CrashError(Exception):
    """The power goes off."""


class Stores:
    """Three stores that answer the same request with the same values; the power goes off after some calls."""

    def __init__(self, *, calls: int = 10_000, refuse: bool = False) -> None:
        self.calls = calls
        self.refuse = refuse
        self.waiting: dict[str, bytes] = {}
        self.requests: list[bytes] = []

    def _tick(self) -> None:
        self.calls -= 1
        if self.calls < 0:
            raise CrashError

    def online(self) -> Collection[int]:
        self._tick()
        return {1, 2, 3}

    def send(self, bodies: Sequence[tuple[int, bytes]], *, seconds: float) -> Sequence[str | None]:
        self._tick()
        tickets = []
        for node, body in bodies:
            tickets.append(f"{node}-{len(self.waiting)}")
            self.waiting[tickets[-1]] = self._answer(node, body)
        return tickets

    def collect(self, tickets: Collection[str]) -> Sequence[Carried]:
        self._tick()
        first = sorted(ticket for ticket in tickets if ticket in self.waiting)[:1]
        return [Carried(ticket=ticket, body=self.waiting.pop(ticket)) for ticket in first]

    def _answer(self, node: int, body: bytes) -> bytes:
        self.requests.append(body)
        signed = SignedRequest.FromString(body)
        request = open_request(signed, coordinator_public_key=COORDINATOR.public_key().public_bytes_raw())
        seed = int.from_bytes(hashlib.sha256(signed.request + bytes([node])).digest()[:8], "big")
        draws = np.random.default_rng(seed).integers(-1000, 1000, size=request.release.dimension)
        reply = RoundReply(
            format_version=1,
            coop_id=request.coop_id,
            programme_id=request.programme_id,
            round=request.round,
            request_sha256=hashlib.sha256(signed.request).digest(),
            member_id=f"m{node}",
        )
        if self.refuse:
            reply.refusal = REFUSAL_BUDGET
        else:
            reply.values = draws.astype("<i4").tobytes()
        return seal_reply(reply, KEYS[node - 1])


class Coordinator:
    """coop.db with three members and a requested programme; the clock stands still."""

    def __init__(self, folder: Path) -> None:
        self.database = folder / "coop.db"
        self.published: list[Candidate] = []
        with closing(connect(self.database, create=True)) as connection:
            for number, key in enumerate(KEYS, start=1):
                connection.execute(
                    "INSERT INTO members (member_id, name, signing_public_key,"
                    " encryption_public_key, node_public_key, keys_sha256, node_id,"
                    " certificate_serial, certificate_pem, claimed_at, joined_at)"
                    " VALUES (?, ?, ?, ?, ?, x'00', ?, ?, x'00', 1, 1)",
                    (
                        f"m{number}",
                        f"shop {number}",
                        key.public_key().public_bytes_raw(),
                        bytes([number]),
                        bytes([number]),
                        number,
                        str(number),
                    ),
                )
            connection.execute(
                "INSERT INTO programmes (programme_id, number, requested_at, state, charter_sha256,"
                " as_of_day) VALUES ('p1', 1, 86400, 'requested', ?, 17489)",
                (CHARTER.sha256(),),
            )

    def run(self, stores: Stores, charter: Charter = CHARTER, error: Exception | None = None) -> None:
        def publish(candidate: Candidate) -> None:
            if error is not None:
                raise error
            self.published.append(candidate)

        with closing(connect(self.database)) as connection:
            programme = Checkpoints(connection).active()
            assert programme is not None
            ProgrammeRun(
                programme=programme,
                charter=charter,
                key=COORDINATOR,
                connection=connection,
                carrier=stores,
                publish=publish,
                clock=lambda: 1_000.0,
            ).run()

    def ended(self) -> tuple[str, str]:
        with closing(connect(self.database)) as connection:
            row = connection.execute("SELECT state, failure FROM programmes").fetchone()
            return row["state"], row["failure"]


@pytest.fixture
def coordinator(tmp_path: Path) -> Coordinator:
    return Coordinator(tmp_path)


def test_every_phase_is_held_once_and_the_result_is_published(coordinator: Coordinator) -> None:
    stores = Stores()
    coordinator.run(stores)
    (candidate,) = coordinator.published
    assert candidate.rounds == len(CHARTER.plan.phases)
    assert candidate.participants == 3
    assert "ranker/weights" in candidate.state
    assert candidate.evaluation["noise_stddev"] == candidate.state["evaluation/stddev"].item() > 0
    assert candidate.evaluation["customers/all"] == candidate.state["evaluation/all/customers"].item()
    assert len(set(stores.requests)) == len(CHARTER.plan.phases)
    asked = [RoundRequest.FromString(SignedRequest.FromString(body).request) for body in stores.requests]
    assert {request.as_of_day for request in asked} == {17_489}
    assert coordinator.ended() == ("finished", "")


def test_wherever_it_crashes_the_same_requests_are_sent_and_the_same_model_comes_out() -> None:
    with tempfile.TemporaryDirectory() as folder:
        whole = Coordinator(Path(folder))
        stores = Stores()
        whole.run(stores)
    for calls in range(0, 10_000 - stores.calls, 9):
        with tempfile.TemporaryDirectory() as folder:
            broken = Coordinator(Path(folder))
            first, then = Stores(calls=calls), Stores()
            with pytest.raises(CrashError):
                broken.run(first)
            broken.run(then)
            assert set(first.requests) | set(then.requests) == set(stores.requests)
            assert broken.published[0].state == whole.published[0].state
            assert broken.ended() == ("finished", "")


def test_a_crash_between_the_release_and_the_last_note_is_made_good(coordinator: Coordinator) -> None:
    with pytest.raises(CrashError):
        coordinator.run(Stores(), error=CrashError())
    assert coordinator.ended()[0] == "running"
    silent = Stores()
    coordinator.run(silent)
    assert silent.requests == []
    assert coordinator.ended() == ("finished", "")


def test_too_few_stores_fail_the_programme_with_a_reason(coordinator: Coordinator) -> None:
    coordinator.run(Stores(refuse=True))
    state, failure = coordinator.ended()
    assert state == "failed"
    assert "0 of 3 stores took part in phase popularity, 3 are required" in failure
    assert coordinator.published == []


def test_a_release_that_may_not_be_published_fails_the_programme(coordinator: Coordinator) -> None:
    coordinator.run(Stores(), error=PublishError("The model is larger than a release may be."))
    assert coordinator.ended() == ("failed", "The model is larger than a release may be.")


def test_a_programme_requested_under_another_charter_is_not_run(coordinator: Coordinator) -> None:
    changed = Charter(
        coop=CHARTER.coop,
        purposes=CHARTER.purposes,
        plan=CHARTER.plan,
        privacy=PrivacyTerms(epsilon=2.0, delta=1e-5),
        rounds=CHARTER.rounds,
    )
    stores = Stores()
    coordinator.run(stores, charter=changed)
    assert coordinator.ended()[0] == "failed"
    assert stores.requests == []
