"""A matched store: its customers' tags make its table, and read the counts off the sum of all tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from highstreet.privacy.matching.errors import InvalidMatchingError, ReceiptsMissingError
from highstreet.privacy.matching.limits import SEED_BYTES, TAG_BYTES
from highstreet.privacy.matching.shape import MAX_DUMMIES, RECEIPTS, TableShape
from highstreet.privacy.matching.table import masked_table, read_counts
from highstreet.privacy.matching.tags import made_up_tag

__all__ = ["Counts", "MatchedStore"]


@dataclass(frozen=True, slots=True)
class Counts:
    """At how many stores of the matching each of one store's customers shops, where that could be told.

    Attributes:
        shops: customer -> k, from 1 on; who is not in it is unknown. Personal data.
    """

    shops: Mapping[str, int] = field(repr=False)

    def weight(self, customer: str) -> Fraction:
        """Return 1/k, or 0 for a customer who is unknown or was not matched."""
        k = self.shops.get(customer)
        return Fraction(0) if k is None else Fraction(1, k)


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedStore:
    """One store once it knows its customers' tags. All attributes are its state, for the vault alone.

    Kept durably before the table leaves, so that the same table is sent again after a crash. Once the counts
    are read it is destroyed: tags are all that links the summed table to people.

    Attributes:
        shape: of the table.
        mask_seed: of the common mask, 32 bytes: all members have it, the coordinator does not.
        made_up_seed: of this store's made-up entries, 32 bytes: nobody else has it.
        dummies: made-up entries, receipts not counted.
        tags: customer -> tag, 64 bytes.
    """

    shape: TableShape
    mask_seed: bytes = field(repr=False)
    made_up_seed: bytes = field(repr=False)
    dummies: int = field(repr=False)
    tags: Mapping[str, bytes] = field(repr=False)

    def __post_init__(self) -> None:
        sound = (
            len(self.mask_seed) == len(self.made_up_seed) == SEED_BYTES
            and 0 <= self.dummies <= MAX_DUMMIES
            and len(self.tags) == len(set(self.tags.values())) <= self.shape.identifiers_per_store
            and all(len(one) == TAG_BYTES for one in self.tags.values())
        )
        if not sound:
            raise InvalidMatchingError("A matched store is described by values that cannot be its own.")

    def without(self, customers: Collection[str]) -> MatchedStore:
        """Return the store without customers who withdrew: from now on in no table, and of weight 0."""
        kept = {customer: one for customer, one in self.tags.items() if customer not in customers}
        return replace(self, tags=kept)

    def table(self) -> NDArray[np.int64]:
        """Return this store's addend of the secure sum, shape (shape.dimension,), int64; the same every time.

        Guarantee: to whoever lacks the mask's seed it is uniform. To members, what a sum of tables tells
        beyond the counts of their own customers is how many others, dummies included, are in it.
        """
        entries = [*self.tags.values(), *self._made_up(RECEIPTS + self.dummies)]
        return masked_table(entries, self.shape, mask_seed=self.mask_seed)

    def counts(self, summed: NDArray[np.int64], *, contributors: int) -> Counts:
        """Return how many shops each customer has among the contributors.

        Guarantee: a count is the number of contributors whose tables hold the customer's tag, if members
        follow the matching, or it is left out; see docs/matching.md for who could bend which assumption.

        Args:
            summed: what the secure sum gave, shape (shape.dimension,), int64.
            contributors: stores in it.

        Raises:
            ReceiptsMissingError: no receipt of this store shows, or one shows wrongly: its table is not in
                the sum, or the sum was altered, or as rarely as 2^-20 all receipts met other entries.
            InvalidTableError: see `read_counts`.
        """
        receipts = self._made_up(RECEIPTS)
        read = read_counts(
            summed,
            [*receipts, *self.tags.values()],
            self.shape,
            contributors=contributors,
            mask_seed=self.mask_seed,
        )
        shown = read[:RECEIPTS][read[:RECEIPTS] > 0]
        if not len(shown) or (shown != 1).any():
            raise ReceiptsMissingError
        return Counts({one: int(k) for one, k in zip(self.tags, read[RECEIPTS:], strict=True) if k > 0})

    def _made_up(self, count: int) -> list[bytes]:
        """Return made-up tags; the first RECEIPTS are the receipts, and each other one a dummy."""
        return [made_up_tag(self.made_up_seed, number) for number in range(count)]
