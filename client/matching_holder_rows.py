"""Rows of the file of matchings that a key holder stands on; the caller holds a transaction."""

from __future__ import annotations

import sqlite3

from highstreet.client.matching_register import contradicted
from highstreet.privacy.matching import (
    AnsweredList,
    KeyHolder,
    MatchingContext,
    MatchingRefusal,
    MatchingRefusedError,
)

__all__ = ["insert_answer", "insert_holder", "kept_holder", "remove_holder"]


def kept_holder(connection: sqlite3.Connection, context: MatchingContext, member_id: str) -> KeyHolder | None:
    """Return a holder with all it answered, None when it drew no key.

    Raises:
        InvalidMatchingError: the rows, or the member, do not fit the matching.
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


def insert_holder(connection: sqlite3.Connection, holder: KeyHolder) -> None:
    """Write a holder that was just drawn."""
    connection.execute(
        "INSERT INTO holders (request_sha256, secret_key) VALUES (?, ?)",
        (holder.context.request_sha256, holder.secret_key),
    )


def insert_answer(connection: sqlite3.Connection, request_sha256: bytes, answered: AnsweredList) -> None:
    """Write which list is answered, and under which keys; the same again changes nothing.

    Raises:
        MatchingRefusedError: SECOND_LIST or OTHER_KEYS, when another list of that member or other keys are
            on record.
        MatchingContradictedError: no key was drawn for it.
    """
    row = connection.execute(
        "SELECT keys_sha256 FROM holders WHERE request_sha256 = ?", (request_sha256,)
    ).fetchone()
    if row is None:
        raise contradicted("No key was drawn for it here")
    if row[0] not in (None, answered.keys_sha256):
        raise MatchingRefusedError(MatchingRefusal.OTHER_KEYS)
    known = connection.execute(
        "SELECT list_sha256 FROM answers WHERE request_sha256 = ? AND member_id = ?",
        (request_sha256, answered.member_id),
    ).fetchone()
    if known is not None:
        if known[0] != answered.list_sha256:
            raise MatchingRefusedError(MatchingRefusal.SECOND_LIST)
        return
    connection.execute(
        "UPDATE holders SET keys_sha256 = ? WHERE request_sha256 = ?", (answered.keys_sha256, request_sha256)
    )
    connection.execute(
        "INSERT INTO answers VALUES (?, ?, ?)", (request_sha256, answered.member_id, answered.list_sha256)
    )


def remove_holder(connection: sqlite3.Connection, request_sha256: bytes) -> None:
    """Remove a holder's key, and which lists it answered."""
    connection.execute("DELETE FROM answers WHERE request_sha256 = ?", (request_sha256,))
    connection.execute("DELETE FROM holders WHERE request_sha256 = ?", (request_sha256,))
