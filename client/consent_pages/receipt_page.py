"""A receipt as a page that its person can read: one HTML file that loads nothing and runs nothing."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta, tzinfo
from importlib import resources

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from highstreet.audit.receipts import Receipt
from highstreet.client.consent_pages.catalogue import Words, language_of, words

__all__ = ["receipt_page"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def receipt_page(receipt: Receipt, *, language: str, zone: tzinfo, receipt_file: str) -> str:
    """Return the page.

    Every text of the receipt is escaped; the page's policy allows no script and no style but its own.

    Args:
        receipt: what it says.
        language: wished for, such as `de-AT`.
        zone: for moments.
        receipt_file: name of the signed receipt beside the page.

    Raises:
        UnknownLanguageError: there are no words of that language.
    """
    said = words(language_of(language))
    style = _text("receipt.css")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["moment"] = lambda microseconds: _moment(microseconds, said, zone)
    return environment.from_string(_text("receipt.html")).render(
        receipt=receipt,
        events=tuple(entry.event for entry in reversed(receipt.entries)),
        language=said.language,
        words=said.text,
        style=Markup(style),  # noqa: S704  our own package data
        style_sha256=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        key=receipt.issuer.public_key.hex(),
        receipt_file=receipt_file,
    )


def _moment(microseconds: int, said: Words, zone: tzinfo) -> str:
    moment = _EPOCH + timedelta(microseconds=microseconds)
    try:
        moment = moment.astimezone(zone)
    except OverflowError:
        moment = moment.astimezone(UTC)  # the last hours of the year 9999
    offset = moment.strftime("%z")
    return said.text.moment.format(
        day=said.text.first_day if moment.day == 1 else moment.day,
        month=said.text.months[moment.month - 1],
        year=moment.year,
        hour=f"{moment.hour:02}",
        minute=f"{moment.minute:02}",
        zone=f"UTC{offset[:3]}:{offset[3:5]}" if moment.utcoffset() else "UTC",
    )


def _text(name: str) -> str:
    return resources.files(__package__).joinpath("templates", name).read_text(encoding="utf-8")
