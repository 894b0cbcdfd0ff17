"""A delimited text file as rows of cells, read in bounded memory, each row with the line it began on."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

from highstreet.client.errors import FileNotUnderstoodError
from highstreet.client.importing.source import TextSource

__all__ = ["DELIMITERS", "Header", "open_rows", "read_header"]

DELIMITERS = (",", ";", "\t", "|")
#: A row longer than this is a quote that was never closed, or an attack.
_MAX_ROW_CHARACTERS = 1 << 21
_MAX_COLUMNS = 2_000
_PROGRESS_EVERY_ROWS = 2_000

Row = tuple[int, list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The first row of a table.

    Attributes:
        names: column names, folded by `fold`.
        delimiter: what parts the cells.
        skipped_lines: lines before the header (Excel's `sep=;`).
    """

    names: tuple[str, ...]
    delimiter: str
    skipped_lines: int


def fold(name: str) -> str:
    """Write a column name the one way names are compared: case and surplus white space do not matter.

    >>> fold("  Lineitem   Quantity ")
    'lineitem quantity'
    """
    return " ".join(name.replace("\ufeff", "").casefold().split())


def read_header(source: TextSource, *, is_known: Callable[[frozenset[str]], bool]) -> Header:
    """Find the header row and its delimiter.

    Args:
        source: the file.
        is_known: whether a set of folded column names is that of a known kind of file; of the delimiters
            under which it is, or else of all, the one that gives the most columns is taken.

    Raises:
        FileNotUnderstoodError: there is no usable first row.
    """
    with source.path.open(encoding=source.encoding, newline="") as file:
        first = file.readline(_MAX_ROW_CHARACTERS)
        skipped, hint = 0, ""
        if first.casefold().startswith("sep=") and len(first.strip()) <= 5:
            skipped, hint = 1, first.strip("\r\n")[4:]
    candidates = []
    for delimiter in [hint] if hint in DELIMITERS else DELIMITERS:
        with source.path.open(encoding=source.encoding, newline="") as file:
            names = _first_row(source, file, delimiter, skipped)
        if names is not None:
            candidates.append((is_known(frozenset(names)), len(names), names, delimiter))
    if not candidates:
        raise _too_long(source, 1 + skipped)
    _, width, names, delimiter = max(candidates, key=lambda c: (c[0], c[1]))
    if width > _MAX_COLUMNS:
        raise FileNotUnderstoodError(
            f"{source.path.name} has {width:,} columns, which no export of a shop has.",
            next_step="Check that it is the file you meant.",
        )
    return Header(names=names, delimiter=delimiter, skipped_lines=skipped)


def _first_row(source: TextSource, file: TextIO, delimiter: str, skipped: int) -> tuple[str, ...] | None:
    """Return the names in the first row under a delimiter; None when one would be enormous."""
    lines = _BoundedLines(source, file, delimiter)
    for _ in range(skipped):
        next(lines, None)
    try:
        return tuple(fold(cell) for cell in next(csv.reader(lines, delimiter=delimiter), []))
    except csv.Error:
        return None


@contextmanager
def open_rows(
    source: TextSource, header: Header, *, progress: Callable[[int], None] = lambda _: None
) -> Iterator[Iterator[Row]]:
    """Open the rows below the header: (line number, cells).

    Blank rows, and the header again (files put one below the other), are passed over.

    Args:
        source: the file.
        header: from `read_header`.
        progress: told the bytes read so far, now and then.

    Raises:
        FileNotUnderstoodError: (while reading) a row or a cell is enormous, a quotation mark swallows rows,
            or other column names stand in the middle.
    """
    with source.path.open("rb") as raw:
        text = io.TextIOWrapper(raw, encoding=source.encoding, newline="")
        yield _rows(source, header, text, lambda: progress(raw.tell()))


def _rows(
    source: TextSource, header: Header, text: io.TextIOWrapper, progress: Callable[[], None]
) -> Iterator[Row]:
    lines = _BoundedLines(source, text, header.delimiter)
    for _ in range(header.skipped_lines):
        next(lines, None)
    lines.row_is_over(1)
    reader = csv.reader(lines, delimiter=header.delimiter)
    started = 1 + header.skipped_lines
    named: frozenset[str] = frozenset()
    try:
        for count, cells in enumerate(reader):
            lines.row_is_over(started)
            if count == 0:
                named = frozenset(cells) - {""}
            elif any(cells) and (named.isdisjoint(cells) or not _is_header(source, header, cells, started)):
                yield started, cells
            if count % _PROGRESS_EVERY_ROWS == 0:
                progress()
            started = reader.line_num + header.skipped_lines + 1
    except csv.Error as error:
        raise _too_long(source, started) from error


def _is_header(source: TextSource, header: Header, cells: list[str], line: int) -> bool:
    """Whether a row is the header once more.

    Raises:
        FileNotUnderstoodError: it is another header: the rows below it would be read by the wrong names.
    """
    names = tuple(fold(cell) for cell in cells)
    if names == header.names:
        return True
    known = {name for name in header.names if name}
    if 2 * len(known & set(names)) > len(known):
        raise FileNotUnderstoodError(
            f"{source.path.name} has other column names in the middle, in line {line:,}.",
            next_step="Import what stands above that line and what stands below it as two files.",
        )
    return False


class _BoundedLines:
    """The lines of a text, never more of one row than a row may have."""

    def __init__(self, source: TextSource, text: TextIO, delimiter: str) -> None:
        self._source = source
        self._readline = text.readline
        self._delimiter = delimiter
        self._row: list[str] = []
        self._row_characters = 0
        self._line = 0
        self._is_over = False

    def row_is_over(self, started: int) -> None:
        """Begin a new row.

        Raises:
            FileNotUnderstoodError: a quotation mark was open to the end of the file, or went over several
                lines and was closed by one that does not end a cell. The rows between would be lost in it.
        """
        # Within a row the end of the text is only reached by looking for a closing mark.
        if self._is_over or (len(self._row) > 1 and not _is_well_quoted(self._row, self._delimiter)):
            raise FileNotUnderstoodError(
                f"{self._source.path.name} has a quotation mark near line {started:,} that is not closed "
                "where its cell ends; the lines after it cannot be told from that cell.",
                next_step="Look at that line, or export the file again.",
            )
        self._row.clear()
        self._row_characters = 0

    def __iter__(self) -> _BoundedLines:
        return self

    def __next__(self) -> str:
        line = self._readline(_MAX_ROW_CHARACTERS)
        if not line:
            self._is_over = True
            raise StopIteration
        self._line += 1
        self._row.append(line)
        self._row_characters += len(line)
        if self._row_characters >= _MAX_ROW_CHARACTERS:
            raise _too_long(self._source, self._line)
        return line


def _is_well_quoted(lines: list[str], delimiter: str) -> bool:
    try:
        return len(list(csv.reader(lines, delimiter=delimiter, strict=True))) == 1
    except csv.Error:
        return False


def _too_long(source: TextSource, line: int) -> FileNotUnderstoodError:
    return FileNotUnderstoodError(
        f"{source.path.name} has an enormous cell near line {line:,}; a quotation mark may never be closed.",
        next_step="Look at that line, or export the file again.",
    )
