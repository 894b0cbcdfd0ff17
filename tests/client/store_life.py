"""A store's life: a store and its people in a test, and beside them a plain account of who may be used.

The account is kept by what was done to the store and by nothing that the store says. Whatever the store does
goes through the modules it has in a shop: vault, consent desk, rights desk, erasure, till, ledger and log.
What a round computes is put aside, so that it can be seen who was in it; everything before and after is real.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, NoReturn
from unittest import mock

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant

from highstreet.audit.attestation import AttestedKind
from highstreet.audit.consent import Act, Channel, Method, Purpose
from highstreet.client import attestation_book, consent, consent_log, erasure, leaving_out, store_log
from highstreet.client.attestation_book import AttestationBook
from highstreet.client.attested_names import AttestedName
from highstreet.client.consent import ConsentDesk, How
from highstreet.client.erasure import erase_again, erase_customers, finish_erasures
from highstreet.client.errors import ClockSetBackError, RoundRefusedError, VaultRewoundError
from highstreet.client.home import StoreHome
from highstreet.client.identity import load_or_make_identity
from highstreet.client.ledger import Ledger
from highstreet.client.membership import Membership
from highstreet.client.rights_desk import object_to, set_restriction
from highstreet.client.round_answers import RoundAnswer, Step
from highstreet.client.round_terms import AskedRound
from highstreet.client.store_log import StoreLog
from highstreet.client.till import StoreTill
from highstreet.client.vault import Vault
from highstreet.files import make_private_folder, write_private
from highstreet.models.programme import default_plan
from highstreet.privacy.budget import Budget, SpendingLimits
from highstreet.protos.rounds_pb2 import REFUSAL_BUDGET, REFUSAL_RELEASE
from tests.client.made_up_coop import SCHEMA, charter_of

__all__ = [
    "COOP",
    "ERASING",
    "PLAN",
    "PROGRAMME",
    "ROUNDS",
    "SAID",
    "Flight",
    "KilledError",
    "Person",
    "StoreLife",
    "killed_at",
]

COOP = Purpose.COOP_LEARNING
PROGRAMME = "ab" * 16
SAID = How(method=Method.SPOKEN, source="machine")
SECONDS, HOURS = 1_000_000, 3_600_000_000
START = 1_795_348_800 * SECONDS
PLAN = default_plan(SCHEMA, noise_multiplier=6.0, gradient_rounds=0)
TERMS = charter_of(PLAN).privacy
BUDGET = Budget(epsilon=3.0, delta=1e-5, period_days=3650)
MOST_PEOPLE = 4
PEOPLE = st.integers(0, MOST_PEOPLE - 1)
#: Where a process can be killed: in the middle of an erasure, and of a round.
ERASING = ("remove_folders", "erase_rows", "forget_model", "search_folder", "_certify", "finish_erasure")
ROUNDS = ("keep", "settle", "_note_answer")


class KilledError(BaseException):
    """The process ends here."""


@dataclass
class Person:
    """Somebody, what is planted of them, and until when they may be used; never where that is None."""

    name: str
    key: int
    is_restricted: bool = False
    yes_until: int | None = None
    planted: tuple[bytes, ...] = field(default=())


@dataclass
class Flight:
    """A round as the coordinator asked for it, and what left for it."""

    asked: AskedRound
    number: int
    reply: bytes | None = None
    is_refused: bool = False


class StoreLife(RuleBasedStateMachine):
    """A store, in a folder of its own for as long as one example lasts."""

    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="store-life-"))
        self.home = StoreHome(self.folder / "store").ensure()
        self.now, self.serial = START, 0
        self.people: list[Person] = []
        self.erased: list[bytes] = []
        self.flights: list[Flight] = []
        self.in_flight: list[Callable[[], None]] = []
        self.said_no: set[str] = set()
        self.computed: tuple[str, ...] = ()
        self.is_offline = False
        self.spent, self.log_size = 0.0, 0
        self.clock = mock.patch.object(consent, "time", SimpleNamespace(time_ns=lambda: self.now * 1000))
        self.clock.start()
        self._join()
        self._open()
        for _ in range(2):
            self._come()

    def _join(self) -> None:
        load_or_make_identity(self.home)
        membership = Membership(
            member_id="12" * 8,
            coop_id="0" * 32,
            coop_name="Tiny",
            coordinator_public_key="ab" * 32,
            charter_sha256="cd" * 32,
            member_address="127.0.0.1:1",
            superlink_address="127.0.0.1:2",
            joined_at=START // SECONDS,
        )
        make_private_folder(self.home.coop)
        write_private(self.home.coop / "membership.json", json.dumps(asdict(membership)).encode())

    def _open(self) -> None:
        consent_log._FOLDS.clear()
        self.vault = Vault.open(self.home.vault)
        self.desk = ConsentDesk(self.vault)
        self.ledger = Ledger.open(self.home.ledger)
        self.log = StoreLog(self.home, clock=lambda: self.now / SECONDS)
        self.log.settle(self.ledger)
        self._accounts_never_go_back()

    def _close(self) -> None:
        self.vault.close()
        self.ledger.close()

    def teardown(self) -> None:
        try:
            self._restart()
            self._nothing_is_left_of_the_erased()
        finally:
            self._close()
            self.clock.stop()
            consent_log._FOLDS.clear()
            shutil.rmtree(self.folder)

    def _restart(self) -> None:
        """A new process: what was only in memory is gone; the owner finishes erasures that were cut off."""
        self._close()
        try:
            Vault.open(self.home.vault).close()
        except VaultRewoundError:  # killed after the register and before the vault: nobody's data is used
            erase_again(self.home, now=self._today())
        finish_erasures(self.home, now=self._today())
        self._open()
        self._the_log_replayed_is_the_state()

    def _today(self) -> datetime:
        return datetime.fromtimestamp(self.now / SECONDS, UTC)

    def _come(self) -> None:
        self.serial += 1
        mark = f"{self.serial:06}"
        name, email, order = f"Zoe-Planted-{mark}", f"zoe{mark}@planted.example", f"ORDER-PLANTED-{mark}"
        with self.vault.write() as connection:
            key = connection.execute("INSERT INTO customers (customer_id) VALUES (?)", (name,)).lastrowid
            connection.execute("INSERT INTO identifiers VALUES (?, 'email', ?)", (key, email))
            placed = connection.execute(
                "INSERT INTO orders (order_id, customer, ordered_at) VALUES (?, ?, ?)",
                (order, key, START // SECONDS - 86_400),
            ).lastrowid
            product = connection.execute(
                "INSERT INTO products (product_id, title) VALUES (?, ?)", (f"cup-{mark}", f"Cup of {name}")
            ).lastrowid
            connection.execute(
                'INSERT INTO lines ("order", product, quantity) VALUES (?, ?, 1)', (placed, product)
            )
        planted = (name, name.lower(), email, order, f"cup-{mark}", f"Cup of {name}")
        self.people.append(Person(name, int(key or 0), planted=tuple(each.encode() for each in planted)))

    def _who(self, place: int) -> Person:
        return self.people[place % len(self.people)]

    def _says_no(self, person: Person) -> None:
        person.yes_until = None
        self.said_no.add(str(person.key))

    def _erase(self, person: Person, killed: str | None) -> None:
        try:
            with killed_at(erasure, killed):
                erase_customers(self.home, [person.name], source="machine", now=self._today())
        except KilledError:
            self._says_no(person)
            self.people.remove(person)
            self._restart()
        else:
            self._says_no(person)
            self.people.remove(person)
        self.erased += person.planted
        self._nothing_is_left_of_the_erased()

    def _ask(self, flight: Flight, meanwhile: list[tuple[str, int]], killed: str | None) -> None:
        self.in_flight = [
            lambda doing=doing, place=place: self._do(doing, place) for doing, place in meanwhile
        ]
        if killed == "approach":
            self.in_flight.append(kill)
        target: Any = attestation_book.AttestationBook if killed == "keep" else store_log.StoreLog
        at = killed if killed in ROUNDS else None
        try:
            with mock.patch.object(leaving_out, "contribute", self._compute), killed_at(target, at):
                given = self.log.answering(lambda _: self._answer(flight), self.ledger)(b"")
        except KilledError:
            self._restart()
            return
        assert given.is_refused == flight.is_refused
        if not given.is_refused:
            assert given.body == flight.reply
            self._is_on_record(flight)
        self._accounts_never_go_back()

    def _answer(self, flight: Flight) -> RoundAnswer:
        till = StoreTill(
            home=self.home,
            ledger=self.ledger,
            plan=PLAN,
            terms=TERMS,
            limits=SpendingLimits(budget=BUDGET),
            today=lambda: self._today().date(),
            approach=self._approach,
        )
        self.said_no.clear()
        about: dict[str, Any] = {"programme_id": PROGRAMME, "round": flight.number, "step": Step.CONTRIBUTION}
        try:
            reply = till.given(flight.asked.request, flight.asked.sha256)
            if reply is None:
                assert flight.reply is None  # what left once leaves again, whatever came between
                reply = till.take(flight.asked, lambda *_: self._sealed(flight))
                flight.reply = reply
                used = _used(reply)
                self._may_be_used(used)
                assert not self.said_no & used
            flight.reply = flight.reply or reply
        except RoundRefusedError as error:
            is_spent = error.code in {REFUSAL_BUDGET, REFUSAL_RELEASE}  # epsilon, or how many rounds
            if not is_spent or flight.reply is not None:
                raise
            flight.is_refused = True
            return RoundAnswer(body=b"no", refusal=error.code, **about)
        flight.is_refused = False
        return RoundAnswer(body=reply, attestation_sha256=reply[:32].ljust(32), **about)

    def _sealed(self, flight: Flight) -> bytes:
        return json.dumps({"round": flight.number, "used": self.computed}).encode()

    def _approach(self) -> None:
        while self.in_flight:
            self.in_flight.pop(0)()

    def _do(self, doing: str, place: int) -> None:
        person = self._who(place)
        if doing == "ends":
            self.desk.record(person.name, COOP, Act.WITHDRAWN, SAID)
            self._says_no(person)
        elif doing == "objects":
            object_to(self.home, person.name, (COOP,), source="machine", now=self._today())
            self._says_no(person)
        elif doing == "restricted":
            set_restriction(self.home, person.name, is_restricted=True, source="machine", now=self._today())
            person.is_restricted = True
        elif doing == "erased" and len(self.people) > 1:
            self._erase(person, None)
        elif doing == "agrees":
            with suppress(ClockSetBackError):
                self.desk.record(person.name, COOP, Act.GIVEN, SAID)
                person.yes_until = 2**62
        elif doing == "jump":
            self.now -= HOURS

    def _compute(self, plan: object, phase: object, state: object, shop: Any, **_: object) -> Any:
        self._may_be_used(set(shop.customer_ids))
        self.computed = shop.customer_ids
        return np.zeros(PLAN.phases[0].dimension, dtype=np.int64)

    def _is_on_record(self, flight: Flight) -> None:
        used = _used(flight.reply or b"")
        opened = AttestationBook(self.home).find(
            AttestedName(programme_id=PROGRAMME, kind=AttestedKind.TRAINING, round=flight.number)
        )
        assert len(opened.tree.leaves) == len(used)
        assert self.log.book.missing([f"attestation/{PROGRAMME}/{flight.number}"]) == []
        with self.vault.read() as connection:
            (last,) = connection.execute("SELECT count(*) FROM consents").fetchone()
        assert opened.basis.position <= last

    def _may_be_used(self, used: set[str]) -> None:
        tolerated = self.now  # a yes ends by the clock to the microsecond
        allowed = {
            str(person.key)
            for person in self.people
            if not person.is_restricted and person.yes_until is not None and tolerated < person.yes_until
        }
        assert used <= allowed

    @invariant()
    def the_cohort_is_of_people_who_agree(self) -> None:
        self._may_be_used({str(customer) for customer in self.desk.cohort(COOP).customers})

    def _accounts_never_go_back(self) -> None:
        """Neither epsilon of everything paid for, nor the length of the store's log."""
        spent, size = self.ledger.programme_epsilon(PROGRAMME, budget=BUDGET), self.log.book.size
        assert spent >= self.spent
        assert size >= self.log_size
        assert spent > 0 or all(flight.reply is None for flight in self.flights)
        self.spent, self.log_size = spent, size

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

    def _nothing_is_left_of_the_erased(self) -> None:
        """In every byte of every file of the store, looked for in a way of its own."""
        for path in self.folder.rglob("*"):
            if path.is_file():
                data = path.read_bytes()
                assert not [each for each in self.erased if each in data], path.name
        assert not list(self.home.rights.glob("*.key"))


def kill() -> NoReturn:
    raise KilledError


def _used(reply: bytes) -> set[str]:
    return set(json.loads(reply)["used"])


@contextmanager
def killed_at(owner: Any, name: str | None) -> Iterator[None]:
    """End the process where a function of that name would be called."""
    if name is None:
        yield
        return
    with mock.patch.object(owner, name, side_effect=KilledError):
        yield
