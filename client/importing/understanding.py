"""What was understood of a file, in plain words, to be shown before anything is saved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from highstreet.audit.consent import Act, Purpose
from highstreet.client.importing.problems import ProblemCount
from highstreet.client.importing.profile import Subject
from highstreet.client.importing.recognise import RecognisedFile
from highstreet.client.importing.saving import orders_with_other_lines
from highstreet.client.importing.staging import Staging

__all__ = ["Understanding", "understand"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Understanding:
    """One file as it was understood.

    Attributes:
        file_name: its name.
        kind: what an owner would call it.
        encoding: of its text.
        rows_read: rows below the header.
        facts: sentences about what it holds.
        left_out: what will not be saved, and why.
        ignored_columns: how many columns are not read at all.
    """

    file_name: str
    kind: str
    encoding: str
    rows_read: int
    facts: tuple[str, ...]
    left_out: tuple[ProblemCount, ...]
    ignored_columns: int

    def in_words(self) -> list[str]:
        """Return sentences for a terminal or a page, the most telling first."""
        said = [f"{self.file_name}: this looks like {self.kind}. {' '.join(self.facts)}"]
        if self.encoding == "cp1252":
            said.append("Its characters were read as those of a western Windows computer.")
        if self.ignored_columns:
            said.append(f"{_count(self.ignored_columns, 'column')} not needed: thrown away.")
        total = sum(count.count for count in self.left_out)
        if total:
            reasons = "; ".join(count.in_words() for count in self.left_out)
            said.append(f"{_count(total, 'line')} left out: {reasons}.")
        return said


def understand(
    file: RecognisedFile, staging: Staging, *, rows_read: int, left_out: tuple[ProblemCount, ...]
) -> Understanding:
    """Describe what is staged."""
    facts = {
        Subject.PRODUCTS: _products,
        Subject.CUSTOMERS: _customers,
        Subject.ORDERS: _orders,
    }[file.profile.subject](staging)
    known = file.profile.required | file.profile.optional
    return Understanding(
        file_name=file.path.name,
        kind=file.profile.plain_words,
        encoding=file.source.encoding,
        rows_read=rows_read,
        facts=tuple(facts),
        left_out=left_out,
        ignored_columns=sum(name not in known for name in file.header.names),
    )


def _products(staging: Staging) -> list[str]:
    total, priced, coded, categories = staging.one(
        "SELECT count(*), count(price), sum(gtin <> ''), count(DISTINCT nullif(category, ''))"
        " FROM staging.products"
    )
    return [
        f"{_count(total, 'product')} in {_count(categories, 'category', 'categories')}, "
        f"{priced:,} with a price, {coded or 0:,} with a bar code."
    ]


def _customers(staging: Staging) -> list[str]:
    (total,) = staging.one("SELECT count(DISTINCT customer_id) FROM staging.customers")
    facts = [f"{_count(total, 'customer')}."]
    facts += _identifiers(staging)
    facts += _attributes(staging)
    before = len(facts)
    for purpose in Purpose:
        asked, granted = staging.one(
            "SELECT count(DISTINCT customer_id), count(DISTINCT CASE WHEN act = ? THEN customer_id END)"
            " FROM staging.answers WHERE purpose = ?",
            Act.GIVEN.value,
            purpose.value,
        )
        if asked:
            facts.append(f"{granted:,} of {asked:,} asked said yes to {purpose.plain_words}.")
    if len(facts) == before:
        facts.append("Nobody was asked for consent, so only totals are used until they are.")
    return facts


def _identifiers(staging: Staging) -> list[str]:
    (known,) = staging.one("SELECT count(DISTINCT customer_id) FROM staging.identifiers WHERE value <> ''")
    if not known:
        return []
    return [f"{known:,} with an e-mail address or loyalty number, kept for matching them if they say yes."]


def _attributes(staging: Staging) -> list[str]:
    (known,) = staging.one("SELECT count(DISTINCT customer_id) FROM staging.attributes WHERE cell <> ''")
    if not known:
        return []
    return [
        f"{known:,} with an age, household, income, language or place, kept in coarse groups to check that "
        "suggestions serve all alike."
    ]


def _orders(staging: Staging) -> list[str]:
    lines, orders, customers, products, first, last, guests = staging.one(
        "SELECT count(*), count(DISTINCT order_id || char(31) || customer_id),"
        " count(DISTINCT nullif(customer_id, '')),"
        " count(DISTINCT product_id), min(ordered_at), max(ordered_at),"
        " count(DISTINCT CASE WHEN customer_id = '' THEN order_id END) FROM staging.order_lines"
    )
    if not lines:
        return ["No order line in it can be used."]
    facts = [
        f"{_count(orders, 'order')} ({_count(lines, 'line')}), {_count(customers, 'customer')}, "
        f"{_count(products, 'product')}, {_day(first)} to {_day(last)}."
    ]
    if guests:
        facts.append(f"{_count(guests, 'order')} without a customer: counted in totals only.")
    facts += _identifiers(staging)
    changed = orders_with_other_lines(staging)
    if changed:
        facts.append(
            f"{_count(changed, 'order')} imported before with other lines: these are added. If they were "
            "changed since, both count."
        )
    (unlisted,) = staging.one(
        "SELECT count(DISTINCT s.product_id) FROM staging.order_lines AS s WHERE NOT EXISTS"
        " (SELECT 1 FROM main.products AS p WHERE p.product_id = s.product_id AND p.listed = 1)"
    )
    if unlisted:
        facts.append(
            f"{_count(unlisted, 'product')} not on a list of products yet: import that list too, or they are"
            " never suggested."
        )
    return facts


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _day(seconds: int) -> str:
    moment = datetime.fromtimestamp(seconds, tz=UTC)
    return f"{moment.day} {moment:%B %Y}"
