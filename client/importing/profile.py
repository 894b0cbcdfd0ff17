"""A profile: one kind of export by its column names, and how its rows are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from highstreet.client.importing.cells import CellReader
from highstreet.client.importing.records import Record
from highstreet.client.importing.table import Header

__all__ = ["Columns", "Profile", "RowReader", "Subject"]

#: Turns one row's cells into records; raises `RowError` for a row to leave out. May remember earlier rows.
RowReader = Callable[[list[str]], Iterator[Record]]


class Subject(IntEnum):
    """What a file is about; files given together are imported in this order."""

    PRODUCTS = 1
    CUSTOMERS = 2
    ORDERS = 3


class Columns:
    """Cells of a row by column name, for columns that may be absent."""

    def __init__(self, header: Header) -> None:
        self._places: dict[str, int] = {}
        for place, name in enumerate(header.names):
            self._places.setdefault(name, place)

    def cell(self, name: str) -> Callable[[list[str]], str]:
        """Return a function that picks this column's cell from a row: empty when column or cell is absent."""
        place = self._places.get(name)
        if place is None:
            return lambda _: ""
        return lambda cells: cells[place] if place < len(cells) else ""

    def has(self, name: str) -> bool:
        """Whether the file has this column."""
        return name in self._places


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One kind of export.

    Attributes:
        name: short name, stored with each import.
        plain_words: what an owner would call such a file.
        subject: what it is about.
        required: folded names of columns without which it is not this kind.
        optional: folded names of further columns that are read; all others are thrown away at the door.
        reader: makes the row reader for one file.
    """

    name: str
    plain_words: str
    subject: Subject
    required: frozenset[str]
    optional: frozenset[str]
    reader: Callable[[Columns, CellReader], RowReader]

    def fits(self, names: frozenset[str]) -> bool:
        """Whether a set of folded column names is of this kind."""
        return self.required <= names
