"""A quorum of witnesses: up to which entry enough members vouch that they were shown one and the same log.

A witness cosigns a checkpoint only of a log that grew from the one it cosigned before. So whoever cosigned a
checkpoint vouches for every entry in it, and witnesses need not have cosigned the same size: an entry has as
many witnesses as cosigned a size beyond its place.

Guarantee, for n members of whom c work with the log's owner, and a quorum of f: no two members that are
honest can each find a quorum for its own of two logs that part, when 2 f > n + c; for each honest member
cosigns one of the two at most. Below that a log can be shown split, but on each side to f - c honest members
at the least. What is assumed: a witness keeps its record, and counts nobody who is not a member.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from highstreet.audit.checkpoints import Checkpoint
from highstreet.audit.errors import SignedNoteError
from highstreet.audit.signed_notes import NoteKey, SignedNote, verify_cosignature

__all__ = ["cosigned_sizes"]


def cosigned_sizes(
    notes: Sequence[SignedNote], log: NoteKey, witnesses: Mapping[str, NoteKey]
) -> dict[str, int]:
    """Return the largest size that each witness cosigned; a cosignature that does not hold counts as none.

    Args:
        notes: checkpoints that are known to be of one log.
        log: its key.
        witnesses: keys by name; each name is one member.

    Raises:
        SignedNoteError: one is not a checkpoint that the log signed.
    """
    sizes: dict[str, int] = {}
    for note in notes:
        size = Checkpoint.from_note(note, log).size
        for name, key in witnesses.items():
            if size > sizes.get(name, 0) and _holds(note, key):
                sizes[name] = size
    return sizes


def _holds(note: SignedNote, key: NoteKey) -> bool:
    if not any(line.is_by(key) for line in note.signatures):
        return False
    try:
        verify_cosignature(note, key)
    except SignedNoteError:
        return False
    return True
