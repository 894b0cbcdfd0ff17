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
from collections.abc import Collection, Sequence
from datetime import date, timedelta
from pathlib import Path

from highstreet.client.errors import LedgerError, LedgerRewoundError, RoundRepeatedError
from highstreet.client.ledger_entries import (
    AnsweredRound,
    LedgerEvent,
    OpenedRound,
    Participation,
    RoundKey,
    Spending,
)
from highstreet.client.ledger_file import (
    Event,
    last_event,
    open_ledger,
    open_put_aside,
    refuse_stray_exposures,
    settle,
)
from highstreet.client.ledger_refusals import refuse_beyond, refuse_while_out
from highstreet.client.ledger_rows import (
    History,
    agreed_set,
    all_rounds,
    events_after,
    exposed_in,
    find_round,
    histories_since,
    insert_agreement,
    insert_reply,
    insert_restoration,
    insert_round,
    latest_day,
    latest_spends,
    releases_since,
    replies_since,
    reply_to,
    restored_on,
    round_digests,
)
from highstreet.client.private_database import PrivateDatabase
from highstreet.privacy.accountant import Accountant, PldAccountant
from highstreet.privacy.budget import Budget, Fit, SpendingLimits, check_release, fit, window_start
from highstreet.privacy.releases import GaussianRelease

__all__ = ["AnsweredRound", "Ledger", "OpenedRound", "Participation", "RoundKey", "Spending"]

_CUSTOMER_BYTES = 16
_REPLY_LIMIT_BYTES = 64 << 20
_EPOCH = date(1970, 1, 1)
_FIRST_DAY = 0


