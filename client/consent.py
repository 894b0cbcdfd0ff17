"""The consent desk: records what customers say, and vouches for those whose data may be used now.

Every use of customers' data begins here: `cohort` for single customers, `totals` for sums over everybody
(`consented_cohort`). Where anybody stands is derived from the log each time (`audit.consent_states`), never
kept. A grant dated later than this computer's clock is not relied on until the clock is there; a withdrawal
always is. That is judged for each customer alone: whether the shop can answer a round tells nothing of one
person.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from highstreet.audit.consent import (
    EVERYBODY,
    Act,
    Channel,
    ConsentEvent,
    ConsentState,
    Method,
    Purpose,
)
from highstreet.audit.consent_states import CLOCK_TOLERANCE_MICROSECONDS, ConsentTime
from highstreet.client.config import ConsentConfig, read_config
from highstreet.client.consent_anchor import ConsentHead
from highstreet.client.consent_counts import ConsentCount, count_states
from highstreet.client.consent_dating import date_answer
from highstreet.client.consent_ends import end_for_everybody, ran_out, who_is_old
from highstreet.client.consent_intake import event_number, fresh_events
from highstreet.client.consent_log import ConsentLog, LoggedEvent
from highstreet.client.consented_cohort import (
    ConsentedCohort,
    DeskClocks,
    Exclusion,
    ShopTotals,
    mint_cohort,
    mint_totals,
)
from highstreet.client.home import StoreHome
from highstreet.client.notices import known_notice
from highstreet.client.vault import Vault

__all__ = ["ConsentDesk", "How"]

_DAY_MICROSECONDS = 86_400_000_000
_FORGOTTEN = "UPDATE consent_anchor SET forgotten_before = max(ifnull(forgotten_before, ?1), ?1)"


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How the shop came to know what a customer said.

    Attributes:
        method: spoken, by a form, ...
        source: where: a place or a kind of file, never a person.
        notice: version and language of the text the customer was shown, which the shop has written down.
        valid_until: of a yes, the moment from which it counts no longer, microseconds since 1970-01-01 UTC.
        evidence_sha256: of what shows it.
    """

    method: Method
    source: str
    notice: tuple[str, str] | None = None
    valid_until: int | None = None
    evidence_sha256: bytes | None = None


def _now_microseconds() -> int:
    return time.time_ns() // 1000


