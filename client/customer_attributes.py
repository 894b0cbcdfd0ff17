"""Customers' attributes, as the vault holds them, for figures by groups and nothing else.

Only what a phase measures is read, and only of customers of a cohort: the caller has the consent desk's word.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from highstreet.models.customer_groups import ATTRIBUTES

__all__ = ["groups_of"]

_CELLS = """
    SELECT customer, cell FROM customer_attributes
    WHERE attribute = ? AND customer IN (SELECT value FROM json_each(?))
"""


def groups_of(
    connection: sqlite3.Connection, customers: NDArray[np.int64], attributes: Collection[str]
) -> dict[str, NDArray[np.int64]]:
    """Return by attribute the index of each customer's cell, 0 where none is on record.

    Args:
        connection: of the vault, in the transaction that the cohort was looked at in.
        customers: row keys, ascending.
        attributes: names of declared attributes.
    """
    wanted = json.dumps(customers.tolist())
    groups = {}
    for name in attributes:
        index = {cell: place for place, cell in enumerate(ATTRIBUTES[name].all_cells)}
        column = np.zeros(len(customers), dtype=np.int64)
        for customer, cell in connection.execute(_CELLS, (name, wanted)):
            column[int(np.searchsorted(customers, customer))] = index.get(cell, 0)
        groups[name] = column
    return groups
