"""Private files that are either as they were or as they should be, also after a crash or on a full disk."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Mapping
from pathlib import Path

from highstreet.errors import HighstreetError

__all__ = [
    "NO_ROOM",
    "DiskFullError",
    "FileAccessError",
    "access_error",
    "is_private_folder",
    "make_private_folder",
    "read_limited",
    "remove_leftovers",
    "sync_folder",
    "write_private",
    "write_private_files",
]

#: The numbers of errors that say a disk, or a user's part of it, is full.
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class FileAccessError(HighstreetError):
    """A file or folder of ours cannot be read or written."""


class DiskFullError(FileAccessError):
    """There is no room left; what was there before is unchanged."""


def make_private_folder(path: Path) -> None:
    """Make a folder, with its parents, that only its owner may enter; one that exists is made private.

    A new one outlives a power cut, as what is forced to the disk in it is meant to.
    """
    try:
        new = [each for each in (path, *path.parents) if not each.exists()]
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.chmod(0o700)
        for each in new:
            with contextlib.suppress(PermissionError):  # a parent that may be written in, but not read
                sync_folder(each.parent)
    except OSError as error:
        raise access_error(path, error) from error


def write_private(path: Path, data: bytes) -> None:
    """Replace a file's content at once, readable by its owner only.

    The bytes go to a new file beside it, are forced to the disk, and take the name in one step: a reader
    sees the old content or the new, never a part.

    Raises:
        DiskFullError: no room; the old content is still there.
        FileAccessError: the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            sync_folder(path.parent)
        finally:
            with contextlib.suppress(FileNotFoundError):
                temporary.unlink()
    except OSError as error:
        raise access_error(path, error) from error


def write_private_files(folder: Path, files: Mapping[str, bytes]) -> list[Path]:
    """Write files into a folder, which is made private where it does not exist; return where they are.

    Raises:
        DiskFullError, FileAccessError: as `write_private`.
    """
    if not folder.exists():
        make_private_folder(folder)
    for name, data in files.items():
        write_private(folder / name, data)
    return [folder / name for name in files]


def is_private_folder(folder: Path) -> bool:
    """Say whether a folder lets nobody in but its owner; what lies in it is out of others' reach then.

    Raises:
        FileAccessError: it is not there, or cannot be looked at.
    """
    try:
        return folder.is_dir() and not folder.stat().st_mode & 0o077
    except OSError as error:
        raise access_error(folder, error) from error


def remove_leftovers(folder: Path, name: str = "*") -> None:
    """Remove what `write_private` left half written when its process was killed.

    The caller sees to it that nobody is writing now.

    Args:
        folder: where the files are.
        name: of the file; of any file by default.

    Raises:
        FileAccessError: the folder cannot be written.
    """
    try:
        for leftover in folder.glob(f".{name}.*.tmp"):
            leftover.unlink(missing_ok=True)
    except OSError as error:
        raise access_error(folder, error) from error


def read_limited(path: Path, *, limit_bytes: int) -> bytes:
    """Return a file's content; refuse one larger than the limit before reading it.

    Raises:
        FileAccessError: missing, unreadable or too large.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit_bytes + 1)
    except OSError as error:
        raise access_error(path, error) from error
    if len(data) > limit_bytes:
        raise FileAccessError(f"{path} is larger than {limit_bytes} bytes, which is not a file of ours.")
    return data


def sync_folder(path: Path) -> None:
    """Force a folder's entries to the disk, so that a rename outlives a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def access_error(path: Path, error: OSError) -> FileAccessError:
    """Say in one sentence why a path could not be used."""
    if error.errno in NO_ROOM:
        return DiskFullError(
            f"There is no room left on the disk to write {path}; nothing was changed.",
            next_step="Free some space and try again.",
        )
    if isinstance(error, FileNotFoundError):
        return FileAccessError(f"{path} does not exist.")
    if isinstance(error, PermissionError):
        return FileAccessError(
            f"{path} may not be read or written by this user.",
            next_step="Run the command as the user it belongs to, or choose another place with --home.",
        )
    return FileAccessError(f"{path} cannot be used: {error.strerror}.", next_step="Check it and try again.")
