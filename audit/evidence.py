"""What somebody brings to hold a log against: checkpoints that witnesses kept, read line by line.

A line that cannot be used is named and hides no other. Nothing here is checked but the form: which
signatures count is for the verifier (`audit.verifier`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from highstreet.audit.errors import SignedNoteError, UnreadableDocumentError
from highstreet.audit.signed_notes import SignedNote
from highstreet.audit.witness_file import note_in_line

__all__ = ["Brought", "Evidence", "Unusable", "read_evidence", "read_notes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """A signed note, and where it comes from.

    Attributes:
        where: file and line, in the words of the person who brought it.
        note: with signatures that nobody has checked.
    """

    where: str
    note: SignedNote


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusable:
    """Something that was brought and says nothing.

    Attributes:
        where: file and line.
        why: one sentence.
    """

    where: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that was brought.

    Attributes:
        notes: in the order in which they were read, which means nothing.
        unusable: what could not be read.
    """

    notes: tuple[Brought, ...] = ()
    unusable: tuple[Unusable, ...] = ()

    def __add__(self, other: Evidence) -> Evidence:
        """Return both together."""
        return Evidence(notes=self.notes + other.notes, unusable=self.unusable + other.unusable)


def read_evidence(data: bytes, *, where: str) -> Evidence:
    """Read what a witness kept of a log, a line for each checkpoint, or a single signed note.

    Raises nothing: what cannot be used is said in `Evidence.unusable`.

    Args:
        data: a file's content.
        where: what the file is called.
    """
    if not data:
        return Evidence(unusable=(Unusable(where=where, why="The file is empty."),))
    if not data.startswith(b"{"):
        return _read([(where, data)], SignedNote.from_bytes)
    *lines, torn = data.split(b"\n")
    places = [f"{where}, line {number}" for number in range(1, len(lines) + 1)]
    found = _read(zip(places, lines, strict=True), note_in_line)
    if torn:
        why = f"{len(torn)} bytes follow the last whole line: a process died there, or the file was cut."
        found += Evidence(unusable=(Unusable(where=where, why=why),))
    return found


def read_notes(documents: Iterable[bytes], *, where: str) -> Evidence:
    """Read signed notes that came otherwise than in a file.

    Args:
        documents: a note each.
        where: what they are called, before their number.
    """
    places = ((f"{where} {number}", data) for number, data in enumerate(documents, start=1))
    return _read(places, SignedNote.from_bytes)


def _read(parts: Iterable[tuple[str, bytes]], reader: Callable[[bytes], SignedNote]) -> Evidence:
    notes, unusable = list[Brought](), list[Unusable]()
    for where, data in parts:
        try:
            notes.append(Brought(where=where, note=reader(data)))
        except (SignedNoteError, UnreadableDocumentError) as error:
            unusable.append(Unusable(where=where, why=error.what))
    return Evidence(notes=tuple(notes), unusable=tuple(unusable))