class ConsentDesk:
    """Where answers are recorded, and where leave to use customers' data is asked for.

    Args:
        vault: the shop's data; the shop's settings and the log's anchor are the files beside it.
        clock: microseconds since 1970-01-01 UTC.
        monotonic: seconds of a clock that is never set; capabilities end by it.
    """

    def __init__(
        self,
        vault: Vault,
        *,
        clock: Callable[[], int] = _now_microseconds,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._vault = vault
        self._log = ConsentLog(vault)
        self._clock = clock
        self._clocks = DeskClocks(moment=self._moment, monotonic=monotonic)

    def record(
        self,
        customer_id: str,
        purpose: Purpose,
        act: Act,
        how: How,
        *,
        channel: Channel = Channel.EVERYWHERE,
    ) -> ConsentEvent:
        """Write down durably what a customer said just now, and return the event.

        A no always takes effect, even when the clock was set back: it is dated no earlier than what it ends.
        A yes needs a clock that can be trusted.

        Raises:
            UnknownCustomerError: no such customer.
            UnknownNoticeError: the notice was never written down here.
            ClockSetBackError: a yes while the clock is before an answer this customer gave earlier.
            AnswerRefusedError: no receipt could show it.
            InconsistentConsentLogError: the log cannot be relied on; nothing was written.
        """
        customer = self._vault.customer_key(customer_id)
        with self._vault.write() as connection:
            with self._log.folded(connection) as log:
                at = date_answer(log.states, customer, purpose, act, now=self._clock())
            event = ConsentEvent(
                event_id=event_number(),
                customer=customer,
                purpose=purpose,
                channel=channel,
                act=act,
                at=at,
                valid_until=how.valid_until,
                method=how.method,
                source=how.source,
                notice=None if how.notice is None else known_notice(connection, *how.notice),
                evidence_sha256=how.evidence_sha256,
            )
            self._log.add(connection, [event])
        self._log.settle()
        return event

    def take(self, events: Iterable[ConsentEvent]) -> int:
        """Add events that came with their own dates (signals); return how many were new.

        Raises:
            InconsistentConsentLogError: the log cannot be relied on; nothing was written.
        """
        with self._vault.write() as connection:
            added = self._log.add(connection, fresh_events(connection, events, now=self._clock()))
        self._log.settle()
        return added

    def ask_everybody_again(self, purpose: Purpose, *, source: str) -> None:
        """End everybody's yes to a purpose that was said so far: the notice changed in what matters.

        Raises:
            InconsistentConsentLogError: the log cannot be relied on; nothing was written.
        """
        with self._vault.write() as connection:
            self._log.add(connection, [end_for_everybody(purpose, at=self._clock(), source=source)])
        self._log.settle()

    def note_expired(self) -> int:
        """Write down every yes that ran out, so that no clock set back revives it; return how many.

        Raises:
            InconsistentConsentLogError: the log cannot be relied on; nothing was written.
        """
        with self._log.reading() as (_, log):
            due = list(ran_out(log.states, self._moment()))
        if not due:
            return 0
        with self._vault.write() as connection:
            with self._log.folded(connection) as log:
                due = list(ran_out(log.states, self._moment()))  # again: another process may have been faster
            self._log.add(connection, due)
        self._log.settle()
        return len(due)

    def forget_old(self) -> int:
        """Empty answers of customers who, for as long as the shop keeps them, had no yes that counts.

        An objection that stands is never emptied while its customer is here: it is what keeps them out of
        totals, which need no yes, so that forgetting it would undo it.

        By this computer's clock, which must be right. No old file brings a yes of theirs back: one of before
        the moment up to which answers were forgotten is not taken any more (`consent_intake.fresh_events`).

        Returns:
            How many customers; 0 where the shop keeps all.

        Raises:
            InconsistentConsentLogError: the log cannot be relied on; nothing was emptied.
        """
        keep_days = self._config.keep_days
        if not keep_days:
            return 0
        moment = self._moment()
        oldest = moment.now - keep_days * _DAY_MICROSECONDS
        with self._log.reading() as (_, log):
            due = who_is_old(log.states, log.states.everybody(), oldest, moment)
        if not due:
            return 0
        with self._vault.write() as connection:
            with self._log.folded(connection) as log:
                due = who_is_old(log.states, due, oldest, moment)  # again: they may have said something
            self._log.empty(connection, due)
            connection.execute(_FORGOTTEN, (oldest,))
        self.root()  # read anew before the write lock is held again: nobody else waits for that
        self._log.settle()
        return len(due)

    def accept_restored(self) -> ConsentHead:
        """Rely on the log as it is from now on, and count everybody's yes for nothing until asked again.

        For the owner alone, when an older copy was put back. What was lost cannot be known, so it could be
        anybody's withdrawal of anything: every yes that was said until now ends, for every purpose. What
        stands as a no stays one.

        Returns:
            The log's head from now on.

        Raises:
            InconsistentConsentLogError: an entry does not fit its leaf; such a log can never be accepted.
        """
        with self._vault.write() as connection:
            ends = [end_for_everybody(each, at=self._clock(), source="copy put back") for each in Purpose]
            self._log.add_unknown(connection, ends)
        self._log.settle_unknown()
        return self.root()

    def erase(self, customer_id: str) -> int:
        """Empty every entry about a customer but for its leaf, durably; return how many.

        Raises:
            UnknownCustomerError: no such customer.
            InconsistentConsentLogError: the log cannot be relied on; nothing was emptied.
        """
        customer = self._vault.customer_key(customer_id)
        with self._vault.write() as connection:
            with self._log.folded(connection):
                pass  # in one that cannot be relied on, nobody is emptied by this
            emptied = self._log.empty(connection, [customer])
        self._log.settle()
        return emptied

    def exclude(self, customer_id: str, reason: Exclusion) -> None:
        """Keep a customer out of every cohort from now on, durably, whatever they agreed to.

        Raises:
            UnknownCustomerError: no such customer.
            InconsistentConsentLogError: the log cannot be relied on; nobody's data is used anyway.
        """
        customer = self._vault.customer_key(customer_id)
        with self._vault.write() as connection, self._log.folded(connection):
            connection.execute(
                "INSERT OR IGNORE INTO exclusions (customer, reason) VALUES (?, ?)", (customer, reason.value)
            )
        self._log.settle()

    def include(self, customer_id: str, reason: Exclusion) -> None:
        """Take an exclusion back.

        Raises:
            UnknownCustomerError: no such customer.
            InconsistentConsentLogError: the log cannot be relied on; nothing was changed.
        """
        customer = self._vault.customer_key(customer_id)
        with self._vault.write() as connection, self._log.folded(connection):
            connection.execute(
                "DELETE FROM exclusions WHERE customer = ? AND reason = ?", (customer, reason.value)
            )
        self._log.settle()

    def exclusions(self, customer: int) -> frozenset[Exclusion]:
        """Return why a customer (row key) is in no cohort; empty for most."""
        with self._vault.read() as connection:
            rows = connection.execute("SELECT reason FROM exclusions WHERE customer = ?", (customer,))
            return frozenset(Exclusion(reason) for (reason,) in rows)

    def state(self, customer: int, purpose: Purpose, channel: Channel = Channel.EVERYWHERE) -> ConsentState:
        """Say where one customer (row key) stands on one purpose."""
        with self._log.reading() as (_, log):
            return log.states.state(customer, purpose, channel, self._moment())

    def history(self, customer: int) -> tuple[LoggedEvent, ...]:
        """Return everything the log holds of one customer (row key), with the salts, in its order."""
        with self._log.reading() as (connection, _):
            return self._log.entries(connection, customer)

    def counts(self) -> dict[Purpose, ConsentCount]:
        """Count customers by where they stand, for every purpose. For the shop's own eyes."""
        with self._log.reading() as (connection, log):
            (total,) = connection.execute("SELECT count(*) FROM customers").fetchone()
            moment, states = self._moment(), log.states
            return {
                purpose: count_states(
                    (
                        states.state(each, purpose, Channel.EVERYWHERE, moment)
                        for each in states.customers(purpose)
                    ),
                    total=int(total),
                )
                for purpose in Purpose
            }

    def position(self) -> int:
        """Return the number of the consent log's last entry.

        Raises:
            InconsistentConsentLogError: the log cannot be relied on.
        """
        return self.root().position

    def root(self) -> ConsentHead:
        """Return the number of the last entry and the root of the tree over all (RFC 9162).

        Raises:
            InconsistentConsentLogError: the log cannot be relied on.
        """
        with self._log.reading() as (_, log):
            return log.head

    def withdrawn(self, *purposes: Purpose, since: int) -> frozenset[int]:
        """Return the customers (row keys) whose yes to one of these purposes does not stand.

        Whoever has said no behind an entry of the log is among them, agreed again or not.

        Args:
            purposes: of the charter.
            since: that entry.

        Raises:
            InconsistentConsentLogError: the log cannot be relied on.
        """
        moment = self._moment()
        with self._log.reading() as (connection, log):
            known = {purpose: frozenset(log.states.customers(purpose)) for purpose in purposes}
            gone = {
                customer
                for purpose, customers in known.items()
                for customer in customers - log.states.granted(purpose, Channel.EVERYWHERE, moment)
            }
            for purpose, customers in known.items():
                gone |= self._ended_after(connection, since, purpose, everybody=customers)
        return frozenset(gone)

    def said_no(self, purpose: Purpose, *, since: int) -> frozenset[int]:
        """Return the customers (row keys) of whom an entry behind this one of the log ends a yes.

        Raises:
            InconsistentConsentLogError: the log cannot be relied on.
        """
        with self._log.reading() as (connection, log):
            everybody = frozenset(log.states.customers(purpose))
            return frozenset(self._ended_after(connection, since, purpose, everybody=everybody))

    def _ended_after(
        self, connection: sqlite3.Connection, since: int, purpose: Purpose, *, everybody: frozenset[int]
    ) -> set[int]:
        ended: set[int] = set()
        for entry in self._log.entries_after(connection, since):
            event = entry.event
            if event is None or event.purpose is not purpose:
                continue
            if event.customer == EVERYBODY:
                ended |= everybody
            elif event.act.is_no or event.act.is_lapse:
                ended.add(event.customer)
        return ended

    def cohort(
        self, purpose: Purpose, *further: Purpose, channel: Channel = Channel.EVERYWHERE
    ) -> ConsentedCohort:
        """Make the cohort of all customers whose grants for every named purpose stand at this moment.

        Raises:
            UnknownPurposeError: not a purpose.
            InconsistentConsentLogError: the log cannot be relied on.
        """
        purposes = frozenset(Purpose.parse(str(each)) for each in (purpose, *further))
        return mint_cohort(self._vault, self._clocks, purposes, Channel.parse(str(channel)))

    def totals(self) -> ShopTotals:
        """Give leave to add up over everybody but who objected or is excluded, inside the shop.

        Raises:
            InconsistentConsentLogError: the log cannot be relied on.
        """
        return mint_totals(self._vault, self._clocks)

    @cached_property
    def _config(self) -> ConsentConfig:
        return read_config(StoreHome(self._vault.path.parent)).consent

    def _moment(self) -> ConsentTime:
        return ConsentTime(
            now=self._clock(),
            tolerance=CLOCK_TOLERANCE_MICROSECONDS,
            longest_validity=self._config.valid_days * _DAY_MICROSECONDS or None,
        )
