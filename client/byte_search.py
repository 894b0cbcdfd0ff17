"""Byte search: whether any file of a folder holds one of some values, in every byte of it."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from highstreet.files import access_error

__all__ = ["SHORTEST_BYTES", "Searched", "search_folder", "searchable"]

#: What is shorter stands in files by chance: "1042" is in every list of prices.
SHORTEST_BYTES = 8
_CHUNK_BYTES = 8 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """What was searched and where something was found.

    Attributes:
        files, bytes: all that was read.
        values: how many were looked for.
        found_in: paths below the folder, never what was found.
    """

    files: int
    bytes: int
    values: int
    found_in: tuple[str, ...]


def searchable(values: Collection[str]) -> tuple[bytes, ...]:
    """Return the values that are long enough to be looked for, as files hold them, each once."""
    encoded = {spelling.encode() for value in values for spelling in (value, value.casefold())}
    return tuple(sorted(each for each in encoded if len(each) >= SHORTEST_BYTES))


def search_folder(root: Path, values: Collection[bytes]) -> Searched:
    """Look for values in every byte of every regular file below a folder; links are not followed.

    A file that goes away meanwhile is passed over. A value that is cut by the end of a chunk is found.

    Raises:
        FileAccessError: a file cannot be read, so nobody knows.
    """
    longest = max(map(len, values), default=1)
    files, size, found = 0, 0, []
    for folder, _, names in os.walk(root):
        for name in sorted(names):
            path = Path(folder) / name
            if path.is_symlink() or not path.is_file():
                continue
            try:
                read, is_found = _search(path, values, overlap=longest - 1)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise access_error(path, error) from error
            files, size = files + 1, size + read
            if is_found:
                found.append(path.relative_to(root).as_posix())
    return Searched(files=files, bytes=size, values=len(values), found_in=tuple(sorted(found)))


def _search(path: Path, values: Collection[bytes], *, overlap: int) -> tuple[int, bool]:
    size, tail = 0, b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            size += len(chunk)
            window = tail + chunk
            if any(value in window for value in values):
                return size, True
            tail = window[-overlap:] if overlap else b""
    return size, False
