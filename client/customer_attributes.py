"""Customers' attributes, as the vault holds them, for figures by groups and nothing else.

Only what a phase measures is read, and only of customers of a cohort.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from highstreet.audit.consent import Channel, Purpose
from highstreet.client.consented_cohort import ConsentedCohort, still_granted
from highstreet.client.vault import Vault
from highstreet.models.customer_groups import ATTRIBUTES

__all__ = ["groups_of"]

_CELLS = """
    SELECT customer, cell FROM customer_attributes
    WHERE attribute = ? AND customer IN (SELECT value FROM json_each(?))
"""


def groups_of(
    cohort: ConsentedCohort,
    vault: Vault,
    connection: sqlite3.Connection,
    customers: NDArray[np.int64],
    *,
    purpose: Purpose,
    channel: Channel = Channel.EVERYWHERE,
    attributes: Collection[str],
) -> dict[str, NDArray[np.int64]]:
    """Return by attribute the index of each customer's cell, 0 where none is on record.

    Args:
        cohort: from `ConsentDesk.cohort`; of whoever is not in it no cell is read.
        vault: where the cohort was made from.
        connection: of the vault, in the transaction that the customers are loaded in.
        customers: row keys, ascending.
        purpose: what they are loaded for.
        channel: where what is made of them is shown.
        attributes: names of declared attributes.

    Raises:
        WrongPurposeError, ForgedCohortError: not a cohort for this; nothing is read.
        CohortExpiredError, InconsistentConsentLogError: it cannot be relied on; nothing is read.
    """
    if not attributes:
        return {}
    granted = still_granted(cohort, vault, connection, purpose, channel=channel)
    wanted = json.dumps(np.intersect1d(customers, np.array(granted, dtype=np.int64)).tolist())
    groups = {}
    for name in attributes:
        index = {cell: place for place, cell in enumerate(ATTRIBUTES[name].all_cells)}
        column = np.zeros(len(customers), dtype=np.int64)
        for customer, cell in connection.execute(_CELLS, (name, wanted)):
            column[int(np.searchsorted(customers, customer))] = index.get(cell, 0)
        groups[name] = column
    return groups
