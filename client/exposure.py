"""What customers were exposed to, by the store's ledger: for a record of their data, or a certificate."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import date

from highstreet.client.config import read_config
from highstreet.client.home import StoreHome
from highstreet.client.ledger import Exposure, Ledger
from highstreet.client.pseudonyms import known_names
from highstreet.client.vault import Vault
from highstreet.privacy.budget import Budget

__all__ = ["exposures_of"]


def exposures_of(home: StoreHome, vault: Vault, customers: Sequence[int], *, today: date) -> list[Exposure]:
    """Return what each of some customers (row keys) was exposed to, in their order.

    Entries from before there were pseudonyms are found by the row key. A ledger that was put aside when the
    store was restored is not read.

    Raises:
        LedgerError: the ledger cannot be trusted or read.
        StoreConfigError: the shop's limits cannot be read.
    """
    limits = read_config(home).limits
    budget = Budget(epsilon=limits.max_epsilon, delta=limits.delta, period_days=limits.period_days)
    nothing = Exposure(
        rounds=(),
        epsilon=0.0,
        epsilon_in_period=0.0,
        counted_epsilon=0.0,
        delta=budget.delta,
        period_days=budget.period_days,
    )
    if not home.ledger.exists():
        return [nothing for _ in customers]
    names = known_names(vault, customers)
    with closing(Ledger.open(home.ledger)) as ledger:
        return ledger.exposures_of(
            [
                (str(customer), names[customer]) if customer in names else (str(customer),)
                for customer in customers
            ],
            budget,
            today=today,
        )
