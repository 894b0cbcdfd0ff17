"""The budget ledger: what each customer was exposed to, spent durably before anything is computed or sent.

A round goes through two steps. `open_round` decides whether it fits the budget and writes the spend; only
then may the sum be computed. `store_reply` writes the reply; only what it returns may be sent. After a crash
at any point the same request is opened again without spending twice: before the spend nothing had happened,
between the two nothing had been sent and the sum is computed anew with fresh noise, and after the reply the
very same bytes are sent again.

A store on a round's committee also helps to open the sum of one set of contributors, and never of another:
two sums would give their difference away. `agree` writes the set; only then may anything be said of it.

Whether a round is opened depends on the releases opened before and on nothing else, because the coordinator
sees it: a decision that looked at who is in the cohort would be a release without noise.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

from highstreet.client.errors import LedgerError, LedgerRewoundError, RestoredError, RoundRepeatedError
from highstreet.client.ledger_entries import AnsweredRound, OpenedRound, RoundKey, Spending
from highstreet.client.ledger_file import (
    Event,
    agreement_digest,
    exposure_digest,
    last_event,
    open_ledger,
    refuse_stray_exposures,
    reply_digest,
    restoration_digest,
    round_digest,
    settle,
)
from highstreet.client.private_database import PrivateDatabase
from highstreet.privacy.accountant import Accountant, PldAccountant
from highstreet.privacy.budget import Budget, Fit, SpendingLimits, check_release, fit, window_start
from highstreet.privacy.errors import BudgetExhaustedError
from highstreet.privacy.releases import GaussianRelease, customer_release

__all__ = ["AnsweredRound", "Ledger", "OpenedRound", "RoundKey", "Spending"]

_CUSTOMER_BYTES = 16
_REPLY_LIMIT_BYTES = 64 << 20
_EPOCH = date(1970, 1, 1)

_History = tuple[int, ...]


class Ledger:
    """The durable ledger of one store, for all programmes; safe to share between threads.

    Customers are kept as keyed digests, so that an erased customer leaves no id here, and one who comes back
    under the same id finds what was spent.
    """

    def __init__(self, database: PrivateDatabase, accountant: Accountant) -> None:
        self._database = database
        self._connection = connection = database.connection
        self._accountant = accountant
        self._lock = threading.Lock()
        (self._salt,) = connection.execute("SELECT salt FROM identity").fetchone()
        self._seen = last_event(connection)

    @classmethod
    def open(cls, path: Path, *, accountant: Accountant | None = None) -> Ledger:
        """Open a store's ledger, checked as a whole; made if there never was one.

        Raises:
            LedgerError: it is damaged, rewound, missing though spent from, too new, locked or not writable.
        """
        return cls(open_ledger(path), accountant or PldAccountant())

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def open_round(
        self,
        key: RoundKey,
        *,
        release: GaussianRelease,
        cohort: Sequence[str],
        limits: SpendingLimits,
        today: date,
        remaining: Sequence[GaussianRelease] = (),
    ) -> OpenedRound | AnsweredRound:
        """Spend a release for every customer of the cohort, before anything is computed.

        Every customer who could be sampled is charged, sampled or not: that is what the accountant's sampling
        rate already takes into account.

        Guarantee: whether this raises, and what, is the same for any two stores that opened the same
        releases on the same days, whoever their customers are. It is refused when a customer who took part in
        every release of the period would not have enough left. Each customer's history is a part of that
        one, so what fits it fits everybody. An empty cohort is a round like any other.

        Args:
            key: of the round.
            release: what is about to be released, about a customer at this store.
            cohort: ids of the customers who have consented at this moment, each at most once.
            limits: the store's own, and what the charter promises; both hold.
            today: by the store's clock; a clock set back counts as the latest day seen, and frees nothing.
            remaining: the phases that follow in the programme; they must fit as well. Not spent.

        Returns:
            The opened round, durably paid for, or the reply if this request was answered before.

        Raises:
            RoundRepeatedError: this phase was opened for another request.
            RestoredError: spends of the period may be forgotten, see `restored`.
            ReleaseRefusedError: the release is outside the store's limits.
            BudgetExhaustedError: with the releases of its period it would exceed one of the budgets.
            LedgerError: the ledger cannot be trusted or written; nothing was spent.
        """
        with self._lock:
            with self._database.writing():
                event = self._latest()
                opened = self._find(key, cohort, limits, today)
                if opened is None:
                    day = self._day(today)
                    self._refuse_while_out(day, limits.budget)
                    past = self._releases(window_start(day, limits.budget.period_days))
                    check_release(release, limits, rounds_in_period=len(past))
                    self._refuse_beyond(limits, day, (release, *remaining))
                    refuse_stray_exposures(self._connection)
                    customers = tuple(dict.fromkeys(cohort))
                    self._record(key, release, customers, day, event)
                    loss = self._fit(tuple(past), past, (release,), limits.budget).epsilon
                    opened = OpenedRound(key=key, customers=customers, epsilon=loss, is_again=False)
                newest = last_event(self._connection)
            self._seen = newest
            settle(self._database)
            return opened

    def answered(self, key: RoundKey) -> AnsweredRound | None:
        """Return the reply that this very request was given before, None when there is none yet.

        Raises:
            RoundRepeatedError: this phase was opened for another request.
            LedgerError: the ledger cannot be trusted or read.
        """
        with self._lock, self._database.writing():
            self._latest()
            row = self._round(key)
            reply = None if row is None else self._reply(row[0])
        return None if reply is None else AnsweredRound(key=key, reply=reply)

    def store_reply(self, key: RoundKey, reply: bytes) -> bytes:
        """Record the reply of an opened round and return the bytes that may be sent.

        The first reply stored is the only one ever sent: if there is one already, it is returned instead.

        Raises:
            RoundRepeatedError: the phase was opened for another request, or never.
            LedgerError: the reply is over 64 MiB, or the ledger cannot be trusted or written.
        """
        if len(reply) > _REPLY_LIMIT_BYTES:
            raise LedgerError("A reply is over 64 MiB; it was not stored and must not be sent.")
        with self._lock:
            with self._database.writing():
                event = self._latest()
                row = self._round(key)
                if row is None:
                    raise RoundRepeatedError("A reply was made for a round that was never opened.")
                stored = self._reply(row[0])
                if stored is None:
                    stored = reply
                    number = event.sequence + 1
                    digest = reply_digest(event.digest, number, row[0], reply)
                    self._connection.execute(
                        "INSERT INTO replies VALUES (?, ?, ?, ?)", (number, row[0], reply, digest)
                    )
                newest = last_event(self._connection)
            self._seen = newest
            settle(self._database)
            return stored

    def agreed_set(self, key: RoundKey) -> bytes | None:
        """Return the set of contributors this store agreed to, as a member of the round's committee.

        Raises:
            RoundRepeatedError: this phase was asked for by another request.
            LedgerError: the ledger cannot be trusted or read.
        """
        with self._lock, self._database.writing():
            self._latest()
            self._round(key)
            return self._agreed_set(key)

    def agree(self, key: RoundKey, set_sha256: bytes) -> None:
        """Record the set of contributors of a round; the same one again changes nothing.

        Args:
            key: of the round, contributed to or not.
            set_sha256: names the set, 32 bytes.

        Raises:
            RoundRepeatedError: the phase was asked for by another request, or another set was agreed to.
            LedgerError: the ledger cannot be trusted or written; nothing may be said of the set.
        """
        with self._lock:
            with self._database.writing():
                event = self._latest()
                self._round(key)
                agreed = self._agreed_set(key)
                if agreed is None:
                    values = (
                        event.sequence + 1,
                        key.programme_id,
                        key.phase,
                        key.request_sha256,
                        set_sha256,
                    )
                    self._connection.execute(
                        "INSERT INTO agreements VALUES (?, ?, ?, ?, ?, ?)",
                        (*values, agreement_digest(event.digest, values)),
                    )
                elif not hmac.compare_digest(agreed, set_sha256):
                    raise RoundRepeatedError(
                        f"In phase {key.phase} of programme {key.programme_id} another set of contributors "
                        "was agreed to; nothing was sent.",
                        next_step="Ask the coordinator why it asks for two sums.",
                    )
                newest = last_event(self._connection)
            self._seen = newest
            settle(self._database)

    def restored(self, *, today: date) -> None:
        """Record that spends up to this day may be forgotten: no round is opened while they would count."""
        with self._lock:
            with self._database.writing():
                event = self._latest()
                number, day = event.sequence + 1, self._day(today)
                self._connection.execute(
                    "INSERT INTO restorations VALUES (?, ?, ?)",
                    (number, day, restoration_digest(event.digest, number, day)),
                )
                newest = last_event(self._connection)
            self._seen = newest
            settle(self._database)

    def out_until(self, budget: Budget) -> date | None:
        """Return the first day on which rounds are opened again; None when nothing was ever restored."""
        with self._lock, self._database.writing():
            (latest,) = self._connection.execute("SELECT max(day) FROM restorations").fetchone()
        return None if latest is None else _EPOCH + timedelta(days=int(latest) + budget.period_days)

    def spending(self, budget: Budget, *, today: date) -> Spending:
        """Return what was spent in the period that ends today, for the shop's own eyes."""
        with self._lock, self._database.writing():
            start = window_start(self._day(today), budget.period_days)
            releases = self._releases(start)
            histories = self._histories(start)
            every = tuple(releases)
            losses = {
                history: self._fit(history, releases, (), budget).epsilon
                for history in {every, *histories.values()}
            }
            worst = max(set(histories.values()), key=lambda history: losses[history], default=())
            (replies,) = self._connection.execute(
                "SELECT count(*) FROM replies JOIN rounds ON rounds.sequence = replies.round WHERE day >= ?",
                (start,),
            ).fetchone()
            programmes = self._connection.execute(
                "SELECT DISTINCT programme_id FROM rounds WHERE day >= ?", (start,)
            ).fetchall()
        return Spending(
            rounds=len(releases),
            replies=replies,
            customers=len(histories),
            largest_epsilon=losses.get(worst, 0.0),
            releases=tuple(releases[sequence] for sequence in worst),
            programmes=frozenset(programme for (programme,) in programmes),
            counted_epsilon=losses[every],
        )

    def programmes(self, *, period_days: int, today: date) -> dict[str, bool]:
        """Return every programme ever paid for, and whether a spend on it is of the period ending today."""
        with self._lock, self._database.writing():
            start = window_start(self._day(today), period_days)
            rows = self._connection.execute(
                "SELECT programme_id, max(day) FROM rounds GROUP BY programme_id"
            ).fetchall()
        return {programme: latest >= start for programme, latest in rows}

    def _latest(self) -> Event:
        """Return the last event; refuse to go on if what this process wrote is no longer there."""
        event = last_event(self._connection)
        if event.sequence < self._seen.sequence:
            raise LedgerRewoundError("The ledger was put back while it was in use; nothing is sent.")
        return event

    def _find(
        self, key: RoundKey, cohort: Sequence[str], limits: SpendingLimits, today: date
    ) -> OpenedRound | AnsweredRound | None:
        row = self._round(key)
        if row is None:
            return None
        reply = self._reply(row[0])
        if reply is not None:
            return AnsweredRound(key=key, reply=reply)
        charged = {
            customer
            for (customer,) in self._connection.execute(
                "SELECT customer FROM exposures WHERE sequence = ?", (row[0],)
            )
        }
        past = self._releases(window_start(self._day(today), limits.budget.period_days))
        return OpenedRound(
            key=key,
            customers=tuple(name for name in cohort if self._commit_to(name) in charged),
            epsilon=self._fit(tuple(past), past, (), limits.budget).epsilon,
            is_again=True,
        )

    def _refuse_while_out(self, day: int, budget: Budget) -> None:
        (latest,) = self._connection.execute("SELECT max(day) FROM restorations").fetchone()
        if latest is not None and window_start(day, budget.period_days) <= latest:
            ends = _EPOCH + timedelta(days=int(latest) + budget.period_days)
            raise RestoredError(
                f"This shop was restored and stays out of rounds until {ends}; nothing was spent.",
                next_step="Nothing has to be done. Suggestions go on from the shop's own customers.",
            )

    def _refuse_beyond(self, limits: SpendingLimits, day: int, new: tuple[GaussianRelease, ...]) -> None:
        """Refuse what a customer who took part in all of the past could not afford; ask about nobody."""
        for budget in limits.budgets:
            past = self._releases(window_start(day, budget.period_days))
            wanted = self._fit(tuple(past), past, new, budget)
            if not wanted.is_within:
                raise BudgetExhaustedError(
                    epsilon=wanted.epsilon,
                    budget_epsilon=budget.epsilon,
                    delta=budget.delta,
                    period_days=budget.period_days,
                    is_promised=budget is limits.promised,
                )

    def _record(
        self, key: RoundKey, release: GaussianRelease, customers: Sequence[str], day: int, event: Event
    ) -> None:
        members = sorted(self._commit_to(name) for name in customers)
        values = (
            event.sequence + 1,
            key.programme_id,
            key.phase,
            key.request_sha256,
            day,
            float(release.noise_multiplier),
            float(release.sampling_rate),
            exposure_digest(members),
        )
        self._connection.execute(
            "INSERT INTO rounds VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*values, round_digest(event.digest, values)),
        )
        self._connection.executemany(
            "INSERT INTO exposures VALUES (?, ?)", ((event.sequence + 1, member) for member in members)
        )

    def _fit(
        self,
        history: _History,
        releases: dict[int, GaussianRelease],
        new: tuple[GaussianRelease, ...],
        budget: Budget,
    ) -> Fit:
        return fit([releases[sequence] for sequence in history], new, budget, self._accountant)

    def _round(self, key: RoundKey) -> tuple[int] | None:
        """Return the number of a round that was paid for; refuse another request for the same phase."""
        self._refuse_other_request(key, "rounds")
        self._refuse_other_request(key, "agreements")
        row = self._connection.execute(
            "SELECT sequence FROM rounds WHERE programme_id = ? AND phase = ?", (key.programme_id, key.phase)
        ).fetchone()
        return None if row is None else (row[0],)

    def _refuse_other_request(self, key: RoundKey, table: str) -> None:
        row = self._connection.execute(
            f"SELECT request_sha256 FROM {table} WHERE programme_id = ? AND phase = ?",  # noqa: S608 - a literal
            (key.programme_id, key.phase),
        ).fetchone()
        if row is not None and not hmac.compare_digest(row[0], key.request_sha256):
            raise RoundRepeatedError(
                f"Phase {key.phase} of programme {key.programme_id} was asked for before by another request; "
                "nothing was sent.",
                next_step="Ask the coordinator why it asks twice.",
            )

    def _agreed_set(self, key: RoundKey) -> bytes | None:
        row = self._connection.execute(
            "SELECT set_sha256 FROM agreements WHERE programme_id = ? AND phase = ?",
            (key.programme_id, key.phase),
        ).fetchone()
        return None if row is None else bytes(row[0])

    def _reply(self, sequence: int) -> bytes | None:
        row = self._connection.execute("SELECT reply FROM replies WHERE round = ?", (sequence,)).fetchone()
        return None if row is None else bytes(row[0])

    def _day(self, today: date) -> int:
        """Return today in days since 1970, or the day of the latest spend if the clock was set back."""
        (latest,) = self._connection.execute(
            "SELECT max((SELECT coalesce(max(day), 0) FROM rounds),"
            " (SELECT coalesce(max(day), 0) FROM restorations))"
        ).fetchone()
        return max(int(latest), (today - _EPOCH).days)

    def _releases(self, start: int) -> dict[int, GaussianRelease]:
        """Return every release opened since a day, whoever took part, by its number in the ledger."""
        rows = self._connection.execute(
            "SELECT sequence, noise_multiplier, sampling_rate FROM rounds WHERE day >= ? ORDER BY sequence",
            (start,),
        )
        return {number: customer_release(noise_multiplier=z, sampling_rate=q) for number, z, q in rows}

    def _histories(self, start: int) -> dict[bytes, _History]:
        """Return, for each customer exposed since a day, the rounds that did it."""
        rows = self._connection.execute(
            "SELECT customer, sequence FROM exposures JOIN rounds USING (sequence) "
            "WHERE day >= ? ORDER BY sequence",
            (start,),
        )
        found: dict[bytes, list[int]] = defaultdict(list)
        for customer, sequence in rows:
            found[customer].append(sequence)
        return {customer: tuple(sequences) for customer, sequences in found.items()}

    def _commit_to(self, customer: str) -> bytes:
        return hmac.digest(self._salt, customer.encode(), hashlib.sha256)[:_CUSTOMER_BYTES]
