"""Rectification: what is wrong about a customer is put right; GDPR, Article 16.

Only this store's copy is: the owner's own till or shop system has to be put right too, or the next file
that is imported says the wrong thing again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from highstreet.client.errors import CorrectionRefusedError, UnknownCustomerError, VaultError
from highstreet.client.home import StoreHome
from highstreet.client.personal_file import forget_model
from highstreet.client.rights_requests import RequestKind, note_request
from highstreet.client.vault import Vault
from highstreet.privacy.matching.identifiers import IdentifierKind, normalise

__all__ = ["Correction", "correct"]

_NUMBER_LIMIT = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What is to be put right; what is not named stays. Personal data.

    Attributes:
        customer_id: the shop's number as it should be.
        identifiers: kind -> value as it should be; an empty value: there is none.
        not_theirs: numbers of orders that are not this customer's; they are removed with their lines.
    """

    customer_id: str | None = field(default=None, repr=False)
    identifiers: Mapping[IdentifierKind, str] = field(default_factory=dict, repr=False)
    not_theirs: Sequence[str] = field(default=(), repr=False)


def correct(
    home: StoreHome, customer_id: str, correction: Correction, *, source: str, now: datetime
) -> dict[str, int]:
    """Put right what is wrong, as a whole or not at all; what was wrong is overwritten in every file.

    A count of shops that was read for another identifier no longer holds, and is removed with it; a matching
    under way goes on without this shop's list. The shop's own model is fitted anew.

    Returns:
        What was changed -> how often.

    Raises:
        UnknownCustomerError: no such customer.
        CorrectionRefusedError: nothing is named, the number is another customer's, or an order is not theirs
            as it is; nothing was changed.
        InvalidIdentifierError: an identifier that cannot be one; nothing was changed.
    """
    spelt = {kind: normalise(value) if value else "" for kind, value in correction.identifiers.items()}
    with Vault.open(home.vault) as vault:
        try:
            changed = _put_right(home, vault, customer_id, correction, spelt, source=source, now=now)
        except (CorrectionRefusedError, UnknownCustomerError):
            # It may be so already, by a correction that was killed before it came to this.
            with suppress(VaultError):
                vault.rewrite()
            raise
        vault.rewrite()
    return {what: count for what, count in changed.items() if count}


def _put_right(
    home: StoreHome,
    vault: Vault,
    customer_id: str,
    correction: Correction,
    spelt: Mapping[IdentifierKind, str],
    *,
    source: str,
    now: datetime,
) -> dict[str, int]:
    customer = vault.customer_key(customer_id)
    with vault.write() as connection:
        changed = {
            "number": _renumber(connection, customer, correction.customer_id),
            "identifiers": sum(_identify(connection, customer, *each) for each in spelt.items()),
            "orders removed": sum(_disown(connection, customer, each) for each in correction.not_theirs),
        }
        if not any(changed.values()):
            raise CorrectionRefusedError(
                "Nothing is said that is not so already; nothing was changed.",
                next_step="Say what is wrong: --email, --loyalty-number, --number or --not-theirs.",
            )
        note_request(connection, RequestKind.CORRECT, customer, made_at=int(now.timestamp()), source=source)
        # Before it counts: said again after a crash, a correction that counts already would not come to this.
        forget_model(home)
        if changed["identifiers"]:
            _forget_count(home, vault, str(customer))
    return changed


def _renumber(connection: sqlite3.Connection, customer: int, number: str | None) -> int:
    if number is None:
        return 0
    wanted = number.strip()
    if not 0 < len(wanted) <= _NUMBER_LIMIT or not wanted.isprintable():
        raise CorrectionRefusedError("That cannot be a customer's number; nothing was changed.")
    taken = connection.execute(
        "SELECT 1 FROM customers WHERE customer_id = ? AND customer <> ?", (wanted, customer)
    ).fetchone()
    if taken is not None:
        raise CorrectionRefusedError(
            "Another customer has that number; nothing was changed.",
            next_step="If both are one person, erase the one whose data are wrong.",
        )
    return connection.execute(
        "UPDATE customers SET customer_id = ? WHERE customer = ? AND customer_id <> ?",
        (wanted, customer, wanted),
    ).rowcount


def _identify(connection: sqlite3.Connection, customer: int, kind: IdentifierKind, value: str) -> int:
    if not value:
        return connection.execute(
            "DELETE FROM identifiers WHERE customer = ? AND kind = ?", (customer, kind.value)
        ).rowcount
    return connection.execute(
        "INSERT INTO identifiers (customer, kind, value) VALUES (?, ?, ?)"
        " ON CONFLICT (customer, kind) DO UPDATE SET value = excluded.value WHERE value <> excluded.value",
        (customer, kind.value, value),
    ).rowcount


def _disown(connection: sqlite3.Connection, customer: int, order_id: str) -> int:
    found = connection.execute(
        'SELECT "order" FROM orders WHERE customer = ? AND order_id = ?', (customer, order_id.strip())
    ).fetchone()
    if found is None:
        raise CorrectionRefusedError(
            "One of these orders is not this customer's; nothing was changed.",
            next_step="See their orders: highstreet store rights access CUSTOMER",
        )
    connection.execute('DELETE FROM lines WHERE "order" = ?', found)
    connection.execute('DELETE FROM orders WHERE "order" = ?', found)
    connection.execute(
        "DELETE FROM products WHERE listed = 0"
        " AND NOT EXISTS (SELECT 1 FROM lines WHERE lines.product = products.product)"
    )
    return 1


def _forget_count(home: StoreHome, vault: Vault, customer: str) -> None:
    # Imported here: they bring a library that is unpacked on the disk.
    from highstreet.client.matching_state import MatchingState
    from highstreet.client.person_counts import PersonCounts

    if home.coop.is_dir():
        PersonCounts(home.person_counts, vault_id=vault.vault_id).erase({customer})
    if home.matching.exists():
        with MatchingState.open(home.matching, vault_id=vault.vault_id) as state:
            state.erase({customer})
