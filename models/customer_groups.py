"""Groups of customers whose suggestions are compared: a closed vocabulary, the same in every shop.

An attribute has a few cells; a customer is in exactly one of them, or in none that is known. Two attributes
follow from the customer's own purchases; the others are what the shop was told. Cells are coarse on purpose:
a finer one would hold few people, and its figure would be noise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = [
    "ATTRIBUTES",
    "DECLARED",
    "UNKNOWN",
    "GroupAttribute",
    "attribute_of",
    "cell_of",
]

#: The cell of customers of whom nothing is known, or nothing that fits; index 0 of every attribute.
UNKNOWN = "unknown"
_MOST_TEXT = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupAttribute:
    """One way of dividing customers.

    Attributes:
        name: as in charters, files and figures.
        cells: the known ones; a customer's index is 1 plus the place here, 0 where nothing is known.
        is_ordered: whether neighbours may be merged: 25 to 34 with 35 to 44, but not English with German.
        is_declared: told to the shop; else it follows from the customer's own purchases.
    """

    name: str
    cells: tuple[str, ...]
    is_ordered: bool
    is_declared: bool

    @property
    def all_cells(self) -> tuple[str, ...]:
        """Every cell by index, the unknown one first."""
        return (UNKNOWN, *self.cells)


_ALL = (
    GroupAttribute(
        name="age_band",
        cells=("under_25", "25_34", "35_44", "45_54", "55_64", "65_plus"),
        is_ordered=True,
        is_declared=True,
    ),
    GroupAttribute(
        name="household_size", cells=("1", "2", "3", "4", "5_plus"), is_ordered=True, is_declared=True
    ),
    GroupAttribute(
        name="income_band",
        cells=("under_25k", "25k_50k", "50k_75k", "75k_100k", "100k_plus"),
        is_ordered=True,
        is_declared=True,
    ),
    GroupAttribute(
        name="language",
        cells=("de", "en", "es", "fr", "it", "nl", "pl", "pt", "other"),
        is_ordered=False,
        is_declared=True,
    ),
    # Eurostat's degree of urbanisation: coarse, so that a cell is hardly ever one shop.
    GroupAttribute(name="place", cells=("city", "town", "rural"), is_ordered=True, is_declared=True),
    GroupAttribute(name="history", cells=("little", "much"), is_ordered=True, is_declared=False),
    GroupAttribute(name="tenure", cells=("new", "loyal"), is_ordered=True, is_declared=False),
)
#: Every attribute by name, in the one order used everywhere.
ATTRIBUTES: dict[str, GroupAttribute] = {each.name: each for each in _ALL}
#: The names of those a shop is told.
DECLARED: tuple[str, ...] = tuple(each.name for each in _ALL if each.is_declared)

_AGES = ((25, "under_25"), (35, "25_34"), (45, "35_44"), (55, "45_54"), (65, "55_64"), (200, "65_plus"))
_AGE_RANGES = {
    "18-24": "under_25",
    "19-24": "under_25",
    "under 25": "under_25",
    "25-34": "25_34",
    "35-44": "35_44",
    "45-54": "45_54",
    "55-64": "55_64",
    "65+": "65_plus",
}
_INCOMES = {
    "under 15k": "under_25k",
    "15-24k": "under_25k",
    "under 25k": "under_25k",
    "25-34k": "25k_50k",
    "35-49k": "25k_50k",
    "25-49k": "25k_50k",
    "50-74k": "50k_75k",
    "75-99k": "75k_100k",
    "100k+": "100k_plus",
    "100-124k": "100k_plus",
    "125-149k": "100k_plus",
    "150-174k": "100k_plus",
    "175-199k": "100k_plus",
    "200-249k": "100k_plus",
    "250k+": "100k_plus",
}
_PLACES = {"suburb": "town", "suburban": "town", "urban": "city", "village": "rural", "country": "rural"}
_LANGUAGE_TAG = re.compile(r"([a-z]{2,3})([-_][a-z0-9]{1,8})*")


def attribute_of(name: str) -> GroupAttribute | None:
    """Return the attribute of that name, None when there is none."""
    return ATTRIBUTES.get(name)


def cell_of(name: str, text: str) -> str | None:
    """Return the cell that a shop's words mean; None when they fit none, which is not an unknown customer.

    Args:
        name: of a declared attribute.
        text: a cell's own name, or a usual spelling of it: a range, an age in years, a language tag.

    >>> cell_of("age_band", "25-34"), cell_of("age_band", "71"), cell_of("language", "de-AT")
    ('25_34', '65_plus', 'de')
    >>> cell_of("language", "tr"), cell_of("household_size", "7"), cell_of("place", "the moon") is None
    ('other', '5_plus', True)
    """
    attribute = ATTRIBUTES.get(name)
    words = " ".join(text.casefold().split())
    if attribute is None or not attribute.is_declared or len(words) > _MOST_TEXT:
        return None
    if words in attribute.cells:
        return words
    if name == "age_band":
        return _AGE_RANGES.get(words) or _age(words)
    if name == "household_size":
        return _household(words)
    if name == "income_band":
        return _INCOMES.get(words)
    if name == "language":
        return _language(words, attribute)
    return _PLACES.get(words)


def _whole(words: str, *, most: int) -> int | None:
    """Return a small whole number in plain digits."""
    if not (words.isascii() and words.isdigit() and len(words) <= 3):
        return None
    return int(words) if int(words) <= most else None


def _age(words: str) -> str | None:
    years = _whole(words, most=120)
    return None if years is None else next(cell for end, cell in _AGES if years < end)


def _household(words: str) -> str | None:
    people = 5 if words == "5+" else _whole(words, most=30)
    if not people:
        return None
    return str(people) if people < 5 else "5_plus"


def _language(words: str, attribute: GroupAttribute) -> str | None:
    tag = _LANGUAGE_TAG.fullmatch(words)
    if tag is None:
        return None
    return tag[1] if tag[1] in attribute.cells else "other"
