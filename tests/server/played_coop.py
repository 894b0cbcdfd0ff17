"""A co-op played with real keys: a coordinator's database, a carrier, and stores that do as they are told."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from played_store import PlayedStore

from highstreet.audit.canonical import canonical_json
from highstreet.audit.charter import COOP_LEARNING, Charter, CoopIdentity, PrivacyTerms, RoundTerms
from highstreet.audit.requests import mechanism_of, request_sha256
from highstreet.audit.roster import Roster, read_roster
from highstreet.audit.sums import round_context
from highstreet.audit.vouches import sign_vouch
from highstreet.audit.withdrawals import sign_withdrawal
from highstreet.models.plan import ModelPlan
from highstreet.models.programme import default_plan, initial_state
from highstreet.models.schema import FeatureSchema
from highstreet.models.state import SharedState
from highstreet.privacy.secure_sum import RoundContext
from highstreet.protos.rounds_pb2 import RoundReply, RoundRequest, SignedReply, SignedRequest
from highstreet.server.aggregation import close_phase
from highstreet.server.checkpoints import Checkpoints
from highstreet.server.database import connect
from highstreet.server.exchange import Carried
from highstreet.server.membership import leave, roster
from highstreet.server.programme_run import ProgrammeRun
from highstreet.server.releases import Candidate
from highstreet.server.vouching import put_vouch, put_withdrawal

PROGRAMME = "00000000000000a1"
OPENED = 1_000.0
DEADLINE = 600


def made_charter(*, phases: int = 1, floor: int = 3, committee: int = 6, **terms: object) -> Charter:
    """A tiny charter of the first so many phases of the default programme."""
    schema = FeatureSchema(
        key_buckets=32,
        category_buckets=8,
        product_type_buckets=8,
        brand_buckets=8,
        maker_buckets=8,
        size_buckets=8,
    )
    whole = default_plan(
        schema,
        noise_multiplier=4.0,
        gradient_rounds=1,
        params={"token_keys": 6, "token_types": 4, "token_categories": 3, "holdout_days": 14},
    )
    return Charter(
        coop=CoopIdentity(id="0" * 32, name="Tiny", created="2026-01-01"),
        purposes=(COOP_LEARNING,),
        plan=ModelPlan.from_dict({**whole.to_dict(), "phases": whole.to_dict()["phases"][:phases]}),  # type: ignore[index]  # a list
        privacy=PrivacyTerms(epsilon=3.0, delta=1e-5),
        rounds=RoundTerms(
            cohort_floor=floor,
            committee_size=committee,
            deadline_seconds=DEADLINE,
            **{"quorum": 0.5, **terms},  # type: ignore[arg-type]  # names are checked by dataclasses
        ),
    )


class CrashError(Exception):
    """The power goes off."""


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self, now: float = OPENED) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class PlayedCarrier:
    """Takes messages to the stores that are online; the power goes off after so many calls."""

    def __init__(self, coop: PlayedCoop, clock: Clock, *, calls: int = 10**9) -> None:
        self._coop = coop
        self._clock = clock
        self._sent = 0
        self._waiting: dict[str, tuple[float, bytes | None]] = {}
        self.calls = calls

    def online(self) -> Collection[int]:
        self._tick()
        return {number for number, store in self._coop.stores.items() if store.online}

    def send(self, bodies: Sequence[tuple[int, bytes]], *, seconds: float) -> Sequence[str | None]:
        self._tick()
        assert seconds > 0
        return [self._send(node, body) for node, body in bodies]

    def collect(self, tickets: Collection[str]) -> Sequence[Carried]:
        self._tick()
        here = [
            ticket
            for ticket in tickets
            if ticket in self._waiting and self._waiting[ticket][0] <= self._clock()
        ]
        return [Carried(ticket=ticket, body=self._waiting.pop(ticket)[1]) for ticket in here]

    def _send(self, node: int, body: bytes) -> str | None:
        self._sent += 1
        ticket = f"t{self._sent}"
        answer = self._coop.stores[node].answer(body, self._coop)
        if answer is not None:
            self._waiting[ticket] = (self._clock() + answer[0], answer[1])
        return ticket

    def _tick(self) -> None:
        self.calls -= 1
        if self.calls < 0:
            raise CrashError


class PlayedCoop:
    """coop.db with stores that all vouch for each other, and a programme asked for."""

    def __init__(self, folder: Path, charter: Charter, stores: Iterable[PlayedStore]) -> None:
        self.charter = charter
        self.key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"coordinator").digest())
        self.public_key = self.key.public_key().public_bytes_raw()
        self.database = folder / "coop.db"
        self.stores = {store.number: store for store in stores}
        self.published: list[Candidate] = []
        self.clock = Clock()
        with closing(connect(self.database, create=True)) as connection:
            for number, store in self.stores.items():
                connection.execute(
                    "INSERT INTO members (member_id, name, signing_public_key, encryption_public_key,"
                    " node_public_key, keys_sha256, node_id, certificate_serial, certificate_pem, claimed_at,"
                    " joined_at) VALUES (?, ?, ?, ?, ?, x'00', ?, ?, x'00', 1, 1)",
                    (
                        store.member_id,
                        f"shop {number}",
                        store.signing.public_key().public_bytes_raw(),
                        store.encryption.public_key().public_bytes_raw(),
                        bytes([number]),
                        number,
                        str(number),
                    ),
                )
            connection.execute(
                "INSERT INTO programmes (programme_id, number, requested_at, state, charter_sha256,"
                " as_of_day) VALUES (?, 1, 86400, 'requested', ?, 17489)",
                (PROGRAMME, charter.sha256()),
            )
        self.roster = self._roster()
        self.vouch((one, other) for one in self.stores for other in self.stores if one != other)

    def _roster(self) -> Roster:
        with closing(connect(self.database)) as connection:
            return read_roster(canonical_json(roster(connection, self.charter.coop.id)))

    def vouch(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Put these vouches, and no others, on record."""
        with closing(connect(self.database)) as connection:
            connection.execute("DELETE FROM vouches")
            for voucher, subject in pairs:
                store = self.stores[voucher]
                entry = self.roster.member(self.stores[subject].member_id)
                assert entry is not None
                vouch = sign_vouch(self.charter.coop.id, store.member_id, entry, store.signing)
                connection.execute(
                    "INSERT INTO vouches (voucher, subject, signature) VALUES (?, ?, ?)",
                    (vouch.voucher_id, vouch.subject_id, vouch.signature),
                )

    def replace(self, voucher: int, newcomer: int, *, former: int) -> None:
        """Let a store say in its vouch that another is a shop that was a member before."""
        store, entry = self.stores[voucher], self.roster.member(self.stores[newcomer].member_id)
        assert entry is not None
        replaces = [self.stores[former].member_id]
        vouch = sign_vouch(self.charter.coop.id, store.member_id, entry, store.signing, replaces)
        with closing(connect(self.database)) as connection:
            put_vouch(connection, vouch, self.roster, sender=store.member_id)

    def withdraw(self, voucher: int, subject: int) -> None:
        """Let a store take its vouch for another back."""
        store, entry = self.stores[voucher], self.roster.member(self.stores[subject].member_id)
        assert entry is not None
        withdrawal = sign_withdrawal(self.charter.coop.id, store.member_id, entry, store.signing)
        with closing(connect(self.database)) as connection:
            put_withdrawal(connection, withdrawal, self.roster, sender=store.member_id)

    def leave(self, number: int) -> None:
        """End a store's membership."""
        with closing(connect(self.database)) as connection:
            leave(connection, self.stores[number].member_id, now=2)

    def context(self, request: RoundRequest, signed: SignedRequest) -> RoundContext:
        """What a store builds from its own records."""
        return round_context(
            request,
            request_sha256(signed),
            charter=self.charter,
            roster=self.roster,
            coordinator_public_key=self.public_key,
        )

    def run(
        self,
        *,
        calls: int = 10**9,
        charter: Charter | None = None,
        publish: Callable[[Candidate], None] | None = None,
    ) -> PlayedCarrier:
        """Run the programme until it is over or the power goes off."""
        used = PlayedCarrier(self, self.clock, calls=calls)
        with closing(connect(self.database)) as connection:
            programme = Checkpoints(connection).active()
            assert programme is not None
            ProgrammeRun(
                programme=programme,
                charter=charter or self.charter,
                key=self.key,
                connection=connection,
                carrier=used,
                publish=publish or self.published.append,
                clock=self.clock,
                sleep=self.clock.sleep,
            ).run()
        return used

    def ended(self) -> tuple[str, str]:
        """How the programme stands, and why."""
        row = self.rows("SELECT state, failure FROM programmes")[0]
        return str(row[0]), str(row[1])

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """What is on record."""
        with closing(connect(self.database)) as connection:
            return [tuple(row) for row in connection.execute(query)]

    def request(self, round_number: int = 0) -> tuple[RoundRequest, bytes]:
        """The request of a round as it is on record, and its hash."""
        signed = self._signed(round_number)
        return RoundRequest.FromString(signed.request), request_sha256(signed)

    def committee(self, round_number: int = 0) -> list[PlayedStore]:
        """The stores on a round's committee, seat by seat."""
        signed = self._signed(round_number)
        context = self.context(RoundRequest.FromString(signed.request), signed)
        return [self.stores[int(seat.member_id, 16)] for seat in context.committee.members]

    def _signed(self, round_number: int) -> SignedRequest:
        body = dict(self.rows("SELECT round, request FROM rounds"))[round_number]
        return SignedRequest.FromString(body)  # type: ignore[arg-type]  # a blob

    def state_after(self, contributors: Iterable[int]) -> SharedState:
        """The state after phase 0 when these contributed, by a sum that is no secure one."""
        request, sha256 = self.request()
        phase = self.charter.plan.phases[0]
        vectors = [self.stores[number].vector(sha256, phase.dimension) for number in contributors]
        return close_phase(
            self.charter.plan,
            phase,
            initial_state(self.charter.plan),
            np.sum(vectors, axis=0),
            mechanism=mechanism_of(phase, self.charter, participants=len(request.participants)),
            contributors=len(vectors),
        )


def stores(count: int, **told: dict[str, str]) -> list[PlayedStore]:
    """So many sound stores, some of them told otherwise: `stores(5, s2={"agree": "vanishes"})`."""
    return [PlayedStore(number, **told.get(f"s{number}", {})) for number in range(1, count + 1)]


def contribution_of(reply: bytes) -> bytes:
    """The contribution inside a store's sealed reply."""
    return RoundReply.FromString(SignedReply.FromString(reply).reply).contribution
