"""Rows of the file of matchings, as the holders and stores they stand for; the caller holds a transaction."""

from __future__ import annotations

import sqlite3

from highstreet.privacy.matching import KeyHolder, MatchedStore, MatchingContext, MatchingStore

__all__ = ["customers_in", "insert_store", "kept_holder", "kept_matched", "kept_store", "kept_tags"]


def kept_holder(connection: sqlite3.Connection, context: MatchingContext, member_id: str) -> KeyHolder | None:
    """Return a holder with all it answered, None when it drew no key.

    Raises:
        InvalidMatchingError: (all of these) the rows, or the member, do not fit the matching.
    """
    row = connection.execute(
        "SELECT secret_key, keys_sha256 FROM holders WHERE request_sha256 = ?", (context.request_sha256,)
    ).fetchone()
    if row is None:
        return None
    answered = connection.execute(
        "SELECT member_id, list_sha256 FROM answers WHERE request_sha256 = ?", (context.request_sha256,)
    ).fetchall()
    return KeyHolder(
        context=context, member_id=member_id, secret_key=row[0], keys_sha256=row[1], answered=dict(answered)
    )


def kept_store(
    connection: sqlite3.Connection, context: MatchingContext, member_id: str
) -> MatchingStore | None:
    """Return a store as it was drawn, None when it was not."""
    row = connection.execute(
        "SELECT seed, dummies FROM stores WHERE request_sha256 = ?", (context.request_sha256,)
    ).fetchone()
    if row is None:
        return None
    listed = connection.execute(
        "SELECT customer, input FROM customers WHERE request_sha256 = ? ORDER BY place",
        (context.request_sha256,),
    ).fetchall()
    return MatchingStore(
        context=context,
        member_id=member_id,
        seed=row[0],
        dummies=row[1],
        customers=tuple(customer for customer, _ in listed),
        inputs=tuple(message for _, message in listed),
    )


def kept_matched(connection: sqlite3.Connection, context: MatchingContext) -> MatchedStore | None:
    """Return a store with its tags, None before it was matched."""
    row = connection.execute(
        "SELECT mask_seed, made_up_seed, dummies FROM stores WHERE request_sha256 = ?",
        (context.request_sha256,),
    ).fetchone()
    if row is None or row[0] is None:
        return None
    return MatchedStore(
        shape=context.shape,
        mask_seed=row[0],
        made_up_seed=row[1],
        dummies=row[2],
        tags=kept_tags(connection, context),
    )


def kept_tags(connection: sqlite3.Connection, context: MatchingContext) -> dict[str, bytes]:
    """Return the tags of customers who have one, in the order of the list."""
    return dict(
        connection.execute(
            "SELECT customer, tag FROM customers WHERE request_sha256 = ? AND tag IS NOT NULL ORDER BY place",
            (context.request_sha256,),
        ).fetchall()
    )


def customers_in(connection: sqlite3.Connection, context: MatchingContext) -> set[str]:
    """Return who is in the list, left out meanwhile or not."""
    rows = connection.execute(
        "SELECT customer FROM customers WHERE request_sha256 = ?", (context.request_sha256,)
    )
    return {customer for (customer,) in rows}


def insert_store(connection: sqlite3.Connection, store: MatchingStore, *, consent_position: int) -> None:
    """Write a store that was just drawn."""
    request = store.context.request_sha256
    connection.execute(
        "INSERT INTO stores (request_sha256, seed, dummies, consent_position) VALUES (?, ?, ?, ?)",
        (request, store.seed, store.dummies, consent_position),
    )
    connection.executemany(
        "INSERT INTO customers (request_sha256, place, customer, input) VALUES (?, ?, ?, ?)",
        [
            (request, place, customer, message)
            for place, (customer, message) in enumerate(zip(store.customers, store.inputs, strict=True))
        ],
    )
