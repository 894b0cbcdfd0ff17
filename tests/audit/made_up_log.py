"""A made-up log with its witness: written by the real book, for tests to tamper with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.audit.checkpoints import (
    Checkpoint,
    LogHead,
    coordinator_origin,
    log_key,
    store_origin,
    witness_key,
)
from highstreet.audit.evidence import Evidence, read_evidence
from highstreet.audit.log_book import LogBook
from highstreet.audit.log_entries import EntryDraft, EntryKind, LogEntry
from highstreet.audit.log_owner import LogOwner
from highstreet.audit.merkle import MerkleTree, leaf_hash
from highstreet.audit.signed_notes import NoteKey, SignedNote
from highstreet.audit.signing import public_key_bytes
from highstreet.audit.verifier import LogMaterial
from highstreet.audit.witness_book import WitnessBook
from highstreet.audit.witness_file import read_witness_file

COOP_ID = "ab" * 16
ORIGIN = coordinator_origin(COOP_ID)
OWNER = LogOwner(origin=ORIGIN, role="coordinator", coop_id=COOP_ID)
BEGAN = 1_800_000_000


def made_up_key(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


#: The one that witnesses a `MadeUpLog`.
WITNESS = witness_key(store_origin(COOP_ID, "cd" * 8), public_key_bytes(made_up_key("store")))


def draft(number: int, *, word: str = "opened") -> EntryDraft:
    body = {
        "run": "training",
        "programme_id": f"{number:016x}",
        "round": number,
        "phase": "popularity",
        "step": word,
        "document_sha256": hashlib.sha256(b"request %d" % number).hexdigest(),
    }
    return EntryDraft(kind=EntryKind.ROUND, key=f"round/{number}", body=body)


@dataclass
class MadeUpLog:
    """A log of a coordinator, and one store that witnesses it now and then.

    An entry a minute; the witness cosigns after every `every`th entry.
    """

    folder: Path
    count: int = 24
    every: int = 6
    key: Ed25519PrivateKey = field(default_factory=lambda: made_up_key("coordinator"))
    now: float = BEGAN

    def __post_init__(self) -> None:
        self.book = LogBook(
            self.folder / "log",
            owner=OWNER,
            private_key=self.key,
            mark=self.folder / "keys" / "log.mark",
            clock=lambda: self.now,
        )
        self.witness = WitnessBook(
            self.folder / "witness",
            name=store_origin(COOP_ID, "cd" * 8),
            private_key=made_up_key("store"),
            clock=lambda: self.now,
        )
        for number in range(self.count - 1):
            self.now += 60
            self.book.append_all([draft(number)])
            if self.book.size % self.every == 0:
                self.cosign()

    @property
    def log_key(self) -> NoteKey:
        return log_key(ORIGIN, public_key_bytes(self.key))

    def cosign(self) -> None:
        seen = self.witness.latest(self.log_key)
        proof = self.book.consistency_proof(seen.size if seen else 0, self.book.size)
        self.witness.cosign(self.book.note(), self.log_key, proof)

    @property
    def entries(self) -> list[bytes]:
        return (self.folder / "log" / "entries.jsonl").read_bytes().splitlines()

    @property
    def heads(self) -> list[bytes]:
        return (self.folder / "log" / "heads").read_bytes().splitlines()

    @property
    def witness_file(self) -> Path:
        return self.witness.file_of(self.log_key)

    def write(self, *, entries: Sequence[bytes] | None = None, heads: Sequence[bytes] | None = None) -> None:
        for name, lines in (("entries.jsonl", entries), ("heads", heads)):
            if lines is not None:
                (self.folder / "log" / name).write_bytes(b"".join(line + b"\n" for line in lines))

    def material(self) -> LogMaterial:
        return LogMaterial(entries=self.entries, heads=self.heads)


def signed_anew(entries: Sequence[bytes], key: Ed25519PrivateKey) -> list[bytes]:
    """The heads that a log with these entries has: what the holder of the key can always make."""
    tree, heads = MerkleTree(), []
    for entry in entries:
        tree.append(leaf_hash(entry))
        head: LogHead = Checkpoint(origin=ORIGIN, size=len(tree), root=tree.root()).sign(key)
        heads.append(head.to_line()[:-1])
    return heads


def changed(entry: bytes, change: Callable[[LogEntry], LogEntry]) -> bytes:
    return change(LogEntry.from_document(entry)).document()


def notes_of(path: Path) -> list[SignedNote]:
    return read_witness_file(path.read_bytes())


def evidence_of(path: Path) -> Evidence:
    return read_evidence(path.read_bytes(), where=str(path))


def edited(entry: bytes) -> bytes:
    """The entry of a round as somebody who has another number of contributors in mind would write it."""

    def change(each: LogEntry) -> LogEntry:
        return replace(each, draft=replace(each.draft, body={**each.draft.body, "contributors": 3}))

    return changed(entry, change)
