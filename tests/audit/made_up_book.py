"""A log on the disk, of a made-up coordinator, with a few entries in it."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.audit.checkpoints import coordinator_origin
from highstreet.audit.log_book import LogBook
from highstreet.audit.log_entries import EntryDraft, EntryKind
from highstreet.audit.log_owner import LogOwner

COOP_ID = "ab" * 16
OWNER = LogOwner(origin=coordinator_origin(COOP_ID), role="coordinator", coop_id=COOP_ID)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def open_book(folder: Path, *, key: Ed25519PrivateKey = KEY, now: float = 1_800_000_000.5) -> LogBook:
    mark = folder / "keys" / "log.mark"
    return LogBook(folder / "log", owner=OWNER, private_key=key, mark=mark, clock=lambda: now)


def draft_of(number: int) -> EntryDraft:
    body = {"position": number, "root": "0f" * 32}
    return EntryDraft(kind=EntryKind.CONSENT_ROOT, key=f"consent/{number}", body=body)


def filled_book(folder: Path, count: int = 5) -> LogBook:
    book = open_book(folder)
    for number in range(count):
        book.append_all([draft_of(number)])
    return book


def lines_of(folder: Path) -> list[bytes]:
    return (folder / "log" / "entries.jsonl").read_bytes().splitlines()
