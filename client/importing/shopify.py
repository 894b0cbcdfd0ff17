"""Shopify's exports: orders_export.csv, one row per line item, and customers_export.csv.

In both a customer is their e-mail address in small letters: it is all that the one has to name a customer by.

Whether somebody accepts e-mail or SMS adverts is not read from either. It is no consent to suggestions,
learning or matching; and for what it is about, offers by e-mail, a yes has no date here and might be older
than a withdrawal, and a no is also written where nobody was ever asked.
"""

from __future__ import annotations

from collections.abc import Iterator

from highstreet.client.importing.cells import CellReader
from highstreet.client.importing.profile import Columns, Profile, RowReader, Subject
from highstreet.client.importing.records import (
    CustomerRecord,
    IdentifierRecord,
    LineRecord,
    Problem,
    Record,
    RowError,
)
from highstreet.privacy.matching.identifiers import IdentifierKind

__all__ = ["PROFILES"]

_NOT_A_SALE = frozenset({"voided", "refunded"})


def _orders(columns: Columns, cells: CellReader) -> RowReader:
    name, email, created = columns.cell("name"), columns.cell("email"), columns.cell("created at")
    status, cancelled = columns.cell("financial status"), columns.cell("cancelled at")
    title, sku = columns.cell("lineitem name"), columns.cell("lineitem sku")
    quantity, price = columns.cell("lineitem quantity"), columns.cell("lineitem price")
    discount = columns.cell("lineitem discount")
    order, moment, customer, is_sale = "", "", "", False

    def read(row: list[str]) -> Iterator[Record]:
        nonlocal order, moment, customer, is_sale
        odd: RowError | None = None
        number = cells.code(name(row), Problem.MISSING_ORDER)
        named, dated = email(row).strip().casefold(), created(row).strip()
        # Another customer or moment is another order, though it may have the number of the one above.
        if number != order or (named and named != customer) or (dated and dated != moment):
            # When its first row is refused, its further rows must not go to the customer of the order above.
            order = ""
            customer = cells.code(named, None)
            order, moment = number, dated
            is_sale = status(row).strip().casefold() not in _NOT_A_SALE and not cancelled(row).strip()
            if customer:
                yield CustomerRecord(customer)
                try:
                    yield _matched_by(customer, cells)
                except RowError as error:
                    odd = error
        if not is_sale:
            raise RowError(Problem.CANCELLED)
        product = cells.code(sku(row), None) or cells.code(
            _titled(title(row), cells), Problem.MISSING_PRODUCT
        )
        yield LineRecord(
            order,
            cells.wall_clock(moment),
            customer,
            product,
            cells.quantity(quantity(row)),
            cells.money(price(row)),
            cells.money(discount(row)) or 0,
        )
        if odd is not None:
            raise odd

    return read


def _titled(title: str, cells: CellReader) -> str:
    """Return a title that a product without a code is called by.

    Titles are written for people: with blanks that do not break, directions of writing, joined emoji.
    """
    return title if title.strip().isprintable() else cells.text(title)


def _customers(columns: Columns, cells: CellReader) -> RowReader:
    email = columns.cell("email")

    def read(row: list[str]) -> Iterator[Record]:
        customer = cells.code(email(row).strip().casefold(), Problem.NO_EMAIL)
        yield CustomerRecord(customer)
        yield _matched_by(customer, cells)

    return read


def _matched_by(customer: str, cells: CellReader) -> IdentifierRecord:
    return IdentifierRecord(
        customer, IdentifierKind.EMAIL.value, cells.identifier(IdentifierKind.EMAIL, customer)
    )


PROFILES = (
    Profile(
        name="shopify-customers",
        plain_words="a Shopify customers export (what it says of adverts is no answer to any question here "
        "and is not read)",
        subject=Subject.CUSTOMERS,
        required=frozenset({"email", "total spent", "total orders"}),
        optional=frozenset(),
        reader=_customers,
    ),
    Profile(
        name="shopify-orders",
        plain_words="a Shopify orders export",
        subject=Subject.ORDERS,
        required=frozenset({"name", "email", "created at", "lineitem name", "lineitem quantity"}),
        optional=frozenset(
            {"lineitem sku", "lineitem price", "lineitem discount", "financial status", "cancelled at"}
        ),
        reader=_orders,
    ),
)
