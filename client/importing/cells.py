"""Single cells: text into numbers, money, moments and answers, or a reason why not. Nothing is guessed."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from highstreet.client.consent_signals.moments import Span
from highstreet.client.importing.records import Problem, RowError
from highstreet.models.customer_groups import cell_of
from highstreet.privacy.matching.errors import InvalidIdentifierError
from highstreet.privacy.matching.identifiers import IdentifierKind, normalise

__all__ = ["CellReader"]

_MONEY_UNIT = 10_000
_MAX_MONEY = 10_000_000.0
_MAX_QUANTITY = 100_000.0
_MAX_CODE_CHARACTERS = 128
_MAX_TEXT_CHARACTERS = 500
_EARLIEST = datetime(1980, 1, 1)
_EPOCH = datetime(1970, 1, 1)
_ZONES_APART, _ZONES_BEHIND = timedelta(hours=14), timedelta(hours=12)
_DATE_CHARACTERS = len("2025-01-01")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
#: What a spreadsheet makes of a long number: the digits that told one code from another are gone.
_ROUNDED = re.compile(r"[+-]?\d(?:[.,]\d+)?E\+\d{2,3}")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
_YES = frozenset({"yes", "y", "true", "1"})
_NO = frozenset({"no", "n", "false", "0"})
#: Prices come again and again; dates come once per order line.
_CACHE = 65_536
#: No number or moment is longer. What a cache keeps stays in memory, and a cell may have 131,072 characters.
_MAX_VALUE_CHARACTERS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class CellReader:
    """Reads cells of one file.

    Attributes:
        decimal_comma: whether `3,49` is a number: in files whose cells are not parted by commas.
        now: the present moment, aware; later dates are refused.
    """

    decimal_comma: bool
    now: datetime

    def code(self, cell: str, missing: Problem | None) -> str:
        """Return an identifier as it stands, trimmed; an empty one is refused when `missing` says so.

        So is one that a spreadsheet has rounded: it would make one product, order or customer of many.
        """
        text = cell.strip()
        if not text and missing is not None:
            raise RowError(missing)
        if len(text) > _MAX_CODE_CHARACTERS:
            raise RowError(Problem.LONG_TEXT)
        if not text.isprintable():
            raise RowError(Problem.ODD_TEXT)
        if _is_rounded(text):
            raise RowError(Problem.ROUNDED_CODE)
        return text

    def bar_code(self, cell: str) -> tuple[str, RowError | None]:
        """Return a bar code, and what is wrong with one that a spreadsheet has rounded: that is none."""
        if _is_rounded(cell.strip()):
            return "", RowError(Problem.ROUNDED_BAR_CODE)
        return self.code(cell, None), None

    def identifier(self, kind: IdentifierKind, cell: str) -> str:
        """Return what a customer is matched by in its one spelling; an empty cell stays empty.

        An e-mail address needs something before and after its one @; what a till writes where it knows none
        (`-`, `none`) would make one person of all who have it. So would a number that a spreadsheet rounded.
        """
        if not cell or cell.isspace():
            return ""
        if _is_rounded(cell.strip()):
            raise RowError(Problem.ODD_IDENTIFIER)
        try:
            value = normalise(cell)
        except InvalidIdentifierError as error:
            raise RowError(Problem.ODD_IDENTIFIER) from error
        if kind is IdentifierKind.EMAIL and _EMAIL.fullmatch(value) is None:
            raise RowError(Problem.ODD_IDENTIFIER)
        return value

    def attribute(self, name: str, cell: str) -> str:
        """Return the group that a shop's words mean; an empty cell stays empty."""
        if not cell or cell.isspace():
            return ""
        if len(cell) > _MAX_VALUE_CHARACTERS:
            raise RowError(Problem.ODD_ATTRIBUTE)
        found = cell_of(name, cell)
        if found is None:
            raise RowError(Problem.ODD_ATTRIBUTE)
        return found

    def text(self, cell: str) -> str:
        """Return descriptive text: white space folded, unprintable characters gone, cut at 500 characters."""
        folded = " ".join(cell.split())
        if not folded.isprintable():
            folded = "".join(character for character in folded if character.isprintable())
        return folded[:_MAX_TEXT_CHARACTERS]

    def quantity(self, cell: str) -> float:
        """Return how much was bought, above zero; an empty cell is refused."""
        value = self._number(cell, Problem.ODD_QUANTITY)
        if value <= 0:
            raise RowError(Problem.NEGATIVE_QUANTITY if value < 0 else Problem.ZERO_QUANTITY)
        if value > _MAX_QUANTITY:
            raise RowError(Problem.HUGE_NUMBER)
        return value

    def money(self, cell: str) -> int | None:
        """Return an amount in ten-thousandths of the currency unit, at least 0; None for an empty cell."""
        if not cell or cell.isspace():
            return None
        value = self._number(cell, Problem.ODD_PRICE)
        if value < 0:
            raise RowError(Problem.NEGATIVE_PRICE)
        if value > _MAX_MONEY:
            raise RowError(Problem.HUGE_NUMBER)
        return round(value * _MONEY_UNIT)

    def wall_clock(self, cell: str) -> int:
        """Return when, on the clock in the shop, in seconds since 1970-01-01 00:00 of that clock."""
        # A time without a zone may come from a shop further east than this computer believes to be.
        moment = self._moment(cell, ahead=_ZONES_APART)
        return round((moment.replace(tzinfo=None) - _EPOCH).total_seconds() // 1)

    def span(self, cell: str) -> Span:
        """Return the first and the last moment up to now that a cell can mean.

        A time without a zone is one anywhere on earth, a date any hour of its day: a yes is dated by the
        first and a no by the last, so that what is not known favours the no.
        """
        moment = self._moment(cell)
        if moment.tzinfo is not None:
            exact = _microseconds(moment.astimezone(UTC))
            return Span(exact, exact)
        last = moment + timedelta(days=1) if len(cell.strip()) == _DATE_CHARACTERS else moment
        now = _microseconds(self.now.astimezone(UTC))
        return Span(
            min(_microseconds(moment - _ZONES_APART), now),
            min(_microseconds(last + _ZONES_BEHIND), now),
        )

    def answer(self, cell: str) -> bool | None:
        """Return yes, no, or None for an empty cell (not asked)."""
        said = cell.strip().casefold()
        if not said:
            return None
        if said in _YES or said in _NO:
            return said in _YES
        raise RowError(Problem.ODD_ANSWER)

    def _number(self, cell: str, problem: Problem) -> float:
        text = cell.strip()
        value = _parse_number(text, self.decimal_comma) if len(text) <= _MAX_VALUE_CHARACTERS else None
        if value is None:
            raise RowError(problem)
        return value

    def _moment(self, cell: str, *, ahead: timedelta = timedelta(0)) -> datetime:
        if not cell or cell.isspace():
            raise RowError(Problem.MISSING_DATE)
        text = cell.strip()
        moment = _parse_moment(text) if len(text) <= _MAX_VALUE_CHARACTERS else None
        if moment is None:
            raise RowError(Problem.ODD_DATE)
        if moment.replace(tzinfo=None) < _EARLIEST:
            raise RowError(Problem.EARLY_DATE)
        if moment.year > self.now.year + 1:
            raise RowError(Problem.FUTURE_DATE)  # in 9999 no other zone can be reckoned with
        latest = self.now if moment.tzinfo else self.now + ahead
        if (moment if moment.tzinfo else moment.astimezone()) > latest:
            raise RowError(Problem.FUTURE_DATE)
        return moment


def _is_rounded(code: str) -> bool:
    return "E+" in code and _ROUNDED.fullmatch(code) is not None


def _microseconds(moment: datetime) -> int:
    return (moment.replace(tzinfo=None) - _EPOCH) // timedelta(microseconds=1)


@lru_cache(maxsize=_CACHE)
def _parse_number(text: str, decimal_comma: bool) -> float | None:
    if decimal_comma and _DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    if not text.isascii() or "_" in text:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


@lru_cache(maxsize=_CACHE)
def _parse_moment(text: str) -> datetime | None:
    """ISO 8601, also with a blank before the zone (`2025-10-07 09:50:26 +0200`)."""
    if len(text) == 25 and text[19] == " ":
        text = text[:19] + text[20:]
    if len(text) < 10 or text[4] != "-":
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
