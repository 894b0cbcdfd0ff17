"""A co-op that matches: the coordinator's own run, and real store desks that the carrier calls.

Desks are built anew for every message, from what each store keeps: as if its computer had been switched off
in between. What is kept is kept in memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from memory_books import MemoryCounts, MemoryPapers, MemorySecrets, MemoryTill
from played_coop import PROGRAMME, Clock, CrashError, PlayedCarrier, PlayedCoop, made_charter
from played_store import PlayedStore

from highstreet.audit.attestation import AttestedUse, ConsentBasis
from highstreet.audit.charter import MATCHING, Charter, MatchingTerms
from highstreet.audit.consent_states import ConsentTime
from highstreet.audit.limits import StoreLimits
from highstreet.client.attested_use import commit_to_round
from highstreet.client.matching_inputs import MatchingInputs
from highstreet.client.matching_papers import MatchingPapers
from highstreet.client.matching_records import MatchingBooks, UsedInMatching
from highstreet.client.matching_state import MatchingState
from highstreet.client.person_counts import PersonCounts
from highstreet.client.round_answers import RoundAnswer
from highstreet.client.round_members import CountedRoster
from highstreet.client.round_terms import Agreement
from highstreet.client.rounds import RoundDesk
from highstreet.privacy.matching import IdentifierKind, identifier_input
from highstreet.protos.rounds_pb2 import RoundMessage
from highstreet.server.checkpoints import Checkpoints
from highstreet.server.database import connect
from highstreet.server.matching_run import MatchingRun

IDENTIFIERS = 5
LIMITS = StoreLimits(
    max_epsilon=3.0,
    delta=1e-5,
    period_days=365,
    min_cohort_floor=3,
    max_phases=24,
    max_dimension=1 << 20,
    max_state_bytes=1 << 20,
    purposes=("coop_learning", MATCHING),
)
#: What consent was judged by in stores that keep no log of it.
BASIS = ConsentBasis(position=0, root=bytes(32), changes=0, time=ConsentTime(now=0))


def matching_charter(**terms: object) -> Charter:
    """The tiny charter, with a section about matching."""
    charter = made_charter(**terms)  # type: ignore[arg-type]  # passed on
    return replace(
        charter,
        purposes=(*charter.purposes, MATCHING),
        matching=MatchingTerms(identifiers_per_store=IDENTIFIERS),
    )


class Shop(PlayedStore):
    """A store with a real desk.

    Args:
        number: its node; its member id in hex.
        customers: who shops there and agrees to be matched.
        silent: steps it does not answer (`offer`, `blind`, `evaluate`, `give`, `agree`, `open`, `read`).
    """

    def __init__(self, number: int, customers: Collection[str], *, silent: Collection[str] = ()) -> None:
        super().__init__(number)
        self.customers = set(customers)
        self.emails: dict[str, str] = {}
        self.silent = set(silent)
        self.secrets, self.papers, self.counts = MemorySecrets(), MemoryPapers(), MemoryCounts()
        self.attested: list[UsedInMatching] = []
        self.restored_on: int | None = None
        self.till = MemoryTill()
        self.bodies: dict[str, list[bytes]] = {}
        self.answers: dict[str, list[RoundAnswer]] = {}

    def desk(self, coop: PlayedCoop) -> RoundDesk:
        """The desk as it is built when the store starts."""

        def inputs(kind: IdentifierKind) -> MatchingInputs:
            by_customer = {
                one: identifier_input(kind, self.emails.get(one, f"{one}@example.org"))
                for one in sorted(self.customers)
            }
            return MatchingInputs(by_customer=by_customer, basis=BASIS)

        def attest(used: UsedInMatching) -> AttestedUse:
            self.attested.append(used)
            return commit_to_round(
                {_row_key(one): used.name.kind.purposes for one in used.customers},
                {_row_key(one): hashlib.sha256(one.encode()).hexdigest() for one in used.customers},
                name=used.name,
                basis=used.basis,
                request_sha256=used.request_sha256,
                policy={},
                epsilon=0.0,
                delta=used.delta,
            ).use

        counted = CountedRoster(
            roster=coop.roster, counted=frozenset(store.member_id for store in coop.stores.values())
        )
        return RoundDesk(
            Agreement(
                member_id=self.member_id,
                coordinator_public_key=coop.public_key,
                charter=coop.charter,
                limits=LIMITS,
                find_roster=lambda sha256, participants, opened: counted,
                holds_to_day=lambda programme_id, day: True,
            ),
            keys=self.keys,
            till=self.till,
            books=MatchingBooks(
                secrets=self.secrets,
                papers=self.papers,
                counts=self.counts,
                inputs=inputs,
                attest=attest,
                restored_on=lambda: self.restored_on,
            ),
            clock=coop.clock,
        )

    def answer(self, body: bytes, coop: PlayedCoop) -> tuple[float, bytes | None] | None:
        step = step_of(body)
        self.bodies.setdefault(step, []).append(body)
        if step in self.silent:
            return None
        given = self.desk(coop).answer(coop.bent(step, self, body))
        self.answers.setdefault(step, []).append(given)
        return 0.0, coop.bent_reply(step, self, given.body)

    @property
    def read(self) -> dict[str, int] | None:
        """The counts it read; fails when there are none or several."""
        (counts,) = self.counts.read.values()
        return counts


class DiskShop(Shop):
    """A store whose books lie on a disk, opened anew for each message: `MatchingState` and the like.

    Args:
        number: its node; its member id in hex.
        customers: row keys in decimal digits, which are the same person in every shop.
        folder: its own.
    """

    def __init__(self, number: int, customers: Collection[str], folder: Path) -> None:
        super().__init__(number, customers)
        self.folder = folder
        folder.mkdir()

    def desk(self, coop: PlayedCoop) -> RoundDesk:
        """The desk as it is built when the store starts."""
        self.secrets = MatchingState.open(  # type: ignore[assignment]  # the other implementation
            self.folder / "matching.db", vault_id="0" * 32
        )
        self.papers = MatchingPapers(self.folder / "matchings")  # type: ignore[assignment]  # the same
        self.counts = PersonCounts(self.folder / "counts.json", vault_id="0" * 32)  # type: ignore[assignment]  # the same
        return super().desk(coop)

    def answer(self, body: bytes, coop: PlayedCoop) -> tuple[float, bytes | None] | None:
        """Answer, and close the books."""
        given = super().answer(body, coop)
        self.secrets.close()  # type: ignore[attr-defined]  # the other implementation
        return given

    @property
    def read(self) -> dict[str, int] | None:
        """The counts on the disk."""
        kept = PersonCounts(self.folder / "counts.json", vault_id="0" * 32).latest()
        assert kept is not None
        return None if kept.shops is None else dict(kept.shops)


def _row_key(name: str) -> int:
    """A row key for a customer who has none: another one for each name."""
    return 1 + int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")


def step_of(body: bytes) -> str:
    """What a message asks for."""
    message = RoundMessage.FromString(body)
    step = message.WhichOneof("step") or ""
    return (message.match.WhichOneof("step") or "") if step == "match" else step


class MatchingCoop(PlayedCoop):
    """A co-op whose run is a matching.

    Args:
        folder: for coop.db.
        shops: its stores.
        charter: with a section about matching.
    """

    def __init__(self, folder: Path, shops: Collection[Shop], charter: Charter | None = None) -> None:
        super().__init__(folder, charter or matching_charter(), shops)
        self.bent: Callable[[str, Shop, bytes], bytes] = lambda step, shop, body: body
        self.bent_reply: Callable[[str, Shop, bytes], bytes] = lambda step, shop, body: body
        self.execute("UPDATE programmes SET kind = 'matching'")

    @property
    def shops(self) -> dict[str, Shop]:
        """By member id."""
        return {shop.member_id: shop for shop in self.stores.values()}  # type: ignore[misc]  # all are shops

    def execute(self, statement: str, *values: object) -> None:
        with closing(connect(self.database)) as connection:
            connection.execute(statement, values)

    def again(self, matching_id: str) -> None:
        """Ask for another matching."""
        self.execute(
            "INSERT INTO programmes (programme_id, number, requested_at, state, charter_sha256, as_of_day,"
            " kind) SELECT ?, max(number) + 1, 0, 'requested', ?, 0, 'matching' FROM programmes",
            matching_id,
            self.charter.sha256(),
        )

    def match(self, *, calls: int = 10**9) -> PlayedCarrier:
        """Run the matching until it is over or the power goes off."""
        used = PlayedCarrier(self, self.clock, calls=calls)
        with closing(connect(self.database)) as connection:
            programme = Checkpoints(connection, clock=self.clock).due()
            assert programme is not None
            MatchingRun(
                programme=programme,
                charter=self.charter,
                key=self.key,
                connection=connection,
                carrier=used,
                clock=self.clock,
                sleep=self.clock.sleep,
            ).run()
        return used

    def true_counts(self, contributors: Collection[str] | None = None) -> dict[str, dict[str, int]]:
        """At how many of the contributors each customer of each of them shops."""
        chosen = self.shops.keys() if contributors is None else contributors
        among = [self.shops[one] for one in chosen]
        return {
            shop.member_id: {one: sum(one in other.customers for other in among) for one in shop.customers}
            for shop in among
        }


__all__ = [
    "PROGRAMME",
    "Clock",
    "CrashError",
    "DiskShop",
    "MatchingCoop",
    "Shop",
    "matching_charter",
    "step_of",
]
