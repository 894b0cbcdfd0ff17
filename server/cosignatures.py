"""What members cosigned of the coordinator's log: of each member that is in now, the newest checkpoint.

One note for each size that is some member's newest. Sizes need not be the same: who sees that two checkpoints
are of one log, by a consistency proof, knows that the witnesses of the larger one vouch for the smaller too.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from highstreet.audit.checkpoints import Checkpoint
from highstreet.audit.errors import SignedNoteError
from highstreet.audit.signed_notes import NoteKey, NoteSignature, SignedNote
from highstreet.audit.witness_file import COSIGNED_LIMIT_BYTES, read_witness_file, to_witness_file
from highstreet.files import read_limited, write_private

__all__ = ["Cosignatures"]


class Cosignatures:
    """The cosignatures under one log's checkpoints, in a file; the caller lets one write at a time.

    Args:
        path: of the file.
        log: whose checkpoints they are.
    """

    def __init__(self, path: Path, log: NoteKey) -> None:
        self._path = path
        self._log = log

    def notes(self) -> list[SignedNote]:
        """Return the checkpoints that are some member's newest, cosigned by those whose it is; sizes grow.

        A file that cannot be read counts as none: members see that theirs is missing, and give it again.
        """
        if not self._path.is_file():
            return []
        try:
            return read_witness_file(read_limited(self._path, limit_bytes=COSIGNED_LIMIT_BYTES))
        except SignedNoteError:
            return []

    def add(self, note: SignedNote, *, by: NoteKey, current: Collection[str]) -> None:
        """Keep a member's cosignature in the place of its last one, if it is of a larger checkpoint.

        Args:
            note: a checkpoint of this log; the caller checked its signature, its root and the cosignature.
            by: whose cosignature of it is kept.
            current: names of the witnesses that are members now; what others cosigned is dropped.
        """
        kept = {each.text: each for each in self.notes()}
        if any(_size(each) >= _size(note) and _by(each, by.name) for each in kept.values()):
            return
        names = {*current, self._log.name} - {by.name}
        kept = {text: _only(each, names) for text, each in kept.items()}
        own = next(line for line in note.signatures if line.is_by(self._log))
        line = next(line for line in note.signatures if line.is_by(by))
        before = kept.get(note.text)
        lines = (own, line) if before is None else (*before.signatures, line)
        kept[note.text] = SignedNote(text=note.text, signatures=lines)
        cosigned = [each for each in kept.values() if len(each.signatures) > 1]
        write_private(self._path, to_witness_file(sorted(cosigned, key=_size)))


def _size(note: SignedNote) -> int:
    return Checkpoint.from_text(note.text).size


def _by(note: SignedNote, name: str) -> NoteSignature | None:
    return next((line for line in note.signatures if line.name == name), None)


def _only(note: SignedNote, names: Collection[str]) -> SignedNote:
    lines = tuple(line for line in note.signatures if line.name in names)
    return SignedNote(text=note.text, signatures=lines)
