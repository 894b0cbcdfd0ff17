"""Whatever happens, in whatever order: no row is used after a withdrawal; the log replayed is the state."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from highstreet.audit.consent import Act, Channel, Method, Purpose
from highstreet.audit.errors import ConsentLogRewoundError
from highstreet.client import consent_log
from highstreet.client.consent import ConsentDesk, How
from highstreet.client.consent_in_use import ConsentInUse
from highstreet.client.consented_cohort import Exclusion
from highstreet.client.errors import ClockSetBackError
from highstreet.client.home import StoreHome
from highstreet.client.ledger import AnsweredRound, Ledger, RoundKey
from highstreet.client.shop_loader import load_consented
from highstreet.client.vault import Vault
from highstreet.models.schema import FeatureSchema
from highstreet.privacy.budget import Budget, SpendingLimits
from highstreet.privacy.releases import customer_release

COOP = Purpose.COOP_LEARNING
NAMES = ("ann", "ben", "cat", "dan")
SAID = How(method=Method.SPOKEN, source="machine")
SECONDS, HOURS = 1_000_000, 3_600_000_000
TODAY = date(2026, 11, 22)
LIMITS = SpendingLimits(budget=Budget(epsilon=20.0, delta=1e-5, period_days=365))
RELEASE = customer_release(noise_multiplier=50.0)


class Pending:
    """A contribution that was computed and not handed over."""

    def __init__(self, key: RoundKey, consent: ConsentInUse) -> None:
        self.key, self.consent = key, consent


class Store(RuleBasedStateMachine):
    """A store, and beside it a plain account of who may be used: by what was done to it, nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.home = StoreHome(self.folder / "store")
        self.now = 1_795_348_800 * SECONDS
        self.agrees: set[str] = set()
        self.excluded: set[str] = set()
        self.rounds, self.epsilon = 0, 0.0
        self.pending: Pending | None = None
        self.copy: bytes | None = None
        self.is_refused = False
        self._open()
        with self.vault.write() as connection:
            connection.executemany("INSERT INTO customers (customer_id) VALUES (?)", [(n,) for n in NAMES])
        self.keys = {name: self.vault.customer_key(name) for name in NAMES}
        self.ledger = Ledger.open(self.home.ledger)

    def _open(self) -> None:
        self.vault = Vault.open(self.home.vault)
        self.desk = ConsentDesk(self.vault, clock=lambda: self.now)

    def teardown(self) -> None:
        self.vault.close()
        self.ledger.close()
        consent_log._FOLDS.clear()
        shutil.rmtree(self.folder)

    def _trying(self, attempt: Callable[[], object]) -> bool:
        """Do something; a log that is refused refuses it."""
        try:
            attempt()
        except ConsentLogRewoundError:
            assert self.is_refused
            return False
        assert not self.is_refused
        return True

    @rule(name=st.sampled_from(NAMES), channel=st.sampled_from([Channel.EVERYWHERE, Channel.WEB]))
    def gives(self, name: str, channel: Channel) -> None:
        try:
            if self._trying(lambda: self.desk.record(name, COOP, Act.GIVEN, SAID, channel=channel)):
                # For learning it counts only where no channel says otherwise; here: may be used, at most.
                self.agrees.add(name)
        except ClockSetBackError:
            assert not self.is_refused

    @rule(
        name=st.sampled_from(NAMES),
        act=st.sampled_from([Act.WITHDRAWN, Act.REFUSED, Act.OBJECTED, Act.EXPIRED, Act.RECONSENT_NEEDED]),
    )
    def ends(self, name: str, act: Act) -> None:
        if self._trying(lambda: self.desk.record(name, COOP, act, SAID)):
            self.agrees.discard(name)

    @rule(name=st.sampled_from(NAMES))
    def withdraws_on_a_channel(self, name: str) -> None:
        said = self._trying(lambda: self.desk.record(name, COOP, Act.WITHDRAWN, SAID, channel=Channel.WEB))
        if said:
            self.agrees.discard(name)

    @rule(name=st.sampled_from(NAMES))
    def is_erased(self, name: str) -> None:
        if self._trying(lambda: self.desk.erase(name)):
            self.agrees.discard(name)

    @rule(name=st.sampled_from(NAMES))
    def is_set_apart(self, name: str) -> None:
        if self._trying(lambda: self.desk.exclude(name, Exclusion.MINOR)):
            self.excluded.add(name)

    @rule(name=st.sampled_from(NAMES))
    def is_taken_back_in(self, name: str) -> None:
        if self._trying(lambda: self.desk.include(name, Exclusion.MINOR)):
            self.excluded.discard(name)

    @rule()
    def everybody_is_asked_again(self) -> None:
        if self._trying(lambda: self.desk.ask_everybody_again(COOP, source="machine")):
            self.agrees.clear()

    @rule(hours=st.integers(-50, 50))
    def the_clock_jumps(self, hours: int) -> None:
        self.now += hours * HOURS

    @rule()
    def time_passes(self) -> None:
        self.now += SECONDS

    @rule()
    def restarts(self) -> None:
        """As a crash: what was computed and not handed over is gone."""
        self.vault.close()
        self.ledger.close()
        consent_log._FOLDS.clear()
        self.pending = None
        self._open()
        self.ledger = Ledger.open(self.home.ledger)

    @rule(name=st.sampled_from(NAMES))
    def crashes_before_the_head_is_kept(self, name: str) -> None:
        settle = consent_log.ConsentLog.settle
        consent_log.ConsentLog.settle = lambda self: None  # type: ignore[method-assign]  # killed there
        try:
            if self._trying(lambda: self.desk.record(name, COOP, Act.WITHDRAWN, SAID)):
                self.agrees.discard(name)
        finally:
            consent_log.ConsentLog.settle = settle  # type: ignore[method-assign]
        self.restarts()

    @precondition(lambda self: not self.is_refused)
    @rule()
    def a_copy_is_made(self) -> None:
        self.copy = self.home.vault.read_bytes()

    @precondition(lambda self: self.copy is not None)
    @rule()
    def the_copy_is_put_back(self) -> None:
        assert self.copy is not None
        self.vault.close()
        for ending in ("-wal", "-shm"):
            self.home.vault.with_name(self.home.vault.name + ending).unlink(missing_ok=True)
        self.home.vault.write_bytes(self.copy)
        consent_log._FOLDS.clear()
        self.pending = None
        self._open()
        # An independent look at whether it is what the shop has known.
        head = self.home.root / "consent.head"
        with self.vault.read() as connection:
            (length,) = connection.execute("SELECT count(*) FROM consents").fetchone()
            leaves = [leaf for (leaf,) in connection.execute("SELECT leaf FROM consents ORDER BY position")]
            excluded = {row[0] for row in connection.execute("SELECT customer FROM exclusions")}
            (changes,) = connection.execute("SELECT changes FROM consent_anchor").fetchone()
        known = json.loads(head.read_text()) if head.exists() else None
        if known is not None:
            is_another = _root(leaves[: known["position"]]) != known["root"]
            self.is_refused = length < known["position"] or changes < known["changes"] or is_another
        self.excluded = {name for name, key in self.keys.items() if key in excluded}

    @precondition(lambda self: self.is_refused)
    @rule()
    def the_owner_accepts(self) -> None:
        self.desk.accept_restored()
        self.is_refused = False
        self.agrees.clear()

    @precondition(lambda self: self.pending is None)
    @rule()
    def a_round_is_computed(self) -> None:
        key = RoundKey(programme_id=f"p{self.rounds}", phase=0, request_sha256=b"r" * 32)
        self._trying(lambda: self._compute(key))

    def _compute(self, key: RoundKey) -> None:
        cohort = self.desk.cohort(COOP)
        opened = self.ledger.open_round(
            key, release=RELEASE, cohort=[str(c) for c in cohort.customers], limits=LIMITS, today=TODAY
        )
        assert not isinstance(opened, AnsweredRound)
        loaded = load_consented(self.vault, cohort, FeatureSchema(), TODAY, purpose=COOP)
        used = tuple(customer for customer in loaded.data.customer_ids if customer in opened.customers)
        self._may_be_used(used)
        self.pending = Pending(
            key, ConsentInUse.of(self.vault, cohort, used, sensitive=loaded.sensitive, weights=None)
        )

    @precondition(lambda self: self.pending is not None)
    @rule()
    def a_round_is_handed_over(self) -> None:
        pending = self.pending
        assert pending is not None

        def look() -> None:
            if pending.consent.ended(self.vault):
                self._compute(pending.key)
                return
            used = tuple(str(customer) for customer in sorted(pending.consent.customers))
            self._may_be_used(used)
            self.ledger.store_reply(pending.key, json.dumps(used).encode())
            self.rounds, self.pending = self.rounds + 1, None

        self._trying(look)

    def _may_be_used(self, used: tuple[str, ...]) -> None:
        names = {name for name, key in self.keys.items() if str(key) in used}
        assert names <= self.agrees - self.excluded

    @invariant()
    def the_cohort_is_of_people_who_agree(self) -> None:
        if not self.is_refused:
            self._may_be_used(tuple(str(customer) for customer in self.desk.cohort(COOP).customers))

    @invariant()
    def the_log_replayed_is_the_state(self) -> None:
        if self.is_refused:
            return
        kept = self._everything()
        consent_log._FOLDS.clear()
        assert self._everything() == kept

    def _everything(self) -> object:
        states = {
            (name, channel): self.desk.state(key, COOP, channel)
            for name, key in self.keys.items()
            for channel in (Channel.EVERYWHERE, Channel.WEB, Channel.TILL)
        }
        return states, self.desk.root(), self.desk.cohort(COOP).customers

    @invariant()
    def epsilon_never_decreases(self) -> None:
        spent = self.ledger.spending(LIMITS.budget, today=TODAY).rounds
        assert spent >= self.epsilon
        self.epsilon = spent


def _root(leaves: list[bytes]) -> str:
    """RFC 9162, section 2.1.1, as it is written there."""
    import hashlib

    if not leaves:
        return hashlib.sha256().hexdigest()
    if len(leaves) == 1:
        return leaves[0].hex()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, right = bytes.fromhex(_root(leaves[:split])), bytes.fromhex(_root(leaves[split:]))
    return hashlib.sha256(b"\x01" + left + right).hexdigest()


def _run(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Store,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_no_row_is_used_after_a_withdrawal_whatever_happens() -> None:
    _run(examples=8, steps=25)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_row_is_used_after_a_withdrawal_over_a_hundred_thousand_steps() -> None:
    _run(examples=2_000, steps=50)
