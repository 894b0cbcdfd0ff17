"""The coordinator's log: it follows coop.db before anything leaves, and witnesses stores' logs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing

from highstreet.audit.canonical import Json
from highstreet.audit.checkpoints import Checkpoint, coordinator_origin, log_key, store_origin, witness_key
from highstreet.audit.errors import SignedNoteError, WitnessConflictError
from highstreet.audit.log_book import LogBook
from highstreet.audit.log_entries import EntryKind
from highstreet.audit.log_owner import LogOwner
from highstreet.audit.signed_notes import SignedNote, verify_cosignature
from highstreet.audit.signing import public_key_bytes
from highstreet.audit.witness_book import WitnessBook
from highstreet.server.cosignatures import Cosignatures
from highstreet.server.database import connect
from highstreet.server.home import CoopHome
from highstreet.server.log_feed import events, published_key, state
from highstreet.server.membership import Member, current_ids

__all__ = ["CoopLog", "KnownSizeError"]

_COSIGNED = "checkpoint"
_DAY_SECONDS = 86_400


class KnownSizeError(Exception):
    """A store's checkpoint does not begin at the one cosigned last; it is told which that is.

    Attributes:
        size: of the one cosigned last; 0 where none is remembered.
    """

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


class CoopLog:
    """The log of one co-op, with what members cosigned of it; safe among threads and processes.

    Args:
        home: the co-op's folder.
        clock: seconds since 1970.

    Raises:
        LogError, FileAccessError: (when opened) the log cannot be trusted or used.
    """

    def __init__(self, home: CoopHome, *, clock: Callable[[], float] = time.time) -> None:
        self._home = home
        self._clock = clock
        self._coop_id = home.charter().coop.id
        key = home.coordinator_key()
        origin = coordinator_origin(self._coop_id)
        self.key = log_key(origin, public_key_bytes(key))
        self.book = LogBook(
            home.log,
            owner=LogOwner(origin=origin, role="coordinator", coop_id=self._coop_id),
            private_key=key,
            mark=home.log_mark,
            clock=clock,
        )
        self.witness = WitnessBook(home.witness, name=origin, private_key=key, clock=clock)
        self._cosignatures = Cosignatures(home.log / _COSIGNED, self.key)
        self._followed: tuple[int, ...] | None = None
        self._lock = threading.Lock()

    def follow(self) -> None:
        """Write down what happened since the last time; nothing may be sent before.

        Raises:
            LogError, FileAccessError, DatabaseError: it could not be written.
        """
        with self._lock, closing(connect(self._home.database)) as connection:
            now = state(connection)
            if now == self._followed:
                return
            found = dict(events(connection))
            missing = self.book.missing(found)
            if missing:
                self.book.append_all([found[key]() for key in missing])
            self._followed = now

    def place_of_release(self, number: int, manifest_sha256: str) -> int:
        """Return the place of the entry that publishes a release, 0 where there is none yet."""
        return self.book.place_of(published_key(number, manifest_sha256)) or 0

    def cosigned(self) -> list[SignedNote]:
        """Return what members cosigned, of each its newest checkpoint; sizes grow."""
        with self._lock:
            return self._cosignatures.notes()

    def add_cosignature(self, member: Member, note: SignedNote) -> None:
        """Keep a member's cosignature of a checkpoint of this log, if it cosigned none as new before.

        Raises:
            SignedNoteError: it is not a checkpoint of this log, or not cosigned by that member.
        """
        shown = Checkpoint.from_note(note, self.key)
        key = witness_key(store_origin(self._coop_id, member.member_id), member.signing_public_key)
        verify_cosignature(note, key)
        with self._lock:
            if shown.size > self.book.refresh() or self.book.root(shown.size) != shown.root:
                raise SignedNoteError("A checkpoint that this log never had was cosigned.")
            with closing(connect(self._home.database)) as connection:
                current = {store_origin(self._coop_id, each) for each in current_ids(connection)}
            self._cosignatures.add(note, by=key, current={*current, key.name})

    def cosign(
        self, member: Member, note: SignedNote, *, known_size: int, proof: Sequence[bytes]
    ) -> tuple[SignedNote, int]:
        """Witness a store's checkpoint; return it cosigned, and the size cosigned before.

        Raises:
            KnownSizeError: the proof begins elsewhere.
            SignedNoteError: it is not signed by the member's log.
            WitnessConflictError: it contradicts what was cosigned; noted in the log and kept as evidence.
            LogError, WitnessRecordError, FileAccessError: it could not be kept; nothing was signed.
        """
        origin = store_origin(self._coop_id, member.member_id)
        key = log_key(origin, member.signing_public_key)
        shown = Checkpoint.from_note(note, key)
        seen = self.witness.latest(key)
        before = 0 if seen is None else seen.size
        if known_size != before:
            raise KnownSizeError(before)
        if seen is None:
            self._note_beginning(origin, shown)
        try:
            return self.witness.cosign(note, key, proof), before
        except WitnessConflictError:
            self._note_conflict(origin, shown, note)
            raise

    def _note_beginning(self, origin: str, shown: Checkpoint) -> None:
        """Say that witnessing a log begins; or begins anew, where what was known of it is lost."""
        began = f"witness/{origin}/began"
        is_first = self.book.missing([began])
        key = began if is_first else f"{began}-anew/{shown.size}-{shown.root.hex()[:16]}"
        step = "began" if is_first else "began_anew"
        body: dict[str, Json] = {"step": step, "origin": origin, "size": shown.size, "root": shown.root.hex()}
        if self.book.missing([key]):
            self.book.append(EntryKind.WITNESS, key, body)

    def _note_conflict(self, origin: str, shown: Checkpoint, note: SignedNote) -> None:
        """Log a contradiction and keep it; once a day of one log, so that nobody fills the disk with them."""
        key = f"witness/{origin}/conflict/{int(self._clock()) // _DAY_SECONDS}"
        if self.book.missing([key]):
            self.witness.keep_conflict(note)
            body: dict[str, Json] = {
                "step": "conflict",
                "origin": origin,
                "size": shown.size,
                "root": shown.root.hex(),
            }
            self.book.append(EntryKind.WITNESS, key, body)
