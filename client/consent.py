"""The consent desk: records customers' answers, and vouches for the customers whose data may be used now.

`ConsentedCohort` is the only key to customers' data: `shop_loader.load_shop` and the loader of identifiers,
`matching_inputs`, take nothing else, and only the desk makes one. It is a handle without contents; what it
stands for is kept in this module, so an object made in any other way opens nothing. It ends with the process
and after a few minutes, and a withdrawal beats it at any time: who has withdrawn since it was made is left
out when it is used.

A grant dated later than this computer's clock is not relied on until the clock is there; a withdrawal always
is. That is judged for each customer alone: whether the shop can answer a round tells nothing of one person.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, final
from weakref import WeakKeyDictionary

from highstreet.audit.consent import (
    Answer,
    ConsentCount,
    ConsentEvent,
    ConsentState,
    Purpose,
    consent_states,
    read_log,
)
from highstreet.client.errors import ClockSetBackError, CohortExpiredError, ForgedCohortError
from highstreet.client.vault import Vault

__all__ = ["COHORT_LIFETIME_SECONDS", "ConsentDesk", "ConsentedCohort", "still_granted"]

#: How long a cohort may be used after it was made.
COHORT_LIFETIME_SECONDS = 600.0
#: Clocks that are corrected over the network step back by less than this.
_CLOCK_TOLERANCE_MICROSECONDS = 10_000_000
_GRANTED = ConsentState.GRANTED
_READ_LOG = "SELECT position, customer, purpose, answer, recorded_at FROM consents ORDER BY position"


def _now_microseconds() -> int:
    return time.time_ns() // 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Minted:
    purposes: frozenset[Purpose]
    position: int
    customers: tuple[int, ...]
    expires_at: float
    vault_id: str
    desk: ConsentDesk


@final
class ConsentedCohort:
    """Proof, here, that its customers agree to all of its purposes; only `ConsentDesk.cohort` makes one."""

    __slots__ = ("__weakref__",)

    def __init__(self) -> None:
        raise _forged()

    def __init_subclass__(cls) -> None:
        """Refuse subclasses."""
        raise _forged()

    def __reduce__(self) -> NoReturn:
        """Refuse copies and pickles."""
        raise _forged()

    def __repr__(self) -> str:
        return "<ConsentedCohort>"

    @property
    def purposes(self) -> frozenset[Purpose]:
        """What each of the customers agreed to, all of it."""
        return _details(self).purposes

    @property
    def position(self) -> int:
        """The last entry of the consent log that was known when it was made."""
        return _details(self).position

    @property
    def customers(self) -> tuple[int, ...]:
        """Row keys, ascending: opaque numbers, the same ones the budget ledger counts by."""
        return _details(self).customers

    @property
    def is_expired(self) -> bool:
        """Whether it is too old to be used."""
        details = _details(self)
        return details.desk.monotonic() >= details.expires_at

    def __len__(self) -> int:
        return len(_details(self).customers)


_MINTED: WeakKeyDictionary[ConsentedCohort, _Minted] = WeakKeyDictionary()


class ConsentDesk:
    """Where answers are recorded, and where a cohort is asked for.

    Args:
        vault: the shop's data.
        clock: microseconds since 1970-01-01 UTC.
        monotonic: seconds of a clock that is never set; cohorts end by it.
    """

    def __init__(
        self,
        vault: Vault,
        *,
        clock: Callable[[], int] = _now_microseconds,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._vault = vault
        self.clock = clock
        self.monotonic = monotonic

    def record(self, customer_id: str, purpose: Purpose, answer: Answer, *, source: str) -> None:
        """Write one answer durably.

        A withdrawal always takes effect, even when the clock was set back: it is dated no earlier than what
        it withdraws. A grant needs a clock that can be trusted.

        Raises:
            UnknownCustomerError: no such customer.
            ClockSetBackError: a grant while the clock is before an answer this customer gave earlier.
        """
        customer = self._vault.customer_key(customer_id)
        with self._vault.write() as connection:
            events = read_log(connection.execute(_READ_LOG))
            recorded_at = self.clock()
            earlier = [e.recorded_at for e in events if e.customer == customer and e.purpose is purpose]
            if answer is Answer.GRANT:
                _check_clock(earlier, recorded_at)
                recorded_at = max([recorded_at, *(moment + 1 for moment in earlier)])
            else:
                recorded_at = max([recorded_at, *earlier])
            connection.execute(
                "INSERT INTO consents (position, customer, purpose, answer, recorded_at, source)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (len(events) + 1, customer, purpose.value, answer.value, recorded_at, source),
            )

    def state(self, customer: int, purpose: Purpose) -> ConsentState:
        """Say where one customer (row key) stands on one purpose."""
        with self._vault.read() as connection:
            events = read_log(connection.execute(_READ_LOG))
        return self._states(events, purpose).get(customer, ConsentState.NOT_ASKED)

    def counts(self) -> dict[Purpose, ConsentCount]:
        """Count customers by where they stand, for every purpose. For the shop's own eyes."""
        with self._vault.read() as connection:
            events = read_log(connection.execute(_READ_LOG))
            (total,) = connection.execute("SELECT count(*) FROM customers").fetchone()
        counts = {}
        for purpose in Purpose:
            states = list(self._states(events, purpose).values())
            granted = states.count(ConsentState.GRANTED)
            withdrawn = len(states) - granted
            counts[purpose] = ConsentCount(
                granted=granted, withdrawn=withdrawn, not_asked=int(total) - len(states)
            )
        return counts

    def position(self) -> int:
        """Return the last entry of the consent log.

        Raises:
            InconsistentConsentLogError: the log has a gap or an unreadable entry.
        """
        with self._vault.read() as connection:
            return len(read_log(connection.execute(_READ_LOG)))

    def withdrawn(self, *purposes: Purpose, since: int) -> frozenset[int]:
        """Return the customers (row keys) who have withdrawn from one of these purposes and not agreed again.

        Whoever has withdrawn behind an entry of the log is among them, agreed again or not.

        Args:
            purposes: of the charter.
            since: that entry.

        Raises:
            InconsistentConsentLogError: the log has a gap or an unreadable entry.
        """
        with self._vault.read() as connection:
            events = read_log(connection.execute(_READ_LOG))
        stand = {
            customer
            for purpose in purposes
            for customer, state in self._states(events, purpose).items()
            if state is ConsentState.WITHDRAWN
        }
        return frozenset(stand).union(
            event.customer
            for event in events[since:]
            if event.purpose in purposes and event.answer is Answer.WITHDRAWAL
        )

    def cohort(self, purpose: Purpose, *further: Purpose) -> ConsentedCohort:
        """Make the cohort of all customers whose grants for every named purpose stand at this moment.

        Raises:
            UnknownPurposeError: not a purpose.
            InconsistentConsentLogError: the log has a gap or an unreadable entry.
        """
        purposes = frozenset(Purpose.parse(str(each)) for each in (purpose, *further))
        with self._vault.read() as connection:
            events = read_log(connection.execute(_READ_LOG))
        cohort = object.__new__(ConsentedCohort)
        _MINTED[cohort] = _Minted(
            purposes=purposes,
            position=len(events),
            customers=_granted(events, purposes, now=self.clock()),
            expires_at=self.monotonic() + COHORT_LIFETIME_SECONDS,
            vault_id=self._vault.vault_id,
            desk=self,
        )
        return cohort

    def _states(self, events: tuple[ConsentEvent, ...], purpose: Purpose) -> dict[int, ConsentState]:
        return consent_states(_relied_on(events, self.clock()), purpose=purpose)


