"""Purchase histories as arrays: what each customer bought before a given day, per product."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from highstreet.models.shop import ShopData

__all__ = ["Histories", "Timeline"]

FloatArray = NDArray[np.float32]
_NEVER = 10_000.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Histories:
    """Histories of b customers over n products, as of the beginning of a day.

    Attributes:
        count: (b, n) distinct days on which the customer bought the product.
        decayed: half life in days -> (b, n), the same with each day weighted by its age.
        gap: (b, n) days since the last purchase; 10,000 when never bought.
        first: (b, n) days since the first purchase; 0 when never bought.
        trips: (b,) distinct days with a purchase.
    """

    count: FloatArray
    decayed: dict[float, FloatArray]
    gap: FloatArray
    first: FloatArray
    trips: FloatArray

    @property
    def bought(self) -> NDArray[np.bool_]:
        """(b, n): whether the customer ever bought the product."""
        return self.count > 0

    def profile(self, half_life_days: float) -> FloatArray:
        """(b, n): damped, recency-weighted interest of the customer in each product bought."""
        return np.log1p(self.decayed[half_life_days])


class Timeline:
    """A shop's purchases reduced to distinct (customer, product, day), sorted, for fast histories."""

    def __init__(self, shop: ShopData) -> None:
        bought = shop.purchases
        known = bought.day < shop.as_of
        lines = np.stack([bought.customer[known], bought.item[known], bought.day[known]]).astype(np.int64)
        lines = np.unique(lines, axis=1)
        self.customers = len(shop.customer_ids)
        self.products = len(shop.catalogue)
        self.as_of = shop.as_of
        self._customer, self._item, self._day = lines
        self._starts = np.searchsorted(self._customer, np.arange(self.customers + 1))

    def before(self, day: int, rows: NDArray[np.integer], half_lives: tuple[float, ...]) -> Histories:
        """Return the histories of these customer rows, purchases on earlier days only."""
        line, owner = self._lines(rows)
        kept = self._day[line] < day
        line, owner = line[kept], owner[kept]
        item, age = self._item[line], (day - self._day[line]).astype(np.float32)
        shape = (len(rows), self.products)
        flat = owner * self.products + item

        def add(weights: FloatArray) -> FloatArray:
            total = np.bincount(flat, weights=weights, minlength=shape[0] * shape[1])
            return total.astype(np.float32).reshape(shape)

        gap = np.full(shape, _NEVER, dtype=np.float32)
        np.minimum.at(gap, (owner, item), age)
        first = np.zeros(shape, dtype=np.float32)
        np.maximum.at(first, (owner, item), age)
        visits = np.unique(np.stack([owner, self._day[line]]), axis=1)
        return Histories(
            count=add(np.ones(len(flat), dtype=np.float32)),
            decayed={half: add(np.exp2(-age / np.float32(half))) for half in half_lives},
            gap=gap,
            first=first,
            trips=np.bincount(visits[0], minlength=shape[0]).astype(np.float32),
        )

    def between(self, start: int, stop: int, rows: NDArray[np.integer]) -> NDArray[np.bool_]:
        """(b, n): whether the customer bought the product on a day from start up to, not including, stop."""
        line, owner = self._lines(rows)
        kept = (self._day[line] >= start) & (self._day[line] < stop)
        found = np.zeros((len(rows), self.products), dtype=bool)
        found[owner[kept], self._item[line[kept]]] = True
        return found

    def first_sold(self) -> NDArray[np.int64]:
        """(n,): day each product was first bought by anybody; `as_of` when it never was."""
        days = np.full(self.products, self.as_of, dtype=np.int64)
        np.minimum.at(days, self._item, self._day)
        return days

    def fingerprints(self, rows: NDArray[np.integer]) -> NDArray[np.int64]:
        """(b,): a number made from each customer's own purchases alone, to spread public random choices."""
        line, owner = self._lines(rows)
        mixed = ((self._item[line] + 1) * 2654435761 + self._day[line] * 40503) % 1_000_003
        return np.bincount(owner, weights=mixed, minlength=len(rows)).astype(np.int64)

    def _lines(self, rows: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        starts, stops = self._starts[rows], self._starts[np.asarray(rows) + 1]
        lengths = stops - starts
        owner = np.repeat(np.arange(len(rows)), lengths)
        within = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return np.repeat(starts, lengths) + within, owner
