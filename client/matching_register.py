"""The register of matchings: which there were, for good; the caller holds a transaction."""

from __future__ import annotations

import sqlite3

from highstreet.client.errors import MatchingContradictedError, MatchingOverError, MatchingTooSoonError
from highstreet.privacy.matching import MatchingContext

__all__ = [
    "contradicted",
    "find_matching",
    "insert_matching",
    "may_begin",
    "refuse_many",
    "refuse_over",
    "refuse_used_id",
    "under_way",
]

#: However often a coordinator asks; one is enough where nothing goes wrong.
_BEGUN_A_DAY = 64


def may_begin(connection: sqlite3.Connection, day: int, period_days: int) -> bool:
    """Say whether no matching is under way or gave its table in the last period_days."""
    (latest,) = connection.execute(
        "SELECT max(begun_on_day) FROM matchings WHERE is_destroyed = 0 OR table_request_sha256 IS NOT NULL"
    ).fetchone()
    return latest is None or day - int(latest) >= period_days


def refuse_many(connection: sqlite3.Connection, day: int) -> None:
    """Return only when another matching may be begun today: what came to nothing is remembered for good.

    Raises:
        MatchingTooSoonError: there were as many as there may be.
    """
    (begun,) = connection.execute("SELECT count(*) FROM matchings WHERE begun_on_day >= ?", (day,)).fetchone()
    if begun >= _BEGUN_A_DAY:
        raise MatchingTooSoonError(
            f"{_BEGUN_A_DAY} matchings were begun today, and came to nothing.",
            next_step="Nothing was sent. Ask the coordinator why; another may be begun tomorrow.",
        )


def insert_matching(
    connection: sqlite3.Connection, context: MatchingContext, *, vault_id: str, day: int
) -> None:
    """Write that a matching was begun."""
    connection.execute(
        "INSERT INTO matchings VALUES (?, ?, ?, ?, ?, ?, NULL, 0)",
        (
            context.request_sha256,
            context.sha256(),
            context.coop_id,
            context.matching_id,
            vault_id,
            day,
        ),
    )


def find_matching(
    connection: sqlite3.Connection, context: MatchingContext, *, vault_id: str
) -> tuple[bytes | None] | None:
    """Return what the table was given to, or None for a matching that was never begun.

    Raises:
        MatchingOverError: it was destroyed.
        MatchingContradictedError: its request is on record in another context, or with another vault.
    """
    refuse_over(connection, context.request_sha256)
    row = connection.execute(
        "SELECT context_sha256, table_request_sha256, vault_id FROM matchings WHERE request_sha256 = ?",
        (context.request_sha256,),
    ).fetchone()
    if row is None:
        return None
    if row[0] != context.sha256():
        raise contradicted("Its request is on record for other members, holders or terms")
    if row[2] != vault_id:
        raise contradicted("The shop's data were made anew since it was begun")
    return (row[1],)


def refuse_used_id(connection: sqlite3.Connection, context: MatchingContext) -> None:
    """Return only when no matching of this co-op had this id.

    Raises:
        MatchingContradictedError: one had.
    """
    used = connection.execute(
        "SELECT 1 FROM matchings WHERE coop_id = ? AND matching_id = ?",
        (context.coop_id, context.matching_id),
    ).fetchone()
    if used is not None:
        raise contradicted("Its id was used by another matching")


def refuse_over(connection: sqlite3.Connection, request_sha256: bytes) -> None:
    """Return only when a matching was not destroyed.

    Raises:
        MatchingOverError: it was.
    """
    row = connection.execute(
        "SELECT is_destroyed FROM matchings WHERE request_sha256 = ?", (request_sha256,)
    ).fetchone()
    if row is not None and row[0]:
        raise MatchingOverError(
            "This matching is over: its secrets are destroyed, and nothing is answered for it any more.",
            next_step="Nothing is to be done; the next matching has secrets of its own.",
        )


def under_way(connection: sqlite3.Connection) -> tuple[bytes, ...]:
    """Return the requests of matchings that were begun and not destroyed, the latest first."""
    rows = connection.execute(
        "SELECT request_sha256 FROM matchings WHERE is_destroyed = 0 ORDER BY begun_on_day DESC, rowid DESC"
    ).fetchall()
    return tuple(bytes(request) for (request,) in rows)


def contradicted(fact: str) -> MatchingContradictedError:
    """Return the error that says what a matching contradicts."""
    return MatchingContradictedError(
        f"This matching contradicts what this store has on record. {fact}.",
        next_step="Nothing was sent. If it happens again, tell the other members.",
    )
