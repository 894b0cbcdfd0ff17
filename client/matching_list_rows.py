"""Rows of the file of matchings that a store's list and table stand on; the caller holds a transaction."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Collection
from dataclasses import replace

from highstreet.client.matching_register import contradicted
from highstreet.privacy.matching import MatchedStore, MatchingContext, MatchingStore
from highstreet.privacy.matching.group import random_scalar

__all__ = [
    "erase_from_lists",
    "insert_store",
    "insert_tags",
    "kept_matched",
    "kept_store",
    "list_position",
    "remove_list",
    "remove_tags",
]

_ERASED_BYTES = 32


def insert_store(connection: sqlite3.Connection, store: MatchingStore, *, consent_position: int) -> None:
    """Write a store that was just drawn."""
    request, (label_blinding, *blindings) = store.context.request_sha256, store.blindings
    connection.execute(
        "INSERT INTO stores (request_sha256, elements, label_blinding, made_up_seed, dummies,"
        " consent_position) VALUES (?, ?, ?, ?, ?, ?)",
        (request, store.elements, label_blinding, store.made_up_seed, store.dummies, consent_position),
    )
    rows = zip(store.customers, store.inputs, blindings, strict=True)
    connection.executemany(
        "INSERT INTO customers (request_sha256, place, customer, input, blinding) VALUES (?, ?, ?, ?, ?)",
        [(request, place, *row) for place, row in enumerate(rows)],
    )


def kept_store(
    connection: sqlite3.Connection, context: MatchingContext, member_id: str
) -> MatchingStore | None:
    """Return a store as it was drawn, less who was erased since; None when it was not drawn.

    Raises:
        InvalidMatchingError: the rows, or the member, do not fit the matching.
    """
    row = connection.execute(
        "SELECT elements, label_blinding, made_up_seed, dummies FROM stores WHERE request_sha256 = ?",
        (context.request_sha256,),
    ).fetchone()
    if row is None:
        return None
    listed = connection.execute(
        "SELECT customer, input, blinding FROM customers WHERE request_sha256 = ? ORDER BY place",
        (context.request_sha256,),
    ).fetchall()
    elements, label_blinding, made_up_seed, dummies = row
    return MatchingStore(
        context=context,
        member_id=member_id,
        elements=elements,
        blindings=(label_blinding, *(blinding for _, _, blinding in listed)),
        made_up_seed=made_up_seed,
        dummies=dummies,
        customers=tuple(customer for customer, _, _ in listed),
        inputs=tuple(message for _, message, _ in listed),
    )


def list_position(connection: sqlite3.Connection, request_sha256: bytes) -> int:
    """Return the last entry of the consent log when the store was drawn.

    Raises:
        MatchingContradictedError: it was not.
    """
    row = connection.execute(
        "SELECT consent_position FROM stores WHERE request_sha256 = ?", (request_sha256,)
    ).fetchone()
    if row is None:
        raise contradicted("No list was drawn for it here")
    return int(row[0])


def insert_tags(
    connection: sqlite3.Connection, context: MatchingContext, matched: MatchedStore
) -> MatchedStore:
    """Write the tags of those who were not left out before; return what is kept.

    Raises:
        MatchingContradictedError: the store was not drawn, or a tag is of somebody who does not take part.
    """
    request = context.request_sha256
    rows = connection.execute("SELECT customer FROM customers WHERE request_sha256 = ?", (request,))
    taking_part = {customer for (customer,) in rows}
    changed = connection.execute(
        "UPDATE stores SET mask_seed = ?, made_up_seed = ? WHERE request_sha256 = ? AND dummies = ?",
        (matched.mask_seed, matched.made_up_seed, request, matched.dummies),
    ).rowcount
    if changed != 1 or not matched.tags.keys() <= taking_part:
        raise contradicted("These tags are not of the customers who take part")
    connection.executemany(
        "UPDATE customers SET tag = ? WHERE request_sha256 = ? AND customer = ? AND is_left_out = 0",
        [(one, request, customer) for customer, one in matched.tags.items()],
    )
    return replace(matched, tags=_tags(connection, context))


def kept_matched(connection: sqlite3.Connection, context: MatchingContext) -> MatchedStore | None:
    """Return a store with its tags, None before there are any.

    Raises:
        InvalidMatchingError: the rows do not fit the matching.
    """
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
        tags=_tags(connection, context),
    )


def remove_tags(connection: sqlite3.Connection, request_sha256: bytes, customers: Collection[str]) -> None:
    """Remove customers' tags for good; their places in the list stay."""
    connection.executemany(
        "UPDATE customers SET tag = NULL, is_left_out = 1 WHERE request_sha256 = ? AND customer = ?",
        [(request_sha256, customer) for customer in customers],
    )


def remove_list(connection: sqlite3.Connection, request_sha256: bytes) -> None:
    """Remove what was drawn for a list, and all that follows from it."""
    connection.execute("DELETE FROM customers WHERE request_sha256 = ?", (request_sha256,))
    connection.execute("DELETE FROM stores WHERE request_sha256 = ?", (request_sha256,))


def erase_from_lists(connection: sqlite3.Connection, customers: Collection[str]) -> int:
    """Put random bytes in the place of customers in every list; return in how many they were.

    Without the blinding an element of a list is uniform, whoever guesses the identifier.
    """
    places = [
        (request, place)
        for request, place, customer in connection.execute(
            "SELECT request_sha256, place, customer FROM customers"
        ).fetchall()
        if customer in customers
    ]
    connection.executemany(
        "UPDATE customers SET customer = ?, input = ?, blinding = ?, tag = NULL, is_left_out = 1"
        " WHERE request_sha256 = ? AND place = ?",
        [(_nobody(), os.urandom(_ERASED_BYTES), random_scalar(os.urandom), *place) for place in places],
    )
    return len({request for request, _ in places})


def _tags(connection: sqlite3.Connection, context: MatchingContext) -> dict[str, bytes]:
    """Return the tags of customers who have one, in the order of the list."""
    return dict(
        connection.execute(
            "SELECT customer, tag FROM customers WHERE request_sha256 = ? AND tag IS NOT NULL ORDER BY place",
            (context.request_sha256,),
        ).fetchall()
    )


def _nobody() -> str:
    """Return a name in the place of an erased customer's: of nobody, and no other's."""
    return f"erased {secrets.token_hex(16)}"
