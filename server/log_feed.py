"""What coop.db has that the log has not yet: events that are rows of it, each under a key of its own.

Rows are committed first and logged next, before anything of them leaves. A crash in between costs nothing:
the rows are still there, and the key keeps an event from being logged twice. Where a database put back from a
backup could let another event have the same name, the key holds its time or hash too: it is logged as well.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator

from highstreet.audit.canonical import Json, canonical_json
from highstreet.audit.log_entries import EntryDraft, EntryKind

__all__ = ["Event", "events", "published_key", "state"]

#: The key of an event, and what makes the entry to be written for it.
Event = tuple[str, Callable[[], EntryDraft]]

_STATE = """
SELECT (SELECT count(joined_at) + count(left_at) FROM members),
       (SELECT coalesce(max(number), 0) FROM vouches),
       (SELECT coalesce(max(number), 0) FROM withdrawals),
       (SELECT count(*) + count(finished_at) FROM programmes),
       (SELECT count(*) + count(announced_at) + count(closed_at) FROM rounds),
       (SELECT count(*) FROM matchings),
       (SELECT count(*) FROM verdicts),
       (SELECT count(*) FROM releases)
"""


def state(connection: sqlite3.Connection) -> tuple[int, ...]:
    """Return numbers that change whenever there may be a new event."""
    return tuple(int(number) for number in connection.execute(_STATE).fetchone())


def published_key(number: int, manifest_sha256: str) -> str:
    """Return the key of the entry that publishes a release; the manifest's hash in hex."""
    return f"release/{number}/{manifest_sha256[:16]}/published"


def events(connection: sqlite3.Connection) -> Iterator[Event]:
    """Yield every event there ever was, in the order in which those found together are written."""
    yield from _joins(connection)
    yield from _vouches(connection)
    yield from _runs_begun(connection)
    yield from _matchings(connection)
    yield from _rounds(connection)
    yield from _attestations(connection)
    yield from _verdicts(connection)
    yield from _releases(connection)
    yield from _runs_ended(connection)
    yield from _departures(connection)


def _joins(connection: sqlite3.Connection) -> Iterator[Event]:
    rows = connection.execute(
        "SELECT member_id, signing_public_key, encryption_public_key FROM members"
        " WHERE joined_at IS NOT NULL ORDER BY joined_at, member_id"
    )
    for member_id, signing, encryption in rows.fetchall():
        keys = _sha256(bytes(signing) + bytes(encryption))
        body: dict[str, Json] = {"step": "joined", "member_id": member_id, "keys_sha256": keys}
        yield _event(f"member/{member_id}/joined", EntryKind.MEMBERSHIP, body)


def _departures(connection: sqlite3.Connection) -> Iterator[Event]:
    rows = connection.execute(
        "SELECT member_id FROM members WHERE joined_at IS NOT NULL AND left_at IS NOT NULL"
        " ORDER BY left_at, member_id"
    )
    for (member_id,) in rows.fetchall():
        body: dict[str, Json] = {"step": "left", "member_id": member_id}
        yield _event(f"member/{member_id}/left", EntryKind.MEMBERSHIP, body)


def _vouches(connection: sqlite3.Connection) -> Iterator[Event]:
    for table, step in (("vouches", "vouched"), ("withdrawals", "withdrew")):
        rows = connection.execute(f"SELECT number, voucher, subject, signature FROM {table} ORDER BY number")  # noqa: S608 - from the line above
        for number, voucher, subject, signature in rows.fetchall():
            body: dict[str, Json] = {
                "step": step,
                "member_id": voucher,
                "subject_id": subject,
                "document_sha256": _sha256(signature),
            }
            yield _event(f"{step}/{number}/{_sha256(signature)[:16]}", EntryKind.MEMBERSHIP, body)


def _runs_begun(connection: sqlite3.Connection) -> Iterator[Event]:
    rows = connection.execute(
        "SELECT programme_id, kind, charter_sha256, as_of_day FROM programmes ORDER BY number"
    )
    for programme_id, kind, charter, day in rows.fetchall():
        about: dict[str, Json] = {"document_sha256": bytes(charter).hex(), "day": day}
        yield _event(f"run/{programme_id}/begun", EntryKind.ROUND, _run(programme_id, kind, "begun", about))


def _runs_ended(connection: sqlite3.Connection) -> Iterator[Event]:
    rows = connection.execute(
        "SELECT programme_id, kind, state, finished_at FROM programmes"
        " WHERE state IN ('finished', 'failed') ORDER BY number"
    )
    for programme_id, kind, ended, at in rows.fetchall():
        yield _event(
            f"run/{programme_id}/ended/{at or 0}", EntryKind.ROUND, _run(programme_id, kind, ended, {})
        )


