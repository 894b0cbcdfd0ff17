"""What a row of an export says, in the shop's one vocabulary, and what can be wrong with a row."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

__all__ = [
    "AnswerRecord",
    "AttributeRecord",
    "CustomerRecord",
    "IdentifierRecord",
    "LineRecord",
    "MinorRecord",
    "Problem",
    "ProductRecord",
    "Record",
    "RowError",
]


class ProductRecord(NamedTuple):
    """One product of the catalogue; money in the vault's unit."""

    product_id: str
    title: str
    category: str
    product_type: str
    brand: str
    maker: str
    size: str
    price: int | None
    gtin: str


class CustomerRecord(NamedTuple):
    """One customer, by the shop's own number; of their identity only an `IdentifierRecord` says more."""

    customer_id: str


class IdentifierRecord(NamedTuple):
    """What a customer is matched by, in its one spelling; an empty value says that there is none any more.

    `kind` is a value of `IdentifierKind`.
    """

    customer_id: str
    kind: str
    value: str


class AttributeRecord(NamedTuple):
    """The cell of an attribute that a customer is in; an empty one says that it is not known any more.

    `attribute` is one of `models.customer_groups.DECLARED`.
    """

    customer_id: str
    attribute: str
    cell: str


class AnswerRecord(NamedTuple):
    """What a customer said about one purpose on one channel; values of `audit.consent`.

    Moments are in microseconds since 1970-01-01 UTC. `at` is what it counts from: where the file leaves that
    open, the earliest moment of a yes and the latest of a no. `earliest` is when it can have been said first.
    """

    customer_id: str
    purpose: str
    channel: str
    act: str
    at: int
    earliest: int
    method: str
    source: str


class MinorRecord(NamedTuple):
    """A customer who is a minor."""

    customer_id: str


class LineRecord(NamedTuple):
    """One line of an order; an empty customer is a guest, a missing price is None.

    `ordered_at` is the shop's wall clock in seconds since 1970-01-01 00:00.
    """

    order_id: str
    ordered_at: int
    customer_id: str
    product_id: str
    quantity: float
    unit_price: int | None
    discount: int


Record = (
    ProductRecord
    | CustomerRecord
    | IdentifierRecord
    | AttributeRecord
    | AnswerRecord
    | MinorRecord
    | LineRecord
)


class Problem(StrEnum):
    """Why a line was left out, in an owner's words."""

    MISSING_PRODUCT = "no product code"
    MISSING_ORDER = "no order number"
    MISSING_CUSTOMER = "no customer number"
    NO_EMAIL = "no e-mail address, by which Shopify's orders name a customer"
    MISSING_DATE = "no date"
    ODD_DATE = "a date that cannot be read (write it as 2026-05-31)"
    EARLY_DATE = "a date before 1980"
    FUTURE_DATE = "a date in the future"
    ODD_QUANTITY = "a quantity that is not a number"
    NEGATIVE_QUANTITY = "a negative quantity (a return?)"
    ZERO_QUANTITY = "a quantity of zero"
    ODD_PRICE = "a price that is not a number"
    NEGATIVE_PRICE = "a negative price"
    HUGE_NUMBER = "a number too large to be true"
    ODD_ANSWER = "an answer that is neither yes nor no (of that line only a no counts)"
    UNDATED_YES = "a yes without a usable date (taken as not asked)"
    ODD_IDENTIFIER = "an e-mail address or loyalty number that cannot be one (not matched by it)"
    ODD_ATTRIBUTE = "an age, household, income, language or place that fits no group (taken as not known)"
    LONG_TEXT = "a code longer than 128 characters"
    ODD_TEXT = "a code with unprintable characters"
    ROUNDED_CODE = "a code that a spreadsheet has rounded, like 4.01E+12 (export it anew)"
    ROUNDED_BAR_CODE = "a bar code that a spreadsheet has rounded, like 4.01E+12 (taken as none)"
    CELL_COUNT = "more cells than the header has columns"
    CANCELLED = "a cancelled, voided or refunded order"
    DUPLICATE = "the same line again"
    ERASED = "a customer who was erased since"
    CUSTOMER_NOT_REPEATED = "no customer, though another line of that order has one"

    @property
    def is_unreadable(self) -> bool:
        """Whether it counts towards refusing the whole file; tidy exports have the others."""
        return self not in _TIDY


_TIDY = frozenset(
    {
        Problem.DUPLICATE,
        Problem.CANCELLED,
        Problem.NEGATIVE_QUANTITY,
        Problem.ZERO_QUANTITY,
        Problem.ODD_IDENTIFIER,
        Problem.ODD_ATTRIBUTE,
        Problem.ROUNDED_BAR_CODE,
        Problem.NO_EMAIL,
        Problem.ERASED,
    }
)


class RowError(Exception):
    """A row is left out; carries the reason and nothing of the row."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.value)
        self.problem = problem
