"""Whose signals they are: other tools know customers by an e-mail address, the vault by a number.

Nobody becomes a customer by a signal: a newsletter has readers who never bought anything. Where several
customers share an address, a no is everybody's and a yes is nobody's: it may be the other one's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from highstreet.audit.consent import Act, ConsentEvent
from highstreet.audit.consent_signals import Signal
from highstreet.client.consent_intake import event_number
from highstreet.client.vault import Vault
from highstreet.privacy.matching.errors import InvalidIdentifierError
from highstreet.privacy.matching.identifiers import normalise

__all__ = ["CustomersSignals", "signals_of_customers"]

_BY_NUMBER = "SELECT customer FROM customers WHERE customer_id = ?"
_BY_ADDRESS = "SELECT customer FROM identifiers WHERE kind = 'email' AND value = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomersSignals:
    """Signals by row key of the customer.

    Attributes:
        signals: (row key, signal), in the order they came in.
        strangers: names that no customer of this shop has.
        shared: names that several customers share, whose yes was left out.
    """

    signals: tuple[tuple[int, Signal], ...]
    strangers: int
    shared: int

    def in_words(self) -> list[str]:
        """Return sentences on whom it could not be taken over for."""
        said = []
        if self.strangers:
            said.append(f"{self.strangers:,} of the people in it are no customers of this shop: left out.")
        if self.shared:
            said.append(f"{self.shared:,} addresses belong to several customers: a yes was left out there.")
        return said

    def events(self) -> Iterator[ConsentEvent]:
        """Yield the events to be given to the consent desk; the texts that were shown are not known."""
        for customer, signal in self.signals:
            yield ConsentEvent(
                event_id=event_number(),
                customer=customer,
                purpose=signal.purpose,
                channel=signal.channel,
                act=signal.act,
                at=signal.at,
                method=signal.method,
                source=signal.source,
                evidence_sha256=signal.evidence_sha256,
            )


def signals_of_customers(vault: Vault, signals: Iterable[Signal]) -> CustomersSignals:
    """Find the customers that signals are about, in one unchanging state of the vault."""
    found: list[tuple[int, Signal]] = []
    known: dict[str, tuple[int, ...]] = {}
    shared: set[str] = set()
    with vault.read() as connection:
        for signal in signals:
            name = signal.customer_id
            if name not in known:
                known[name] = _customers(connection, name)
            customers = known[name]
            if signal.act is Act.GIVEN and len(customers) > 1:
                shared.add(name)
                continue
            found += ((customer, signal) for customer in customers)
    return CustomersSignals(
        signals=tuple(found),
        strangers=sum(not customers for customers in known.values()),
        shared=len(shared),
    )


def _customers(connection: sqlite3.Connection, name: str) -> tuple[int, ...]:
    keys = {key for (key,) in connection.execute(_BY_NUMBER, (name,))}
    try:
        address = normalise(name)
    except InvalidIdentifierError:
        address = ""
    if "@" in address:
        keys |= {key for (key,) in connection.execute(_BY_ADDRESS, (address,))}
    return tuple(sorted(keys))