class Ledger:
    """The durable ledger of one store, for all programmes; safe to share between threads.

    Customers are kept as keyed digests of the random names that the vault has for them
    (`client.pseudonyms`). Nothing is ever taken out of the ledger: when a customer is erased the name is
    destroyed there, and what was spent stays counted here without being anybody's. One who comes back has a
    new name; what the budget is held against, the loss of somebody who took part in everything, covers both.
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

    @classmethod
    def open_put_aside(cls, path: Path) -> Ledger:
        """Open a ledger that was put aside when the store was restored, to ask it what was spent.

        Raises:
            LedgerError: there is none, or it is damaged, too new or locked.
        """
        return cls(open_put_aside(path), PldAccountant())

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
                    refuse_while_out(self._connection, day, limits.longest)
                    past = releases_since(self._connection, window_start(day, limits.budget.period_days))
                    check_release(release, limits, rounds_in_period=len(past))
                    new = (release, *remaining)
                    refuse_beyond(self._connection, day, limits, new, self._accountant)
                    refuse_stray_exposures(self._connection)
                    customers = tuple(dict.fromkeys(cohort))
                    insert_round(
                        self._connection,
                        event,
                        key,
                        release=release,
                        customers=[self._commit_to(name) for name in customers],
                        day=day,
                    )
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
            paid = find_round(self._connection, key)
            reply = None if paid is None else reply_to(self._connection, paid)
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
                paid = find_round(self._connection, key)
                if paid is None:
                    raise RoundRepeatedError("A reply was made for a round that was never opened.")
                stored = reply_to(self._connection, paid)
                if stored is None:
                    stored = reply
                    insert_reply(self._connection, event, paid, reply)
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
            find_round(self._connection, key)
            return agreed_set(self._connection, key)

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
                find_round(self._connection, key)
                agreed = agreed_set(self._connection, key)
                if agreed is None:
                    insert_agreement(self._connection, event, key, set_sha256)
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
                insert_restoration(self._connection, self._latest(), self._day(today))
                newest = last_event(self._connection)
            self._seen = newest
            settle(self._database)

    def restored_on(self) -> int | None:
        """Return the day up to which spends may be forgotten, since 1970-01-01; None: never restored."""
        with self._lock, self._database.writing():
            return restored_on(self._connection)

    def out_until(self, budget: Budget) -> date | None:
        """Return the first day on which rounds are opened again; None when nothing was ever restored.

        Args:
            budget: the one that a spend counts against for longest.
        """
        latest = self.restored_on()
        return None if latest is None else _EPOCH + timedelta(days=latest + budget.period_days)

    def spending(self, budget: Budget, *, today: date) -> Spending:
        """Return what was spent in the period that ends today, for the shop's own eyes."""
        with self._lock, self._database.writing():
            start = window_start(self._day(today), budget.period_days)
            releases = releases_since(self._connection, start)
            histories = histories_since(self._connection, start)
            counted_epsilon = self._fit(tuple(releases), releases, (), budget).epsilon
            replies = replies_since(self._connection, start)
            spends = latest_spends(self._connection)
        return Spending(
            rounds=len(releases),
            replies=replies,
            customers=len(histories),
            releases=tuple(releases.values()),
            programmes=frozenset(name for name, latest in spends.items() if latest >= start),
            counted_epsilon=counted_epsilon,
        )

    def participation(self, customers: Sequence[Collection[str]]) -> Participation:
        """Return which rounds each of some customers was charged for.

        Args:
            customers: of each, all names that the ledger may know them by.

        Raises:
            LedgerError: the ledger cannot be trusted or read.
        """
        with self._lock, self._database.writing():
            rounds, digests = all_rounds(self._connection), round_digests(self._connection)
            histories = histories_since(self._connection, _FIRST_DAY)
            restored, latest = restored_on(self._connection), latest_day(self._connection)
        return Participation(
            rounds={digests[number]: each for number, each in rounds.items()},
            of_customers=tuple(
                frozenset(
                    digests[number] for name in names for number in histories.get(self._commit_to(name), ())
                )
                for names in customers
            ),
            latest_day=latest,
            is_restored=restored is not None,
        )

    def programme_epsilon(self, programme_id: str, *, budget: Budget) -> float:
        """Return the loss of somebody who took part in everything of a programme that was paid for here.

        From the releases alone: the same whoever the customers are.

        Raises:
            LedgerError: the ledger cannot be trusted or read.
        """
        with self._lock, self._database.writing():
            self._latest()
            rounds = all_rounds(self._connection)
            releases = releases_since(self._connection, _FIRST_DAY)
        history = tuple(number for number, each in rounds.items() if each.programme_id == programme_id)
        return self._fit(history, releases, (), budget).epsilon

    def programmes(self, *, period_days: int, today: date) -> dict[str, bool]:
        """Return every programme ever paid for, and whether a spend on it is of the period ending today."""
        with self._lock, self._database.writing():
            start = window_start(self._day(today), period_days)
            spends = latest_spends(self._connection)
        return {programme: latest >= start for programme, latest in spends.items()}

    def events_after(self, sequence: int, *, limit: int = 1000) -> list[LedgerEvent]:
        """Return what was written after an event, in order: spends, replies, agreements, restorations."""
        with self._lock, self._database.writing():
            self._latest()
            return events_after(self._connection, sequence, limit=limit)

    def _latest(self) -> Event:
        """Return the last event; refuse to go on if what this process wrote is no longer there."""
        event = last_event(self._connection)
        if event.sequence < self._seen.sequence:
            raise LedgerRewoundError("The ledger was put back while it was in use; nothing is sent.")
        return event

    def _find(
        self, key: RoundKey, cohort: Sequence[str], limits: SpendingLimits, today: date
    ) -> OpenedRound | AnsweredRound | None:
        paid = find_round(self._connection, key)
        if paid is None:
            return None
        reply = reply_to(self._connection, paid)
        if reply is not None:
            return AnsweredRound(key=key, reply=reply)
        charged = exposed_in(self._connection, paid)
        past = releases_since(self._connection, window_start(self._day(today), limits.budget.period_days))
        return OpenedRound(
            key=key,
            customers=tuple(name for name in cohort if self._commit_to(name) in charged),
            epsilon=self._fit(tuple(past), past, (), limits.budget).epsilon,
            is_again=True,
        )

    def _fit(
        self,
        history: History,
        releases: dict[int, GaussianRelease],
        new: tuple[GaussianRelease, ...],
        budget: Budget,
    ) -> Fit:
        return fit([releases[sequence] for sequence in history], new, budget, self._accountant)

    def _day(self, today: date) -> int:
        """Return today in days since 1970, or the day of the latest spend if the clock was set back."""
        return max(latest_day(self._connection), (today - _EPOCH).days)

    def _commit_to(self, customer: str) -> bytes:
        return hmac.digest(self._salt, customer.encode(), hashlib.sha256)[:_CUSTOMER_BYTES]
