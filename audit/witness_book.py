"""What a witness remembers: every checkpoint it cosigned, on the disk before the cosignature is given away.

One file for each log, one line for each checkpoint, with the log's signature and the witness's own. The last
line is what the next checkpoint is held against; all of them are evidence, which `highstreet audit verify
--witness` reads. A file that is lost means that the witness forgot: it begins anew, and says so.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.audit.append_only import cut, extend, locked
from highstreet.audit.checkpoints import Checkpoint, witness_key
from highstreet.audit.errors import (
    SignedNoteError,
    UnreadableDocumentError,
    WitnessRecordError,
)
from highstreet.audit.log_files import read_lines
from highstreet.audit.signed_notes import (
    NoteKey,
    SignedNote,
    cosign_text,
    verify_cosignature,
)
from highstreet.audit.signing import public_key_bytes
from highstreet.audit.witness import check_growth
from highstreet.audit.witness_file import note_in_line, to_witness_file
from highstreet.files import make_private_folder

__all__ = ["WitnessBook", "kept_file"]


class WitnessBook:
    """The checkpoints that one witness cosigned, of any number of logs; safe among threads and processes.

    Args:
        folder: private to its owner; made with the first checkpoint.
        name: the witness's own name: the origin of its own log.
        private_key: the witness's identity key.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str,
        private_key: Ed25519PrivateKey,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._name = name
        self._private_key = private_key
        self._clock = clock
        self._lock = threading.Lock()
        self.key: NoteKey = witness_key(name, public_key_bytes(private_key))

    def latest(self, log: NoteKey) -> Checkpoint | None:
        """Return the newest checkpoint of a log that was cosigned; None where none was, or it is forgotten.

        Raises:
            WitnessRecordError: what is kept of it cannot be read.
        """
        with self._held(log):
            return self._latest(log)

    def cosign(self, note: SignedNote, log: NoteKey, proof: Sequence[bytes]) -> SignedNote:
        """Keep a log's checkpoint durably and return it with this witness's cosignature alone added.

        The same checkpoint again gives what was given before.

        Args:
            note: the checkpoint, signed by its log.
            log: the log's key, known from elsewhere.
            proof: that it grew from `latest`; of any content where there is none.

        Raises:
            SignedNoteError: it is not a checkpoint of this log, signed by it.
            WitnessConflictError: the log was rewound or forked; nothing was signed.
            WitnessRecordError, FileAccessError: what is kept cannot be read or added to; nothing was signed.
        """
        shown = Checkpoint.from_note(note, log)
        own = next(line for line in note.signatures if line.is_by(log))
        with self._held(log):
            kept = self._last_note(log)
            grown = check_growth(None if kept is None else Checkpoint.from_note(kept, log), shown, proof)
            if kept is not None and not grown.is_new:
                return kept
            at = max(0, int(self._clock()))
            line = cosign_text(note.text, name=self._name, private_key=self._private_key, at=at)
            cosigned = SignedNote(text=note.text, signatures=(own, line))
            self._keep(log, cosigned)
            return cosigned

    def keep_conflict(self, note: SignedNote) -> Path:
        """Keep a checkpoint that contradicts what was cosigned, as evidence; return its file."""
        data = note.to_bytes()
        path = self._folder / f"conflict-{hashlib.sha256(data).hexdigest()[:16]}.note"
        make_private_folder(self._folder)
        extend(path, data, at=0)
        return path

    def file_of(self, log: NoteKey) -> Path:
        """Return where the checkpoints of a log are kept."""
        return kept_file(self._folder, log)

    def _latest(self, log: NoteKey) -> Checkpoint | None:
        note = self._last_note(log)
        return None if note is None else Checkpoint.from_note(note, log)

    def _last_note(self, log: NoteKey) -> SignedNote | None:
        """Read the last whole line; a torn one was never given away, and is cut off."""
        path = self.file_of(log)
        kept = read_lines(path)
        if kept.torn_bytes:
            cut(path, path.stat().st_size - kept.torn_bytes)
        if not kept.lines:
            return None
        try:
            note = note_in_line(kept.lines[-1])
            Checkpoint.from_note(note, log)
            verify_cosignature(note, self.key)
        except (SignedNoteError, UnreadableDocumentError) as error:
            raise WitnessRecordError(
                f"What this computer kept of the log {log.name} cannot be relied on ({path}).",
                next_step="Nothing is cosigned. Put the file back from a backup, or move it away: then this "
                "witness begins anew, and says so.",
            ) from error
        return note

    def _keep(self, log: NoteKey, note: SignedNote) -> None:
        path = self.file_of(log)
        extend(path, to_witness_file([note]), at=path.stat().st_size if path.exists() else 0)

    @contextmanager
    def _held(self, log: NoteKey) -> Iterator[None]:
        make_private_folder(self._folder)
        with self._lock, locked(self.file_of(log).with_suffix(".lock")):
            yield


def kept_file(folder: Path, log: NoteKey) -> Path:
    """Return where a witness keeps the checkpoints of a log in its folder."""
    return folder / f"{hashlib.sha256(log.name.encode()).hexdigest()[:32]}.jsonl"
