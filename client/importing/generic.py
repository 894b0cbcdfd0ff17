"""Highstreet's own plain files: products.csv, customers.csv and orders.csv."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC
from functools import lru_cache

from highstreet.audit.consent import Act, Channel, Method, Purpose
from highstreet.client.consent_signals.moments import Span
from highstreet.client.importing.cells import CellReader
from highstreet.client.importing.profile import Columns, Profile, RowReader, Subject
from highstreet.client.importing.records import (
    AnswerRecord,
    AttributeRecord,
    CustomerRecord,
    IdentifierRecord,
    LineRecord,
    MinorRecord,
    Problem,
    ProductRecord,
    Record,
    RowError,
)
from highstreet.models.customer_groups import DECLARED
from highstreet.privacy.matching.identifiers import IdentifierKind

__all__ = ["PROFILES"]

#: Columns of answers, and the purpose each stands for.
_ANSWERS = {
    "consent_suggestions": Purpose.SUGGESTIONS_HERE,
    "consent_shop_model": Purpose.SHOP_MODEL,
    "consent_coop_learning": Purpose.COOP_LEARNING,
    "consent_email": Purpose.EMAIL_MARKETING,
    "consent_matching": Purpose.MATCHING,
    "consent_sensitive_categories": Purpose.SENSITIVE_CATEGORIES,
}
#: Columns of what a customer is matched by.
_IDENTIFIERS = {"email": IdentifierKind.EMAIL, "loyalty_number": IdentifierKind.LOYALTY_NUMBER}
#: Of an answer without a date.
_LONG_AGO = 0


def _products(columns: Columns, cells: CellReader) -> RowReader:
    product_id, price, gtin = columns.cell("product_id"), columns.cell("price"), columns.cell("gtin")
    texts = [columns.cell(name) for name in ("title", "category", "product_type", "brand", "maker", "size")]

    def read(row: list[str]) -> Iterator[Record]:
        code = cells.code(product_id(row), Problem.MISSING_PRODUCT)
        bar_code, odd = cells.bar_code(gtin(row))
        title, category, product_type, brand, maker, size = (cells.text(text(row)) for text in texts)
        yield ProductRecord(
            product_id=code,
            title=title,
            category=category,
            product_type=product_type,
            brand=brand,
            maker=maker,
            size=size,
            price=cells.money(price(row)),
            gtin=bar_code,
        )
        if odd is not None:
            raise odd

    return read


def _customers(columns: Columns, cells: CellReader) -> RowReader:
    customer_id = columns.cell("customer_id")
    recorded_at, source = columns.cell("consent_recorded_at"), columns.cell("consent_source")
    minor = columns.cell("minor")
    answers = [(columns.cell(name), purpose) for name, purpose in _ANSWERS.items() if columns.has(name)]
    known = _known(columns, cells)
    now = round(cells.now.astimezone(UTC).timestamp() * 1_000_000)

    def read(row: list[str]) -> Iterator[Record]:
        code = cells.code(customer_id(row), Problem.MISSING_CUSTOMER)
        yield CustomerRecord(code)
        is_minor, unclear = _answer(cells, minor(row))
        yield from _minor(code, is_minor)
        facts, odd = known(code, row)
        yield from facts
        said = []
        for cell, purpose in answers:
            answer, problem = _answer(cells, cell(row))
            said.append((purpose, answer))
            unclear = unclear or problem
        where = cells.text(source(row)) or "imported file"
        when, undated = Span(_LONG_AGO, now), None
        if any(answer is not None for _, answer in said):
            try:
                when = cells.span(recorded_at(row))
            except RowError as error:
                undated = error
        for purpose, is_yes in said:
            if is_yes is False or (is_yes and undated is None and unclear is None):
                # Whether a no is the first one, a file does not say.
                act = Act.GIVEN if is_yes else Act.REFUSED
                at = when.earliest if is_yes else when.latest
                yield AnswerRecord(
                    code, purpose, Channel.EVERYWHERE, act, at, when.earliest, Method.IMPORT, where
                )
        if unclear is not None:
            # What else the row says may be meant otherwise too. A no stands; a yes is not taken.
            raise unclear
        if undated is not None and any(is_yes for _, is_yes in said):
            # A no stands from today; a yes might be older than a withdrawal and is not taken.
            raise RowError(Problem.UNDATED_YES) from undated
        if odd is not None:
            raise odd

    return read


def _answer(cells: CellReader, cell: str) -> tuple[bool | None, RowError | None]:
    """Return an answer, or what is wrong with it."""
    try:
        return cells.answer(cell), None
    except RowError as error:
        return None, error


_Facts = tuple[list[Record], RowError | None]


def _known(columns: Columns, cells: CellReader) -> Callable[[str, list[str]], _Facts]:
    """Return a reader of what a row says of a customer beside answers, with the first that cannot be read."""
    identifiers = [(columns.cell(name), kind) for name, kind in _IDENTIFIERS.items() if columns.has(name)]
    attributes = [(columns.cell(name), name) for name in DECLARED if columns.has(name)]

    def read(code: str, row: list[str]) -> _Facts:
        facts: list[Record] = []
        odd: RowError | None = None
        for cell, kind in identifiers:
            try:
                value = cells.identifier(kind, cell(row))
            except RowError as error:
                # What was known is not true any more, and what is true is not known.
                odd, value = odd or error, ""
            facts.append(IdentifierRecord(code, kind.value, value))
        for cell, name in attributes:
            try:
                value = cells.attribute(name, cell(row))
            except RowError as error:
                odd, value = odd or error, ""  # the same
            facts.append(AttributeRecord(code, name, value))
        return facts, odd

    return read


def _minor(code: str, is_minor: bool | None) -> Iterator[MinorRecord]:
    """Yield who is a minor. That somebody is none a file cannot say: it may be older than what is known."""
    if is_minor:
        yield MinorRecord(code)


def _orders(columns: Columns, cells: CellReader) -> RowReader:
    order_id, ordered_at = columns.cell("order_id"), columns.cell("ordered_at")
    customer_id, product_id = columns.cell("customer_id"), columns.cell("product_id")
    quantity, unit_price, discount = (columns.cell(n) for n in ("quantity", "unit_price", "discount"))
    # The lines of an order stand together and share its moment.
    moment = lru_cache(maxsize=1_024)(cells.wall_clock)

    def read(row: list[str]) -> Iterator[Record]:
        yield LineRecord(
            cells.code(order_id(row), Problem.MISSING_ORDER),
            moment(ordered_at(row).strip()),
            cells.code(customer_id(row), None),
            cells.code(product_id(row), Problem.MISSING_PRODUCT),
            cells.quantity(quantity(row)),
            cells.money(unit_price(row)),
            cells.money(discount(row)) or 0,
        )

    return read


PROFILES = (
    Profile(
        name="highstreet-products",
        plain_words="a list of products",
        subject=Subject.PRODUCTS,
        required=frozenset({"product_id", "title", "category"}),
        optional=frozenset({"product_type", "brand", "maker", "size", "price", "gtin"}),
        reader=_products,
    ),
    Profile(
        name="highstreet-customers",
        plain_words="a list of customers with their consent answers",
        subject=Subject.CUSTOMERS,
        required=frozenset({"customer_id", "consent_recorded_at"}),
        optional=frozenset({"consent_source", "minor", *_ANSWERS, *_IDENTIFIERS, *DECLARED}),
        reader=_customers,
    ),
    Profile(
        name="highstreet-orders",
        plain_words="a list of order lines",
        subject=Subject.ORDERS,
        required=frozenset({"order_id", "ordered_at", "customer_id", "product_id", "quantity"}),
        optional=frozenset({"unit_price", "discount"}),
        reader=_orders,
    ),
)
