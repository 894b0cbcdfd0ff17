"""A store's life: a store and its people in a test, and beside them a plain account of who may be used.

The account is kept by what was done to the store and by nothing that the store says (`consent_account`).
Whatever the store does goes through the modules it has in a shop: vault, consent desk, rights desk, erasure,
round desk, till, ledger, log, and the service behind its socket (`store_line`). What a round adds up is put
aside, so that it can be seen who was in it; everything before and after is real.

Being kept in the ledger counts as handed over (ADR 30). So who may be in a reply is decided at the last look
before it is kept, and looked at here at that moment; from then on it is the same bytes, whoever withdraws.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar
from unittest import mock

import numpy as np
from hypothesis.stateful import RuleBasedStateMachine, invariant

from highstreet.audit.attestation import AttestedKind
from highstreet.audit.consent import Act, Channel, Method, Purpose
from highstreet.client import consent, consent_log, leaving_out
from highstreet.client.attestation_book import AttestationBook
from highstreet.client.attested_names import AttestedName
from highstreet.client.consent import ConsentDesk, How
from highstreet.client.erasure import erase_again, finish_erasures
from highstreet.client.errors import VaultRewoundError
from highstreet.client.home import StoreHome
from highstreet.client.identity import load_or_make_identity
from highstreet.client.ledger import Ledger
from highstreet.client.membership import Membership, programme_days_file
from highstreet.client.programme_days import ProgrammeDays
from highstreet.client.round_log import noted
from highstreet.client.round_terms import Agreement
from highstreet.client.rounds import RoundDesk
from highstreet.client.store_log import StoreLog
from highstreet.client.till import StoreTill
from highstreet.client.vault import Vault
from highstreet.files import make_private_folder, write_private
from highstreet.models.programme import default_plan
from highstreet.privacy.budget import Budget, SpendingLimits
from highstreet.server.pki import Authority, pem
from tests.client.consent_account import ConsentAccount
from tests.client.made_up_coop import COORDINATOR, KEYS, LIMITS, ME, SCHEMA, charter_of, find_roster
from tests.client.store_line import StoreLine
from tests.client.store_people import Person, newcomer

__all__ = ["CHARTER", "COOP", "SAID", "SECONDS", "START", "Flight", "StoreLife", "killed_at"]

COOP = Purpose.COOP_LEARNING
SAID = How(method=Method.SPOKEN, source="machine")
SECONDS = 1_000_000
START = 1_795_348_800 * SECONDS
CHARTER = charter_of(default_plan(SCHEMA, noise_multiplier=6.0, gradient_rounds=0))
BUDGET = Budget(epsilon=3.0, delta=1e-5, period_days=3650)
_AUTHORITY = Authority.create("Tiny", now=datetime.fromtimestamp(START // SECONDS, UTC))


@dataclass
class Flight:
    """A round as the coordinator asked for it, and what became of it.

    Attributes:
        programme_id, message: what was asked.
        computed: who was in the sum that was computed last; None before anything was.
        stood: who could be used when consent was last looked at, before the reply was kept.
        kept: the reply as the ledger has it: handed over, whether it came anywhere or not.
        used: who is in that.
        is_received: whether it came to the coordinator.
    """

    programme_id: str
    message: bytes
    computed: frozenset[str] | None = None
    stood: frozenset[str] = frozenset()
    kept: bytes | None = None
    used: frozenset[str] = frozenset()
    is_received: bool = False


class StoreLife(RuleBasedStateMachine):
    """A store, in a folder of its own for as long as one example lasts."""

    #: How often each rule was called, in all examples.
    steps: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="store-life-"))
        self.home = StoreHome(self.folder / "store").ensure()
        self.now, self.serial = START, 0
        self.account = ConsentAccount()
        self.people: list[Person] = []
        self.erased: list[bytes] = []
        self.flights: list[Flight] = []
        self.under_way: Flight | None = None
        self.said_no: set[str] = set()
        self.is_offline = False
        self.spent, self.log_size = 0.0, 0
        self.wrong: list[str] = []
        self._patches = ExitStack()
        self._watch()
        self._join()
        self._open()
        for _ in range(2):
            self.come()

    # The store's process.

    def _watch(self) -> None:
        """Turn the clock by hand, and see what the store does where nobody asks it."""
        note_expired, keep, store_reply = (
            ConsentDesk.note_expired,
            AttestationBook.keep,
            Ledger.store_reply,
        )

        def noting(desk: ConsentDesk) -> int:
            due = self.account.note_what_ran_out(now=self.now)
            noted_here = note_expired(desk)
            self._holds(noted_here == due, f"{noted_here} yeses were noted to have run out, not {due}")
            return noted_here

        def looked(book: AttestationBook, made: Any) -> None:
            """Consent was looked at for the last time, and the reply is to be kept."""
            if self.under_way is not None:
                self.under_way.stood = self.may_be_used() - self.said_no
            self.line.pause()
            keep(book, made)

        def keeping(ledger: Ledger, key: Any, reply: bytes) -> bytes:
            kept = store_reply(ledger, key, reply)
            self._is_kept(reply, kept)
            return kept

        clock = SimpleNamespace(time_ns=lambda: self.now * 1000)
        for owner, name, instead in (
            (consent, "time", clock),
            (leaving_out, "contribute", self._compute),
            (ConsentDesk, "note_expired", noting),
            (AttestationBook, "keep", looked),
            (Ledger, "store_reply", keeping),
        ):
            self._patches.enter_context(mock.patch.object(owner, name, instead))

    def _join(self) -> None:
        identity = load_or_make_identity(self.home)
        issued = _AUTHORITY.issue_member(identity.certificate_request(), ME, now=self.today())
        membership = Membership(
            member_id=ME,
            coop_id=CHARTER.coop.id,
            coop_name="Tiny",
            coordinator_public_key=COORDINATOR.public_key().public_bytes_raw().hex(),
            charter_sha256=CHARTER.sha256().hex(),
            member_address="127.0.0.1:1",  # where nobody listens
            superlink_address="127.0.0.1:1",
            joined_at=START // SECONDS,
        )
        make_private_folder(self.home.coop)
        write_private(self.home.coop / "membership.json", json.dumps(asdict(membership)).encode())
        write_private(self.home.coop / "client.pem", pem(issued))
        write_private(self.home.coop / "ca.pem", pem(_AUTHORITY.certificate))

    def _open(self) -> None:
        consent_log._FOLDS.clear()
        self.vault = Vault.open(self.home.vault)
        self.desk = ConsentDesk(self.vault)
        self.ledger = Ledger.open(self.home.ledger)
        self.log = StoreLog(self.home, clock=lambda: self.now / SECONDS)
        self.log.settle(self.ledger)
        self.line = StoreLine()
        till = StoreTill(
            home=self.home,
            ledger=self.ledger,
            plan=CHARTER.plan,
            terms=CHARTER.privacy,
            limits=SpendingLimits(budget=BUDGET),
            today=lambda: self.today().date(),
            approach=self.line.departures.approach,
        )
        days = ProgrammeDays(programme_days_file(self.home), paid_for=till.paid_for)
        agreement = Agreement(
            member_id=ME,
            coordinator_public_key=COORDINATOR.public_key().public_bytes_raw(),
            charter=CHARTER,
            limits=LIMITS,
            find_roster=find_roster,
            holds_to_day=self.log.noting_days(days.holds),
        )
        desk = RoundDesk(agreement, keys=KEYS[ME], till=till, clock=lambda: self.now / SECONDS)
        self.line.open(self.log.answering(noted(desk.answer, self.home), self.ledger), self.home.socket)
        self.accounts_never_go_back()

    def _close(self) -> None:
        if self.under_way is not None:
            self.line.kill()
            self.under_way = None
        self.line.close()
        self.vault.close()
        self.ledger.close()

    def teardown(self) -> None:
        """End the life with a last start, after which nothing may be left to do."""
        try:
            self.restart()
            self.nothing_is_left_of_the_erased()
        finally:
            self._close()
            self._patches.close()
            consent_log._FOLDS.clear()
            shutil.rmtree(self.folder)

    def restart(self) -> None:
        """A new process: what was only in memory is gone; the owner finishes erasures that were cut off."""
        self._close()
        try:
            Vault.open(self.home.vault).close()
        except VaultRewoundError:  # killed after the register and before the vault: nobody's data is used
            erase_again(self.home, now=self.today())
        finish_erasures(self.home, now=self.today())
        self._open()
        self._the_log_replayed_is_the_state()

    def today(self) -> datetime:
        """The computer's clock."""
        return datetime.fromtimestamp(self.now / SECONDS, UTC)

    def come(self) -> None:
        """Somebody becomes a customer, and agrees where the clock allows it."""
        self.serial += 1
        person = newcomer(self.vault, self.serial, ordered_at=START // SECONDS - 2 * 86_400)
        self.people.append(person)
        if self.account.says_yes(person.key, Channel.EVERYWHERE, now=self.now, until=None):
            self.desk.record(person.name, COOP, Act.GIVEN, SAID)

    def go(self, person: Person) -> None:
        """Somebody is erased: from now on none of what was planted of them may be found."""
        self.account.forget(person.key)
        self.said_no.add(str(person.key))
        self.people.remove(person)
        self.erased += person.planted

    # What is watched in the middle of a round.

    def _compute(self, plan: object, phase: Any, state: object, shop: Any, **_: object) -> Any:
        flight, used = self.under_way, frozenset(shop.customer_ids)
        allowed = self.may_be_used()
        self._holds(used <= allowed, "computed with somebody who may not be used")
        self._holds(not used & self.said_no, "computed again with somebody who said no meanwhile")
        if flight is None:
            self._holds(False, "computed though nothing was asked")
        else:
            is_first = flight.computed is None
            self._holds(not is_first or used == allowed, "computed without somebody who agrees")
            self._holds(flight.kept is None, "computed again after a reply was kept")
            flight.computed = used
        return np.zeros(phase.dimension, dtype=np.int64)

    def _is_kept(self, reply: bytes, kept: bytes) -> None:
        flight = self.under_way
        if flight is None or flight.computed is None:
            self._holds(False, "kept what was never computed")
            return
        self._holds(flight.kept is None and kept == reply, "kept a second reply")
        self._holds(flight.computed <= flight.stood, "kept with somebody who did not stand at the last look")
        flight.kept, flight.used = kept, flight.computed

    def _holds(self, claim: bool, otherwise: str) -> None:
        """In the service's thread, where an error would be an answer like any other."""
        if not claim:
            self.wrong.append(otherwise)

    # What must be so.

    def may_be_used(self) -> frozenset[str]:
        """Who agrees and is not set apart, by the account."""
        return frozenset(
            str(person.key)
            for person in self.people
            if not person.is_restricted and self.account.agrees(person.key, now=self.now)
        )

    @invariant()
    def the_cohort_is_whoever_agrees(self) -> None:
        """Nobody else, and nobody less."""
        assert not self.wrong
        assert {str(customer) for customer in self.desk.cohort(COOP).customers} == self.may_be_used()

    def accounts_never_go_back(self) -> None:
        """Neither epsilon of all that was paid for, nor the length of the log; and every round counts."""
        spending = self.ledger.spending(BUDGET, today=self.today().date())
        size = self.log.book.size
        assert spending.counted_epsilon >= self.spent
        assert size >= self.log_size
        assert spending.rounds == sum(flight.computed is not None for flight in self.flights)
        assert spending.replies == sum(flight.kept is not None for flight in self.flights)
        assert (spending.counted_epsilon > 0) == (spending.rounds > 0)
        self.spent, self.log_size = spending.counted_epsilon, size

    def is_on_record(self, flight: Flight) -> None:
        """What is attested of a reply that was kept: as many people as are in it, and the log says so."""
        name = AttestedName(programme_id=flight.programme_id, kind=AttestedKind.TRAINING, round=0)
        opened = AttestationBook(self.home).find(name)
        assert len(opened.tree.leaves) == len(flight.used)
        assert self.log.book.missing([f"attestation/{flight.programme_id}/0"]) == []
        with self.vault.read() as connection:
            (last,) = connection.execute("SELECT count(*) FROM consents").fetchone()
        assert opened.basis.position <= last

    def _the_log_replayed_is_the_state(self) -> None:
        kept = self._everything()
        consent_log._FOLDS.clear()
        assert self._everything() == kept

    def _everything(self) -> object:
        states = {
            (person.key, channel): self.desk.state(person.key, COOP, channel)
            for person in self.people
            for channel in (Channel.EVERYWHERE, Channel.WEB, Channel.TILL)
        }
        return states, self.desk.root(), self.desk.cohort(COOP).customers

    def nothing_is_left_of_the_erased(self) -> None:
        """In every byte of every file of the store, looked for in a way of its own."""
        for path in self.folder.rglob("*"):
            if path.is_file():
                data = path.read_bytes()
                assert not [each for each in self.erased if each in data], path.name
        assert not list(self.home.rights.glob("*.key"))


@contextmanager
def killed_at(owner: Any, name: str | None, kill: Any) -> Iterator[None]:
    """End the process where a function of that name would be called."""
    if name is None:
        yield
        return
    with mock.patch.object(owner, name, side_effect=kill):
        yield
