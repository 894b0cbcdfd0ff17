"""The durable log that store and coordinator both write: entries that only grow, signed at every append.

An append writes the entries, then the head that covers them, then the mark, each forced to the disk before
the next. What no head covers was never acknowledged, and is dropped when the log is opened again: a power cut
costs an append that did not happen, never half of one. What a head covers is never repaired. The mark is the
newest head once more, outside the folder: a log that is behind it was put back from an old copy.

Opening reads every entry, hashes it anew and compares the tree with the newest signed head. So a log that was
edited, cut short, swapped or put back is refused before anything is written to it or sent.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.audit.append_only import cut, extend, locked
from highstreet.audit.canonical import Json
from highstreet.audit.checkpoints import Checkpoint, LogHead, log_key
from highstreet.audit.errors import (
    LogConflictError,
    LogDamagedError,
    LogEntryError,
    LogRewoundError,
    SignedNoteError,
)
from highstreet.audit.log_entries import EntryDraft, EntryKind, LogEntry, key_in
from highstreet.audit.log_files import (
    ENTRIES,
    HEADS,
    read_heads,
    read_lines,
    refuse_long,
    verify_hint,
)
from highstreet.audit.log_owner import LogOwner
from highstreet.audit.merkle import MerkleTree, leaf_hash
from highstreet.audit.signed_notes import SignedNote
from highstreet.audit.signing import public_key_bytes
from highstreet.files import access_error, make_private_folder, read_limited, write_private

__all__ = ["LogBook"]

_LOCK = "log.lock"
_MARK_LIMIT_BYTES = 1024


class LogBook:
    """One log, open for appending; safe to share between threads, and between processes through its files.

    Args:
        folder: of the log; private to its owner.
        owner: whose it is.
        private_key: the owner's identity key.
        mark: where the newest head lies once more; outside the folder, so that not both are put back.
        clock: seconds since 1970. An entry is never dated before the one in front of it: a clock set back
            dates entries like the latest.

    Raises:
        LogDamagedError: (when opened) the files are not what was written, or another log's.
        LogRewoundError: (when opened) the log is older than its mark.
        LogBusyError, FileAccessError: it cannot be used now.
    """

    def __init__(
        self,
        folder: Path,
        *,
        owner: LogOwner,
        private_key: Ed25519PrivateKey,
        mark: Path,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._owner = owner
        self._private_key = private_key
        self._key = log_key(owner.origin, public_key_bytes(private_key))
        self._mark = mark
        self._clock = clock
        self._lock = threading.RLock()
        self._forget()
        make_private_folder(folder)
        make_private_folder(mark.parent)
        with self._writing():
            pass

    @property
    def size(self) -> int:
        """How many entries there are, as far as this process has seen."""
        with self._lock:
            return len(self._tree)

    @property
    def origin(self) -> str:
        """The log's name."""
        return self._owner.origin

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self._folder

    def append(self, kind: EntryKind, key: str, body: Mapping[str, Json]) -> int:
        """Write one entry durably and return its place; under a key that is there already, change nothing.

        Raises:
            LogEntryError: the body is not of the form of its kind.
            LogConflictError: another entry stands under that key.
            LogError, FileAccessError: it could not be written; what was to be logged must not be done.
        """
        return self.append_all([EntryDraft(kind=kind, key=key, body=body)])[0]

    def append_all(self, drafts: Sequence[EntryDraft]) -> list[int]:
        """Write entries durably under one head, those not there yet; return the places of all.

        Raises: as `append`; then nothing of it is in the log.
        """
        with self._writing():
            places: dict[str, int] = {}
            new: list[LogEntry] = []
            at = max(int(self._clock()), self._last_at)
            for draft in drafts:
                known = self._places.get(draft.key, places.get(draft.key))
                if known is None:
                    known = len(self._tree) + len(new)
                    new.append(LogEntry(at=at, draft=draft))
                elif known < len(self._tree):
                    self._refuse_another(draft, self._read(known, 1)[0])
                else:
                    self._refuse_another(draft, new[known - len(self._tree)].document())
                places[draft.key] = known
            if new:
                self._write(new)
            return [places[draft.key] for draft in drafts]

    def missing(self, keys: Iterable[str]) -> list[str]:
        """Return those of the keys that no entry stands under yet, in any process's writing."""
        with self._writing():
            return [key for key in keys if key not in self._places]

    def place_of(self, key: str) -> int | None:
        """Return where the entry of this key stands, None where there is none, in any process's writing."""
        with self._writing():
            return self._places.get(key)

    def refresh(self) -> int:
        """Take in what other processes wrote; return how many entries there are.

        Raises:
            LogDamagedError: the files are not what was written.
            LogBusyError, FileAccessError: they cannot be read now.
        """
        with self._writing():
            return len(self._tree)

    def entries(self, first: int, count: int) -> list[bytes]:
        """Return entries as they were written, from a place on, as many as there are of those asked for."""
        with self._lock:
            last = min(first + max(0, count), len(self._tree))
            return self._read(first, last - first) if 0 <= first < last else []

    def head(self) -> LogHead:
        """Return the newest head, signed."""
        with self._lock:
            return self._head

    def note(self) -> SignedNote:
        """Return the newest checkpoint as it travels."""
        return self.head().note()

    def root(self, size: int) -> bytes:
        """Return the head of the first entries; IndexError where there are not so many."""
        with self._lock:
            return self._tree.root(size)

    def inclusion_proof(self, index: int, size: int) -> tuple[bytes, ...]:
        """Return the proof that an entry is in the log of that size; IndexError where it is not."""
        with self._lock:
            return self._tree.inclusion_proof(index, size)

    def consistency_proof(self, first: int, size: int) -> tuple[bytes, ...]:
        """Return the proof that the log grew from one size to another; IndexError where it did not."""
        with self._lock:
            return self._tree.consistency_proof(first, size)

    def _forget(self) -> None:
        self._tree = MerkleTree()
        self._ends: list[int] = []
        self._places: dict[str, int] = {}
        self._last_at = 0
        self._heads_end = 0
        self._last_line = b""
        self._head: LogHead
        self._is_marked = True

    @contextmanager
    def _writing(self) -> Iterator[Self]:
        """Hold the log for this thread and this process, with all that others wrote taken in and checked."""
        with self._lock, locked(self._folder / _LOCK):
            self._catch_up()
            yield self

    def _catch_up(self) -> None:
        self._refuse_changed_heads()
        heads = read_lines(self._folder / HEADS, offset=self._heads_end)
        fresh = read_heads(heads.lines, self._owner.origin, where=self._folder)
        if not fresh and self._ends:
            self._drop_torn()
            self._set_mark()
            return
        covered = fresh[-1].checkpoint.size if fresh else 0
        marked = self._marked()
        if marked is not None and marked.size > max(covered, len(self._tree)):
            raise LogRewoundError(
                f"The log {self._folder} ends at entry {covered}, but {marked.size} were written.",
                next_step=verify_hint(self._folder),
            )
        if not fresh:
            self._begin()
            return
        if fresh[0].checkpoint.size <= len(self._tree):
            raise self._damaged("The log's heads do not grow.")
        self._take_in(covered, fresh[-1])
        self._heads_end += sum(len(line) + 1 for line in heads.lines)
        self._last_line = heads.lines[-1]
        self._check_mark(marked)
        self._drop_torn()

    def _take_in(self, covered: int, head: LogHead) -> None:
        """Hash the entries up to a size anew and compare with the head that covers them."""
        known = len(self._tree)
        start = self._ends[-1] if self._ends else 0
        lines = read_lines(self._folder / ENTRIES, offset=start).lines[: covered - known]
        refuse_long(lines, where=self._folder)
        if len(lines) < covered - known:
            raise self._damaged(f"The log holds {known + len(lines)} entries; {covered} were signed.")
        tree = self._tree
        for line in lines:
            tree.append(leaf_hash(line))
        try:
            checkpoint = head.verify(self._key)
        except SignedNoteError as error:
            self._forget()
            raise self._damaged("The log's newest head is not signed by this log's key.") from error
        if checkpoint.root != tree.root():
            self._forget()
            raise self._damaged("An entry of the log is not what was written.")
        last = LogEntry.from_document(lines[-1])
        if not known:
            self._refuse_another_log(lines[0])
        self._ends.extend(list(accumulate((len(line) + 1 for line in lines), initial=start))[1:])
        self._places.update((key_in(line), known + number) for number, line in enumerate(lines))
        self._last_at, self._head = last.at, head

    def _begin(self) -> None:
        """Write the first entry of a log that never was."""
        if self._mark.exists():
            raise LogRewoundError(
                f"The log {self._folder} is gone, but entries were written to it.",
                next_step=verify_hint(self._folder),
            )
        self._drop_torn()
        opening = self._owner.opening(self._key.public_key)
        self._write([LogEntry(at=max(0, int(self._clock())), draft=opening)])

    def _write(self, new: Sequence[LogEntry]) -> None:
        """Put entries behind the last, then the head that covers them, then the mark."""
        lines = [entry.document() for entry in new]
        start = self._ends[-1] if self._ends else 0
        grown = [leaf_hash(line) for line in lines]
        checkpoint = Checkpoint(
            origin=self._owner.origin, size=len(self._tree) + len(new), root=self._tree.root_with(grown)
        )
        head = checkpoint.sign(self._private_key)
        extend(self._folder / ENTRIES, b"".join(line + b"\n" for line in lines), at=start)
        extend(self._folder / HEADS, head.to_line(), at=self._heads_end)
        for entry, line, leaf in zip(new, lines, grown, strict=True):
            self._places[entry.draft.key] = len(self._tree)
            self._tree.append(leaf)
            start += len(line) + 1
            self._ends.append(start)
        self._heads_end += len(head.to_line())
        self._last_line = head.to_line()[:-1]
        self._head, self._last_at = head, new[-1].at
        self._is_marked = False
        self._set_mark()

    def _set_mark(self) -> None:
        """Write the mark, where that is still to be done."""
        if not self._is_marked:
            write_private(self._mark, self._head.to_line())
            self._is_marked = True

    def _read(self, first: int, count: int) -> list[bytes]:
        start = self._ends[first - 1] if first else 0
        length = self._ends[first + count - 1] - start
        try:
            with (self._folder / ENTRIES).open("rb") as file:
                file.seek(start)
                data = file.read(length)
        except OSError as error:
            raise access_error(self._folder / ENTRIES, error) from error
        lines = data.split(b"\n")[:-1]
        if [leaf_hash(line) for line in lines] != [self._tree.leaf(first + n) for n in range(count)]:
            raise self._damaged("An entry of the log was changed while it was in use.")
        return lines

    def _refuse_another(self, draft: EntryDraft, document: bytes) -> None:
        there = LogEntry.from_document(document).draft
        if (there.kind, dict(there.body)) != (draft.kind, dict(draft.body)):
            raise LogConflictError(
                f"The log holds another entry under {draft.key}.", next_step=verify_hint(self._folder)
            )

    def _refuse_another_log(self, first: bytes) -> None:
        try:
            self._refuse_another(self._owner.opening(self._key.public_key), first)
        except (LogConflictError, LogEntryError) as error:
            self._forget()
            raise self._damaged("The log is another's.") from error

    def _refuse_changed_heads(self) -> None:
        """Refuse files that are no longer what this process knows: put back, or swapped, while in use."""
        if not self._last_line:
            return
        place = self._heads_end - len(self._last_line) - 1
        heads, entries = self._folder / HEADS, self._folder / ENTRIES
        try:
            with heads.open("rb") as file:
                file.seek(place)
                is_same = file.read(len(self._last_line) + 1) == self._last_line + b"\n"
            is_whole = entries.stat().st_size >= self._ends[-1]
        except OSError as error:
            raise access_error(heads, error) from error
        if not is_same or not is_whole:
            raise LogRewoundError(
                f"The log {self._folder} was put back or changed while it was in use.",
                next_step=verify_hint(self._folder),
            )

    def _marked(self) -> Checkpoint | None:
        if not self._mark.exists():
            return None
        line = read_limited(self._mark, limit_bytes=_MARK_LIMIT_BYTES).removesuffix(b"\n")
        try:
            return LogHead.from_line(line, self._owner.origin).verify(self._key)
        except SignedNoteError as error:
            raise self._damaged(f"The log's mark {self._mark} is damaged or another log's.") from error

    def _check_mark(self, marked: Checkpoint | None) -> None:
        """Refuse a mark that is not of this log's past; bring one up to date that a crash left behind."""
        if marked is None and len(self._tree) > 1:
            raise LogRewoundError(
                f"The mark of the log {self._folder} is gone, so its age is unknown.",
                next_step=verify_hint(self._folder),
            )
        if marked is not None and self._tree.root(marked.size) != marked.root:
            raise LogRewoundError(
                f"The log {self._folder} is not the one that was written to.",
                next_step=verify_hint(self._folder),
            )
        self._is_marked = marked is not None and marked.size == len(self._tree)
        self._set_mark()

    def _drop_torn(self) -> None:
        """Cut off what no head covers; a process died while it wrote that."""
        for name, end in ((ENTRIES, self._ends[-1] if self._ends else 0), (HEADS, self._heads_end)):
            cut(self._folder / name, end)

    def _damaged(self, what: str) -> LogDamagedError:
        return LogDamagedError(f"{what} ({self._folder})", next_step=verify_hint(self._folder))
