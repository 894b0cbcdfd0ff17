"""The table's shape: public numbers alone, the same for every store, whatever its customers."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from highstreet.privacy.matching.errors import InvalidMatchingError
from highstreet.privacy.matching.limits import MAX_IDENTIFIERS
from highstreet.privacy.secure_sum.field import MODULUS
from highstreet.privacy.secure_sum.limits import CONTRIBUTION_LIMIT_BYTES, MAX_DIMENSION, MAX_MEMBERS

__all__ = ["CELLS_PER_ENTRY", "ELEMENTS", "LEAST_ROWS", "MAX_DUMMIES", "MOST_ROWS", "RECEIPTS", "TableShape"]

#: Rows with which one person changes what is read of others as rarely as 2^-20, and no fewer would do.
MOST_ROWS = 18
#: Rows where there is no room for more; with fewer too many people are unknown.
LEAST_ROWS = 8
#: Cells of a row for each entry there can be: for a given size of the table about the best there is.
CELLS_PER_ENTRY = 2
#: Field elements of a cell.
ELEMENTS = 2
#: Entries each store makes up to see that its table is in the sum. All collide with a chance below 2^-20.
RECEIPTS = 12
#: Most further made-up entries of a store; see `tags.drawn_dummies`.
MAX_DUMMIES = 48
#: What one message may hold of the tables of all stores: an element, and what a store's vector has beside it.
_ELEMENT_BYTES = 4
_STORE_BYTES = 2 << 10
#: Over 1 - exp(-1/2) and exp(-1/2): that a full row's cell is taken by others, and that it is free of them.
_TAKEN = Fraction(3_935, 10_000)
_FREE = Fraction(60_654, 100_000)


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
        if self.dimension > MAX_DIMENSION:
            raise InvalidMatchingError(
                f"A table for {self.stores} stores with {self.identifiers_per_store} identifiers each does "
                "not fit into a secure sum.",
                next_step="Let the charter name fewer identifiers per store.",
            )

    @property
    def entries(self) -> int:
        """The most entries N in the sum, made-up ones included."""
        return self.stores * (self.identifiers_per_store + RECEIPTS + MAX_DUMMIES)

    @property
    def cells(self) -> int:
        """Cells w of one row."""
        return CELLS_PER_ENTRY * self.entries

    @property
    def rows(self) -> int:
        """Rows R: the most up to MOST_ROWS that fit the secure sum and its messages, and LEAST_ROWS at least.

        >>> [TableShape(stores=n, identifiers_per_store=200).rows for n in (6, 29, 30, 40)]
        [18, 18, 17, 10]
        """
        room = (CONTRIBUTION_LIMIT_BYTES // self.stores - _STORE_BYTES) // _ELEMENT_BYTES
        fit = min(room, MAX_DIMENSION) // (self.cells * ELEMENTS)
        return max(LEAST_ROWS, min(fit, MOST_ROWS))

    @property
    def dimension(self) -> int:
        """Coordinates of the secure sum: rows, cells, elements of a cell, in this order.

        >>> TableShape(stores=6, identifiers_per_store=200).dimension
        112320
        """
        return self.rows * self.cells * ELEMENTS

    @property
    def influence(self) -> Fraction:
        """Return a bound on the chance that one person changes what is read of anybody else.

        Guarantee: let one person's tag be entered by fewer stores or by none, everything else the same. Over
        the tags, every count of everybody else and every receipt reads the same but for this chance: with w =
        2 N cells it is below (R / 2) exp(-1/2) (1 - exp(-1/2))^(R - 1), and 2 R n / (p - 1)^2 for cells that
        read a wrong number, the person's own too (docs/matching.md, section 3).
        """
        moved = Fraction(self.rows, CELLS_PER_ENTRY) * _FREE * _TAKEN ** (self.rows - 1)
        return moved + Fraction(2 * self.rows * self.stores, (MODULUS - 1) ** 2)
