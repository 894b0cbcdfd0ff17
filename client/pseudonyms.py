"""Pseudonyms: what the budget ledger knows customers by, 32 random bytes that lie in the vault alone.

The ledger is never changed: an entry once written counts for as long as its period lasts. What it says of a
person is a keyed digest of the pseudonym. An erasure destroys the pseudonym, and from then on nobody can tell
whose the entry was: the epsilon it stands for stays counted, and the person is gone from it. Nor can a row
key that an older copy of the vault gives to somebody else take over what another person spent. A copy from
before somebody got a name is refused like one that lacks answers (`consent_log`): what they spent would seem
never to have been.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence

from highstreet.client.consent_log import ConsentLog
from highstreet.client.vault import Vault

__all__ = ["PSEUDONYM_BYTES", "known_names", "ledger_names"]

PSEUDONYM_BYTES = 32
_MISSING = """
    SELECT value FROM json_each(?)
    WHERE value IN (SELECT customer FROM customers) AND value NOT IN (SELECT customer FROM pseudonyms)
"""
_KNOWN = "SELECT customer, pseudonym FROM pseudonyms WHERE customer IN (SELECT value FROM json_each(?))"


def ledger_names(vault: Vault, customers: Sequence[int]) -> dict[int, str]:
    """Return what the ledger is to know customers by, made and on the disk where there was none.

    Args:
        vault: the shop's data.
        customers: row keys; who is no customer any more is left out.

    Returns:
        Row key -> name, in the order of the keys given.

    Raises:
        VaultError, FileAccessError: they could not be written; nothing may be spent then.
        InconsistentConsentLogError: the vault cannot be relied on.
    """
    keys = json.dumps(list(customers))
    with vault.read() as connection:
        is_missing = connection.execute(f"{_MISSING} LIMIT 1", (keys,)).fetchone() is not None
    if is_missing:
        log = ConsentLog(vault)
        with vault.write() as connection, log.folded(connection):
            missing = [key for (key,) in connection.execute(_MISSING, (keys,)).fetchall()]
            connection.executemany(
                "INSERT INTO pseudonyms VALUES (?, ?)",
                [(key, secrets.token_bytes(PSEUDONYM_BYTES)) for key in missing],
            )
        log.settle()
    return known_names(vault, customers)


def known_names(vault: Vault, customers: Sequence[int]) -> dict[int, str]:
    """Return what the ledger knows customers by already; who was never exposed has no name."""
    with vault.read() as connection:
        names = dict(connection.execute(_KNOWN, (json.dumps(list(customers)),)).fetchall())
    return {customer: names[customer].hex() for customer in customers if customer in names}
