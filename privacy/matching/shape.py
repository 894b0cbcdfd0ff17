"""The table's shape: public numbers alone, the same for every store, whatever its customers."""

from __future__ import annotations

from dataclasses import dataclass

from highstreet.privacy.matching.errors import InvalidMatchingError
from highstreet.privacy.matching.limits import MAX_IDENTIFIERS
from highstreet.privacy.secure_sum.limits import MAX_DIMENSION, MAX_MEMBERS

__all__ = ["ELEMENTS", "MAX_DUMMIES", "RECEIPTS", "ROWS", "TableShape"]

ROWS = 2
#: Field elements of a cell.
ELEMENTS = 2
#: Entries each store makes up to see that its table is in the sum. All collide with a chance below 2^-20.
RECEIPTS = 12
#: Most further made-up entries of a store; see `tags.drawn_dummies`.
MAX_DUMMIES = 48
#: Cells of a row for each entry there can be at most; the least is for where the secure sum has no room.
_CELLS_PER_ENTRY = 8
_LEAST_CELLS_PER_ENTRY = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TableShape:
    """How large the table is.

    Attributes:
        stores: counted members, the most tables there can be in the sum.
        identifiers_per_store: the charter's, the most customers of one store who take part.
    """

    stores: int
    identifiers_per_store: int

    def __post_init__(self) -> None:
        if not (1 <= self.stores <= MAX_MEMBERS and 1 <= self.identifiers_per_store <= MAX_IDENTIFIERS):
            raise InvalidMatchingError(
                "A matching is for at least one store and one identifier, and not for millions."
            )
        if self.cells < _LEAST_CELLS_PER_ENTRY * self.entries:
            raise InvalidMatchingError(
                f"A table for {self.stores} stores with {self.identifiers_per_store} identifiers each does "
                "not fit into a secure sum.",
                next_step="Let the charter name fewer identifiers per store.",
            )

    @property
    def entries(self) -> int:
        """The most entries in the sum, made-up ones included."""
        return self.stores * (self.identifiers_per_store + RECEIPTS + MAX_DUMMIES)

    @property
    def cells(self) -> int:
        """Cells w of one row."""
        return min(_CELLS_PER_ENTRY * self.entries, MAX_DIMENSION // (ROWS * ELEMENTS))

    @property
    def dimension(self) -> int:
        """Coordinates of the secure sum: rows, cells, elements of a cell, in this order.

        >>> TableShape(stores=6, identifiers_per_store=200).dimension
        49920
        """
        return ROWS * self.cells * ELEMENTS