def _matchings(connection: sqlite3.Connection) -> Iterator[Event]:
    rows = connection.execute(
        "SELECT programme_id, opened_at FROM matchings ORDER BY opened_at, programme_id"
    )
    for programme_id, at in rows.fetchall():

        def draft(key: str, programme_id: str = programme_id) -> EntryDraft:
            (request,) = connection.execute(
                "SELECT request FROM matchings WHERE programme_id = ?", (programme_id,)
            ).fetchone()
            about: dict[str, Json] = {"document_sha256": _sha256(request)}
            return _draft(key, EntryKind.ROUND, _run(programme_id, "matching", "opened", about))

        yield _later(f"matching/{programme_id}/opened/{at}", draft)


def _rounds(connection: sqlite3.Connection) -> Iterator[Event]:
    rows = connection.execute(
        "SELECT programme_id, round, opened_at, announced_at, closed_at FROM rounds ORDER BY opened_at, round"
    )
    for programme_id, number, *times in rows.fetchall():
        for step, at in zip(("opened", "announced", "closed"), times, strict=True):
            if at is None:
                continue

            def draft(
                key: str, programme_id: str = programme_id, number: int = number, step: str = step
            ) -> EntryDraft:
                return _draft(key, EntryKind.ROUND, _round(connection, programme_id, number, step))

            yield _later(f"round/{programme_id}/{number}/{step}/{at}", draft)


def _attestations(connection: sqlite3.Connection) -> Iterator[Event]:
    """Hashes of what contributors attested, once their set is announced, in an order that tells nothing."""
    rows = connection.execute(
        "SELECT programme_id, round, document FROM attestations JOIN rounds USING (programme_id, round)"
        " WHERE announced_at IS NOT NULL ORDER BY opened_at, round"
    )
    found = [(programme_id, number, _sha256(document)) for programme_id, number, document in rows]
    for programme_id, number, sha256 in sorted(found):
        body: dict[str, Json] = {"programme_id": programme_id, "round": number, "attestation_sha256": sha256}
        yield _event(f"attestation/{programme_id}/{number}/{sha256[:32]}", EntryKind.ATTESTATION, body)


def _round(connection: sqlite3.Connection, programme_id: str, number: int, step: str) -> dict[str, Json]:
    phase, kind, request, set_sha256, contributors, after = connection.execute(
        "SELECT phase, kind, request, set_sha256, contributors, rounds.state FROM rounds"
        " JOIN programmes USING (programme_id) WHERE programme_id = ? AND round = ?",
        (programme_id, number),
    ).fetchone()
    about: dict[str, Json] = {}
    if step == "opened":
        about["document_sha256"] = _sha256(request)
    elif step == "announced":
        about["document_sha256"] = bytes(set_sha256).hex()
    else:
        about["contributors"] = contributors
        about["state_sha256"] = None if after is None else _sha256(after)
    return {**_run(programme_id, kind, step, about), "round": number, "phase": phase}


def _verdicts(connection: sqlite3.Connection) -> Iterator[Event]:
    """What the rules on bias said of candidates, of those that were kept back too."""
    rows = connection.execute("SELECT programme_id, verdict, document FROM verdicts ORDER BY number")
    for programme_id, verdict, document in rows.fetchall():
        sha256 = _sha256(document)
        body: dict[str, Json] = {"programme_id": programme_id, "verdict": verdict, "document_sha256": sha256}
        yield _event(f"verdict/{programme_id}/{sha256[:32]}", EntryKind.VERDICT, body)


def _releases(connection: sqlite3.Connection) -> Iterator[Event]:
    """Releases; before one, the override that let it out."""
    rows = connection.execute("SELECT number, programme_id, manifest FROM releases ORDER BY number")
    for number, programme_id, manifest in rows.fetchall():
        plain = json.loads(manifest)
        override = (plain.get("bias") or {}).get("override")
        if override is not None:
            sha256 = _sha256(canonical_json(override))
            about: dict[str, Json] = {"programme_id": programme_id, "document_sha256": sha256}
            yield _event(f"override/{programme_id}/{sha256[:32]}", EntryKind.OVERRIDE, about)
        body: dict[str, Json] = {
            "step": "published",
            "number": number,
            "programme_id": programme_id,
            "manifest_sha256": _sha256(manifest),
            "model_sha256": plain["model"]["sha256"],
        }
        yield _event(published_key(number, _sha256(manifest)), EntryKind.RELEASE, body)


def _run(programme_id: str, kind: str, step: str, about: dict[str, Json]) -> dict[str, Json]:
    return {"run": kind, "programme_id": programme_id, "round": 0, "phase": "", "step": step, **about}


def _event(key: str, kind: EntryKind, body: dict[str, Json]) -> Event:
    return key, lambda: _draft(key, kind, body)


def _later(key: str, draft: Callable[[str], EntryDraft]) -> Event:
    return key, lambda: draft(key)


def _draft(key: str, kind: EntryKind, body: dict[str, Json]) -> EntryDraft:
    return EntryDraft(kind=kind, key=key, body=body)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(bytes(data)).hexdigest()
