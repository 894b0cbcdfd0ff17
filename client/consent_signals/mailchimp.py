"""Mailchimp's audience export: a file each of people subscribed, unsubscribed, cleaned, never subscribed.

The files differ by name and by a few columns. A yes needs both times, of signing up (OPTIN_TIME) and of
confirming (CONFIRM_TIME): who was added by hand or by a file has a blank OPTIN_TIME and a CONFIRM_TIME all
the same, which is when they were added.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum

from highstreet.audit.consent import Act, Channel, Method, Purpose
from highstreet.client.consent_signals.moments import Span, read_span
from highstreet.client.consent_signals.reading import (
    Origin,
    Reading,
    Remark,
    email_address,
    no,
    origin_of,
    yes,
)

__all__ = ["COLUMNS", "REQUIRED", "MailchimpList", "list_of", "read_row"]

#: Column names in small letters without which a file is not of this kind.
REQUIRED = frozenset({"email address", "optin_time", "confirm_time"})
#: Columns that are read; all others are not.
COLUMNS = ("email address", "optin_time", "confirm_time", "unsub_time", "clean_time", "last_changed")


class MailchimpList(StrEnum):
    """Which of the export's files a row is from."""

    SUBSCRIBED = "subscribed"
    UNSUBSCRIBED = "unsubscribed"
    CLEANED = "cleaned"
    NONSUBSCRIBED = "nonsubscribed"
    UNTOLD = "untold"

    @property
    def plain_words(self) -> str:
        """What the people on it are, as an owner would say it."""
        return _PLAIN_WORDS[self]


_PLAIN_WORDS = {
    MailchimpList.SUBSCRIBED: "who signed up",
    MailchimpList.UNSUBSCRIBED: "who unsubscribed",
    MailchimpList.CLEANED: "whose addresses mail does not reach",
    MailchimpList.NONSUBSCRIBED: "who never signed up",
    MailchimpList.UNTOLD: "(which list it is, neither its name nor its columns tell)",
}


def list_of(file_name: str, columns: Collection[str]) -> MailchimpList:
    """Tell a file's kind; where name and columns disagree, or neither tells, the one that grants nothing.

    Args:
        file_name: as Mailchimp gave it, `subscribed_...`; a file renamed is `UNTOLD` unless its columns tell.
        columns: names in small letters.
    """
    if "unsub_time" in columns:
        return MailchimpList.UNSUBSCRIBED
    if "clean_time" in columns:
        return MailchimpList.CLEANED
    name = file_name.casefold().replace("-", "").replace("_", "")
    for kind in (MailchimpList.UNSUBSCRIBED, MailchimpList.NONSUBSCRIBED, MailchimpList.CLEANED):
        if kind.value in name:
            return kind
    return MailchimpList.SUBSCRIBED if name.startswith("subscribed") else MailchimpList.UNTOLD


def read_row(row: Mapping[str, str], kind: MailchimpList, *, now: int) -> Reading:
    """Say what one row means for offers by e-mail.

    Args:
        row: cells by column name in small letters.
        kind: of the file.
        now: microseconds since 1970-01-01 UTC.
    """
    cells = {name: row.get(name, "").strip() for name in COLUMNS}
    origin = origin_of(
        email_address(cells["email address"]),
        f"mailchimp-{kind.value}",
        cells,
        method=Method.IMPORT,
        now=now,
    )
    if origin is None:
        return Reading(remarks=(Remark.NO_CUSTOMER,))
    if kind is MailchimpList.UNSUBSCRIBED or cells["unsub_time"]:
        # Later than whatever else the row knows of them: this file says how they stand now.
        return no(origin, Purpose.EMAIL_MARKETING, Channel.EMAIL, _latest(cells), act=Act.WITHDRAWN)
    if kind is MailchimpList.CLEANED or cells["clean_time"]:
        return Reading(remarks=(Remark.UNDELIVERABLE,))
    if kind is MailchimpList.NONSUBSCRIBED:
        return Reading(remarks=(Remark.NEVER_ASKED,))
    if kind is MailchimpList.UNTOLD:
        return Reading(remarks=(Remark.UNKNOWN_LIST,))
    return _subscribed(origin, cells)


def _subscribed(origin: Origin, cells: Mapping[str, str]) -> Reading:
    if not cells["optin_time"]:
        return Reading(remarks=(Remark.UNKNOWN_OPT_IN,))
    if not cells["confirm_time"]:
        return Reading(remarks=(Remark.UNCONFIRMED,))
    signed_up, confirmed = read_span(cells["optin_time"]), read_span(cells["confirm_time"])
    if signed_up is None or confirmed is None:
        return Reading(remarks=(Remark.UNDATED_YES,))
    both = Span(max(signed_up.earliest, confirmed.earliest), max(signed_up.latest, confirmed.latest))
    return yes(origin, Purpose.EMAIL_MARKETING, Channel.EMAIL, both)


def _latest(cells: Mapping[str, str]) -> Span | None:
    if read_span(cells["unsub_time"]) is None:
        return None
    spans = [read_span(cells[name]) for name in ("unsub_time", "optin_time", "confirm_time")]
    latest = max(span.latest for span in spans if span is not None)
    return Span(latest, latest)
