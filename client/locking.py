"""A lock between the store's service and the commands its owner types: one changes a file at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from highstreet.files import access_error

__all__ = ["held"]


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