def still_granted(cohort: ConsentedCohort, vault: Vault, connection: sqlite3.Connection) -> tuple[int, ...]:
    """Return the customers of a cohort whose grants stand in the vault's state seen by an open transaction.

    Customers who agreed after the cohort was made are not added: the cohort is also what was counted and
    spent for.

    Raises:
        ForgedCohortError: not made by a consent desk, or made from another vault.
        CohortExpiredError: made too long ago.
        InconsistentConsentLogError: the log cannot be relied on.
    """
    details = _details(cohort)
    if details.vault_id != vault.vault_id:
        raise _forged()
    if cohort.is_expired:
        raise CohortExpiredError(
            "The list of customers who agreed is too old to be used.",
            next_step="Ask the consent desk for it again.",
        )
    events = read_log(connection.execute(_READ_LOG))
    if len(events) < details.position:
        raise ForgedCohortError(
            "The consent log is shorter than when the customers were asked for.",
            next_step="Put the shop's data back from a good copy.",
        )
    now_granted = set(_granted(events, details.purposes, now=details.desk.clock()))
    return tuple(customer for customer in details.customers if customer in now_granted)


def _granted(events: tuple[ConsentEvent, ...], purposes: frozenset[Purpose], *, now: int) -> tuple[int, ...]:
    """Return who agreed to every one of at least one purpose, ascending."""
    relied_on = _relied_on(events, now)
    agreed = [
        {key for key, state in consent_states(relied_on, purpose=purpose).items() if state is _GRANTED}
        for purpose in purposes
    ]
    return tuple(sorted(set.intersection(*agreed)))


def _relied_on(events: tuple[ConsentEvent, ...], now: int) -> list[ConsentEvent]:
    """Leave out grants of later than now: leaving out a grant never adds a customer."""
    latest = now + _CLOCK_TOLERANCE_MICROSECONDS
    return [event for event in events if event.answer is Answer.WITHDRAWAL or event.recorded_at <= latest]


def _check_clock(earlier: list[int], now: int) -> None:
    if now < max(earlier, default=now) - _CLOCK_TOLERANCE_MICROSECONDS:
        raise ClockSetBackError(
            "This computer's clock is earlier than this customer's last answer; a yes cannot be dated.",
            next_step="Set the clock right, then run the command again.",
        )


def _details(cohort: ConsentedCohort) -> _Minted:
    details = _MINTED.get(cohort) if type(cohort) is ConsentedCohort else None
    if details is None:
        raise _forged()
    return details


def _forged() -> ForgedCohortError:
    return ForgedCohortError(
        "Customers' data was asked for without the consent desk's word.",
        next_step="Only ConsentDesk.cohort makes a cohort.",
    )
