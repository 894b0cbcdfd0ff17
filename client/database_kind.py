"""A kind of private database: its schema over the versions, how it is kept, and what its failures mean."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from highstreet.client.errors import ClientError
from highstreet.files import NO_ROOM

__all__ = ["DatabaseKind", "Fault", "fault_of"]


class Fault(Enum):
    """What can be wrong with a private database: what it means, and what to do next unless the kind says."""

    FULL = "The disk that holds {path} is full", "Free some space on it, then try again."
    BUSY = "Another Highstreet command is writing to {path}", "Wait until it has ended, then try again."
    CONTRADICTED = (
        "A change that contradicts what is in {path} was refused",
        "This is a fault of Highstreet's: report it with the command that was run.",
    )
    DISK = (
        "The disk that holds {path} could not be read or written",
        "Check that the disk is connected and a local one, then try again.",
    )
    NO_ACCESS = (
        "{path} cannot be opened or written by this user",
        "Run the command as the user who made the store, or give its folder with --home.",
    )
    DAMAGED = "{path} cannot be read: it is damaged or is not a {noun}", ""
    FOREIGN = (
        "{path} is a database of another program, not a {noun}",
        "Give this shop's own folder with --home.",
    )
    NEWER = (
        "{path} was written by a newer Highstreet",
        "Update Highstreet on this computer.",
    )


_FAULTS_OF_CODES = {
    sqlite3.SQLITE_FULL: Fault.FULL,
    sqlite3.SQLITE_BUSY: Fault.BUSY,
    sqlite3.SQLITE_LOCKED: Fault.BUSY,
    sqlite3.SQLITE_CONSTRAINT: Fault.CONTRADICTED,
    sqlite3.SQLITE_IOERR: Fault.DISK,
    sqlite3.SQLITE_READONLY: Fault.NO_ACCESS,
    sqlite3.SQLITE_CANTOPEN: Fault.NO_ACCESS,
    sqlite3.SQLITE_PERM: Fault.NO_ACCESS,
    sqlite3.SQLITE_AUTH: Fault.NO_ACCESS,
}
_NO_ACCESS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ELOOP, errno.EISDIR, errno.ENOTDIR}


def fault_of(error: sqlite3.Error | OSError) -> Fault:
    """Return which fault a low-level error is; what is not known counts as damage."""
    if isinstance(error, OSError):
        if error.errno in NO_ROOM:
            return Fault.FULL
        return Fault.NO_ACCESS if error.errno in _NO_ACCESS else Fault.DISK
    # The low byte is the kind of error, the rest of the number details it; Python's own errors have none.
    return _FAULTS_OF_CODES.get(getattr(error, "sqlite_errorcode", -1) & 0xFF, Fault.DAMAGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseKind:
    """What one of a store's databases is, and the errors it is told by.

    Attributes:
        noun: what people call it.
        outcome: what a failure left undone: "nothing was changed".
        repair: what to do with a damaged one.
        application_id: four ASCII letters that mark the file, so that another program's is not taken for one.
        migrations: scripts, one a schema version, only ever added to.
        functions: what scripts may call beside SQL's own, by name.
        identity: makes what a new one is told apart by, the single row of its table `identity`; None without
            such a table.
        has_write_ahead_log: readers and a writer do not wait for each other, but a log beside the file holds
            what was written. Without, a rollback journal is there for as long as a transaction lasts.
        forgets: what is deleted is personal or secret, so that the log is emptied after each change.
        is_checked_whole: every page and reference is looked at when it is opened; costs time with its size.
        is_shared: one connection is used by several threads, which take turns by a lock of their own.
        root: the error for faults without one of their own.
        errors: those that have one.
    """

    noun: str
    outcome: str
    repair: str
    application_id: int
    migrations: tuple[str, ...]
    functions: Mapping[str, Callable[..., bytes]] = field(default_factory=dict)
    identity: Callable[[], bytes | str] | None = None
    has_write_ahead_log: bool
    forgets: bool
    is_checked_whole: bool
    is_shared: bool
    root: type[ClientError]
    errors: Mapping[Fault, type[ClientError]]

    def explained(self, fault: Fault, path: Path) -> ClientError:
        """Return the error that says what a fault means for the shop; no cell of the database is in it."""
        what, next_step = fault.value
        return self.errors.get(fault, self.root)(
            f"{what.format(path=path, noun=self.noun)}; {self.outcome}.",
            next_step=next_step or self.repair,
        )
