"""How the logs stand, in a sentence for the owner: this shop's, and what it saw of the coordinator's."""

from __future__ import annotations

from highstreet.audit.checkpoints import Checkpoint, coordinator_origin, log_key
from highstreet.audit.errors import SignedNoteError
from highstreet.audit.log_files import ENTRIES, read_lines
from highstreet.audit.signed_notes import NOTE_LIMIT_BYTES, SignedNote
from highstreet.audit.witness_book import kept_file
from highstreet.audit.witness_file import read_witness_file
from highstreet.client.contradiction import contradictions
from highstreet.client.home import StoreHome
from highstreet.client.membership import load_membership
from highstreet.files import read_limited

__all__ = ["log_in_words"]

_WITNESS_LIMIT_BYTES = 1 << 30


def log_in_words(home: StoreHome) -> str:
    """Say how far the logs were witnessed, or that they contradict each other; looks only, changes nothing.

    Raises:
        NotJoinedError: the store is in no co-op.
        FileAccessError: a file cannot be read.
    """
    if contradictions(home):
        return (
            "Log: the coordinator's log contradicts what it showed before. This shop takes part in nothing "
            "until you looked: `highstreet store contradiction`."
        )
    own = len(read_lines(home.log / ENTRIES).lines)
    if not own:
        return "Log: none yet; it begins when the shop runs."
    try:
        return (
            f"Log: {own:,} entries, {_cosigned(home):,} of them cosigned by the coordinator; this shop "
            f"cosigned {_seen(home):,} of the coordinator's."
        )
    except SignedNoteError:
        return (
            "Log: what was cosigned cannot be read. `highstreet audit verify` on the folder "
            f"{home.log} shows what does not fit."
        )


def _cosigned(home: StoreHome) -> int:
    path = home.log / "checkpoint"
    if not path.is_file():
        return 0
    note = SignedNote.from_bytes(read_limited(path, limit_bytes=NOTE_LIMIT_BYTES))
    return Checkpoint.from_text(note.text).size


def _seen(home: StoreHome) -> int:
    membership = load_membership(home)
    theirs = log_key(coordinator_origin(membership.coop_id), membership.coordinator_key)
    path = kept_file(home.witness, theirs)
    if not path.is_file():
        return 0
    notes = read_witness_file(read_limited(path, limit_bytes=_WITNESS_LIMIT_BYTES))
    return Checkpoint.from_text(notes[-1].text).size if notes else 0
