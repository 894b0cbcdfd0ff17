"""A file as it lies on the disk: its kind, the encoding of its text, the hash that names its content."""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from highstreet.client.errors import FileNotUnderstoodError

__all__ = ["TextSource", "examine"]

_CHUNK_BYTES = 1 << 20
_SAVE_AS_CSV = "Save it as CSV (UTF-8) and import that file."
#: First bytes that give a file away as something else than text, what it is, and what to do.
_OTHER_KINDS: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "a zip archive", "Unpack it, then import the CSV files inside."),
    (b"PK\x05\x06", "an empty zip archive", "Export the data again, then import the CSV files inside."),
    (b"\x1f\x8b", "a gzip archive", "Unpack it, then import the CSV file inside."),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "Unpack it, then import the CSV files inside."),
    (b"Rar!", "a rar archive", "Unpack it, then import the CSV files inside."),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", _SAVE_AS_CSV),
    (b"%PDF", "a PDF document", "Export the data as CSV instead."),
    (b"PAR1", "a Parquet file", _SAVE_AS_CSV),
    (b"SQLite format 3\x00", "a database", "Export the data as CSV instead."),
)
_BYTE_ORDER_MARKS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: Bytes without a meaning in Windows' western code page.
_NOT_IN_CP1252 = b"\x81\x8d\x8f\x90\x9d"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSource:
    """A text file that was read through once.

    Attributes:
        path: where it lies.
        sha256: hex hash of its bytes.
        size_bytes: its length.
        encoding: how to decode it; every byte of it was checked.
        modified_ns: its time stamp when it was examined.
    """

    path: Path
    sha256: str
    size_bytes: int
    encoding: str
    modified_ns: int

    def check_unchanged(self) -> None:
        """Refuse a file that another program wrote to since it was examined.

        Raises:
            FileNotUnderstoodError: it did.
        """
        now = self.path.stat()
        if (now.st_size, now.st_mtime_ns) != (self.size_bytes, self.modified_ns):
            raise FileNotUnderstoodError(
                f"{self.path.name} changed while it was being read; nothing was saved.",
                next_step="Wait until the program that writes it has finished, then import it again.",
            )


def examine(path: Path, *, progress: Callable[[int], None] = lambda _: None) -> TextSource:
    """Read a file through once, in bounded memory, and say how to read it as text.

    Args:
        path: the file.
        progress: told the bytes read so far, now and then.

    Raises:
        FileNotUnderstoodError: missing, empty, not text, or of an encoding that cannot be told.
    """
    try:
        with path.open("rb") as file:
            before = path.stat()
            head = file.read(8)
            _refuse_other_kinds(path, head)
            file.seek(0)
            encoding = next((name for mark, name in _BYTE_ORDER_MARKS if head.startswith(mark)), "")
            sha256, encoding = _read_through(path, file, encoding, progress)
    except OSError as error:
        raise FileNotUnderstoodError(
            f"{path} cannot be read ({error.strerror}).",
            next_step="Check that the file is there and that you may read it.",
        ) from error
    return TextSource(
        path=path,
        sha256=sha256,
        size_bytes=before.st_size,
        encoding=encoding,
        modified_ns=before.st_mtime_ns,
    )


def _refuse_other_kinds(path: Path, head: bytes) -> None:
    if not head:
        raise FileNotUnderstoodError(
            f"{path.name} is empty.", next_step="Export the data again and import the new file."
        )
    for magic, kind, next_step in _OTHER_KINDS:
        if head.startswith(magic[:8]):
            if magic == b"PK\x03\x04" and path.suffix.casefold() in {".xlsx", ".xlsm", ".ods", ".numbers"}:
                kind, next_step = "a spreadsheet", _SAVE_AS_CSV
            raise FileNotUnderstoodError(f"{path.name} is {kind}, not a text file.", next_step=next_step)


def _read_through(
    path: Path, file: BinaryIO, encoding: str, progress: Callable[[int], None]
) -> tuple[str, str]:
    """Hash the file and check all of its text once; return the hash and the encoding that fits every byte."""
    digest = hashlib.sha256()
    check = _MarkedText(path, encoding) if encoding else _UnmarkedText(path)
    done = 0
    while chunk := file.read(_CHUNK_BYTES):
        digest.update(chunk)
        check.feed(chunk)
        done += len(chunk)
        progress(done)
    return digest.hexdigest(), check.finish()


class _MarkedText:
    """Text whose encoding its first bytes announce: it must hold all the way."""

    def __init__(self, path: Path, encoding: str) -> None:
        self._path = path
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()

    def feed(self, chunk: bytes, *, final: bool = False) -> None:
        try:
            text = self._decoder.decode(chunk, final)
        except UnicodeDecodeError as error:
            raise _unknown_encoding(self._path) from error
        if "\x00" in text:
            raise _not_text(self._path)

    def finish(self) -> str:
        self.feed(b"", final=True)
        return self._encoding


class _UnmarkedText:
    """Text that announces nothing: UTF-8 if every byte fits, else Windows' western code page."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._is_utf8 = True
        self._is_cp1252 = True

    def feed(self, chunk: bytes, *, final: bool = False) -> None:
        if b"\x00" in chunk:
            raise _not_text(self._path)
        self._is_cp1252 &= len(chunk.translate(None, _NOT_IN_CP1252)) == len(chunk)
        if self._is_utf8:
            try:
                self._decoder.decode(chunk, final)
            except UnicodeDecodeError:
                self._is_utf8 = False

    def finish(self) -> str:
        self.feed(b"", final=True)
        if not (self._is_utf8 or self._is_cp1252):
            raise _unknown_encoding(self._path)
        return "utf-8" if self._is_utf8 else "cp1252"


def _not_text(path: Path) -> FileNotUnderstoodError:
    return FileNotUnderstoodError(
        f"{path.name} holds bytes that no text has (NUL): it is damaged or not a CSV file.",
        next_step=f"Export it again. {_SAVE_AS_CSV}",
    )


def _unknown_encoding(path: Path) -> FileNotUnderstoodError:
    return FileNotUnderstoodError(
        f"The characters of {path.name} are in an encoding that cannot be told for certain.",
        next_step=_SAVE_AS_CSV,
    )
