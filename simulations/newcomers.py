"""Newcomers: shops that had no part in the training and join with a few customers and little or no past.

Every third shop, in order of size, stays out; the others train. Each newcomer keeps a public draw of its
customers and only their last weeks of purchases, and is judged by the same weeks to predict as everybody.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from highstreet.models.shop import Purchases, ShopData
from highstreet.simulations.errors import InvalidSplitError
from highstreet.simulations.protocol import Federation, LabStore

__all__ = ["NEWCOMER_CUSTOMERS", "with_newcomers"]

NEWCOMER_CUSTOMERS = 20
_EVERY = 3


def with_newcomers(federation: Federation, *, past_weeks: int) -> Federation:
    """Return a federation whose judged shops are newcomers and whose members are the other shops.

    Args:
        federation: all shops.
        past_weeks: how many of the last weeks fitted on a newcomer has on record; 0 for none at all.

    Raises:
        InvalidSplitError: too few shops to leave some out.
    """
    by_size = sorted(federation.stores, key=lambda store: (len(store.persons), store.store_id))
    joining = {store.store_id for store in by_size[_EVERY - 1 :: _EVERY]}
    if not joining:
        raise InvalidSplitError(
            f"With {len(federation.stores)} shops none can be left out.",
            next_step=f"Use at least {_EVERY} shops.",
        )
    return replace(
        federation,
        stores=tuple(
            _newcomer(store, past_weeks=past_weeks)
            for store in federation.stores
            if store.store_id in joining
        ),
        members=tuple(store for store in federation.stores if store.store_id not in joining),
    )


def _newcomer(store: LabStore, *, past_weeks: int) -> LabStore:
    rows = np.array(sorted(range(len(store.persons)), key=lambda row: _draw(store, row))[:NEWCOMER_CUSTOMERS])
    rows.sort()
    return LabStore(
        store_id=store.store_id,
        shop=_recent(store.shop.select(rows), past_weeks=past_weeks),
        persons=store.persons[rows],
        targets=store.targets[rows],
    )


def _draw(store: LabStore, row: int) -> bytes:
    """An order of customers that anybody can draw again."""
    return hashlib.sha256(f"{store.store_id} {store.shop.customer_ids[row]}".encode()).digest()


def _recent(shop: ShopData, *, past_weeks: int) -> ShopData:
    lines = shop.purchases
    kept = lines.day >= shop.as_of - 7 * past_weeks
    recent = Purchases(
        customer=lines.customer[kept],
        item=lines.item[kept],
        day=lines.day[kept],
        quantity=lines.quantity[kept],
    )
    return replace(shop, purchases=recent)
