"""The file of what a witness kept of a log: a line for each checkpoint, with the signatures under it."""

from __future__ import annotations

from collections.abc import Iterable

from highstreet.audit.canonical import canonical_json, read_canonical
from highstreet.audit.errors import SignedNoteError, UnreadableDocumentError
from highstreet.audit.signed_notes import NOTE_LIMIT_BYTES, SignedNote

__all__ = ["COSIGNED_LIMIT_BYTES", "note_in_line", "read_witness_file", "to_witness_file"]

#: What others cosigned of a log: at most a note for each of as many witnesses as a note has lines.
COSIGNED_LIMIT_BYTES = 16 << 20

_LINE_LIMIT_BYTES = 2 * NOTE_LIMIT_BYTES


def to_witness_file(notes: Iterable[SignedNote]) -> bytes:
    """Return the lines in which notes are kept; `read_witness_file` gives back the same."""
    return b"".join(canonical_json({"note": note.to_bytes().decode()}) + b"\n" for note in notes)


def read_witness_file(data: bytes) -> list[SignedNote]:
    """Read what a witness kept of a log, or a single signed note; signatures are not checked here.

    Raises:
        SignedNoteError: it is neither.
    """
    if not data.startswith(b"{"):
        return [SignedNote.from_bytes(data)]
    try:
        return [note_in_line(line) for line in data.split(b"\n")[:-1]]
    except UnreadableDocumentError as error:
        raise SignedNoteError("The file is not what a witness keeps of a log.") from error


def note_in_line(line: bytes) -> SignedNote:
    """Read one line of what a witness kept, without its end.

    Raises:
        SignedNoteError, UnreadableDocumentError: it is not one.
    """
    value = read_canonical(line, limit_bytes=_LINE_LIMIT_BYTES)
    text = value.get("note")
    if set(value) != {"note"} or not isinstance(text, str):
        raise SignedNoteError("A line of a witness's file is not one.")
    return SignedNote.from_bytes(text.encode())
