"""Byte search: whether any file of a folder holds one of some values, in every byte of it."""

from __future__ import annotations

import html
import json
import os
import stat
from collections.abc import Collection
from dataclasses import dataclass
from html.entities import codepoint2name
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
        links: paths of links below the folder; what they lead to was not read.
    """

    files: int
    bytes: int
    values: int
    found_in: tuple[str, ...]
    links: tuple[str, ...]


def searchable(values: Collection[str]) -> tuple[bytes, ...]:
    """Return what to look for: the values that are long enough, in each way that files spell and encode them.

    As they are, in small and in capital letters; in UTF-8 and UTF-16 of either order; with the escapes of
    JSON and of HTML. Letters from A to Z are small ones in all of it: `search_folder` reads files that way.
    """
    found = set()
    for value in values:
        for spelling in (value, value.casefold(), value.lower(), value.upper()):
            if len(spelling.encode()) >= SHORTEST_BYTES:
                found |= _encodings(spelling)
    return tuple(sorted(found))


def _encodings(spelling: str) -> set[bytes]:
    escaped = json.dumps(spelling)[1:-1]
    marked = html.escape(spelling)
    texts = {
        escaped,
        escaped.replace("/", "\\/"),
        json.dumps(spelling, ensure_ascii=False)[1:-1],
        marked,
        html.escape(spelling, quote=False),
        marked.encode("ascii", "xmlcharrefreplace").decode(),
        "".join(each if each.isascii() else f"&#x{ord(each):x};" for each in marked),
        "".join(_named(each) for each in spelling),
    }
    wide = {spelling.encode("utf-16-le"), spelling.encode("utf-16-be")}
    return {each.lower() for each in {spelling.encode(), *wide, *(text.encode() for text in texts)}}


def _named(character: str) -> str:
    name = codepoint2name.get(ord(character))
    return f"&{name};" if name else character


def search_folder(root: Path, values: Collection[bytes]) -> Searched:
    """Look for values in every byte of every regular file below a folder, letters from A to Z in either case.

    A link is not followed: it is named, and whoever asks decides what that means. A file that goes away
    meanwhile is passed over. A value that is cut by the end of a chunk is found.

    Raises:
        FileAccessError: a file or folder cannot be read, so nobody knows.
    """
    wanted = {value.lower() for value in values}
    longest = max(map(len, wanted), default=1)
    files, size, found, links = 0, 0, [], []
    for folder, folders, names in os.walk(root, onerror=_refuse):
        for name in sorted([*folders, *names]):
            path = Path(folder) / name
            try:
                mode = path.lstat().st_mode
                if stat.S_ISLNK(mode):
                    links.append(path.relative_to(root).as_posix())
                if not stat.S_ISREG(mode):
                    continue
                read, is_found = _search(path, wanted, overlap=longest - 1)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise access_error(path, error) from error
            files, size = files + 1, size + read
            if is_found:
                found.append(path.relative_to(root).as_posix())
    return Searched(
        files=files,
        bytes=size,
        values=len(wanted),
        found_in=tuple(sorted(found)),
        links=tuple(sorted(links)),
    )


def _refuse(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise access_error(Path(error.filename or "."), error) from error


def _search(path: Path, values: Collection[bytes], *, overlap: int) -> tuple[int, bool]:
    size, tail = 0, b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            size += len(chunk)
            window = tail + chunk.lower()
            if any(value in window for value in values):
                return size, True
            tail = window[-overlap:] if overlap else b""
    return size, False
