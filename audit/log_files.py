"""A log's folder as it lies on a disk: which files, how their lines are cut, and how much is believed.

`entries.jsonl` holds one entry a line, `heads` one signed head for every append. Both only grow. A line is
counted when its end is there; what follows the last end was being written when a process died.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from highstreet.audit.checkpoints import HEAD_LIMIT_BYTES, LogHead
from highstreet.audit.errors import LogDamagedError, SignedNoteError
from highstreet.audit.log_entries import ENTRY_LIMIT_BYTES
from highstreet.files import access_error

__all__ = ["ENTRIES", "HEADS", "Lines", "read_heads", "read_lines", "refuse_long", "verify_hint"]

ENTRIES = "entries.jsonl"
HEADS = "heads"


@dataclass(frozen=True, slots=True)
class Lines:
    """The whole lines of a file, without their ends.

    Attributes:
        lines: in order.
        torn_bytes: how much follows the last end.
    """

    lines: list[bytes]
    torn_bytes: int


def read_lines(path: Path, *, offset: int = 0) -> Lines:
    """Read a file's lines from a byte on; nothing where the file is not there.

    Raises:
        FileAccessError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            file.seek(offset)
            parts = file.read().split(b"\n")
    except FileNotFoundError:
        return Lines([], 0)
    except OSError as error:
        raise access_error(path, error) from error
    torn = parts.pop()
    return Lines(parts, len(torn))


def read_heads(lines: list[bytes], origin: str, *, where: Path) -> list[LogHead]:
    """Read lines of heads; signatures are not checked here.

    Raises:
        LogDamagedError: a line is not a head, or the sizes do not grow.
    """
    heads: list[LogHead] = []
    for number, line in enumerate(lines, start=1):
        try:
            if len(line) > HEAD_LIMIT_BYTES:
                raise SignedNoteError("A line is too long.")
            head = LogHead.from_line(line, origin)
        except SignedNoteError as error:
            raise _damaged(f"Line {number} of {where / HEADS} is not a head of this log.", where) from error
        if heads and head.checkpoint.size <= heads[-1].checkpoint.size:
            raise _damaged(f"Line {number} of {where / HEADS} is not larger than the one before.", where)
        heads.append(head)
    return heads


def refuse_long(lines: list[bytes], *, where: Path) -> None:
    """Refuse entries longer than any that was written.

    Raises:
        LogDamagedError: there is one.
    """
    if lines and max(map(len, lines)) > ENTRY_LIMIT_BYTES:
        raise _damaged(f"{where / ENTRIES} holds a line that is too long.", where)


def verify_hint(where: Path) -> str:
    """Return what to do about a log that is not in order."""
    return (
        f"Nothing is sent. `highstreet audit verify {where}` names the first entry that does not fit; put "
        "the log's folder back from the newest copy there is."
    )


def _damaged(what: str, where: Path) -> LogDamagedError:
    return LogDamagedError(what, next_step=verify_hint(where))
