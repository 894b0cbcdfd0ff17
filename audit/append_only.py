"""A file that only grows: one writer at a time, each piece on the disk before it counts, torn ends cut."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from highstreet.audit.errors import LogBusyError
from highstreet.files import access_error, sync_folder

__all__ = ["cut", "extend", "locked"]

_LOCK_SECONDS = 60.0


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file among processes while the block runs; the kernel frees it when one dies.

    Raises:
        LogBusyError: another process held it all the time.
        FileAccessError: it cannot be made.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise access_error(path, error) from error
    try:
        _wait_for(descriptor, path)
        yield
    finally:
        os.close(descriptor)


def _wait_for(descriptor: int, path: Path) -> None:
    end = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in {errno.EAGAIN, errno.EACCES} or time.monotonic() > end:
                raise LogBusyError(
                    f"Another process goes on writing in {path.parent}.",
                    next_step="Try again in a minute.",
                ) from error
            time.sleep(0.005)
        else:
            return


def extend(path: Path, data: bytes, *, at: int) -> None:
    """Write bytes behind a file's known end and force them to the disk; on failure the file is cut back.

    Raises:
        DiskFullError, FileAccessError: they are not there.
    """
    try:
        is_new = not path.exists()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(descriptor, data[written:], at + written)
            os.fsync(descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, at)
            raise
        finally:
            os.close(descriptor)
        if is_new:
            sync_folder(path.parent)
    except OSError as error:
        raise access_error(path, error) from error


def cut(path: Path, end: int) -> None:
    """Cut off what follows a file's known end, and force that to the disk; nothing where nothing does.

    Raises:
        FileAccessError: it cannot be cut.
    """
    try:
        if path.exists() and path.stat().st_size > end:
            with path.open("r+b") as file:
                file.truncate(end)
                os.fsync(file.fileno())
    except OSError as error:
        raise access_error(path, error) from error
