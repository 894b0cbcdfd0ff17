"""A lock between the store's service and the commands its owner types: one changes a file at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from highstreet.files import access_error

__all__ = ["held", "import_lock", "is_held"]


def import_lock(vault: Path) -> Path:
    """Return the lock file of who brings customers into a vault or erases them."""
    return vault.with_name("import.lock")


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Wait for a lock file and hold it while the block runs; the kernel frees it when the process dies.

    Raises:
        FileAccessError: the lock file cannot be made.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise access_error(path, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Say whether somebody holds a lock file at this moment.

    Raises:
        FileAccessError: it cannot be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise access_error(path, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two may look at once
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
