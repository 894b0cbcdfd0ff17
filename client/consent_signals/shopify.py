"""Shopify: what its records of e-mail and text-message marketing say, in exports, order JSON and webhooks.

`subscribed` with a date and a known way of signing up is a yes to offers by e-mail, and to nothing else.
`not_subscribed` is what Shopify writes where nobody was ever asked. The yes/no column of the customers
export and `buyer_accepts_marketing` have no date of an answer, so they are no evidence of one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from highstreet.audit.consent import Act, Channel, Method, Purpose
from highstreet.client.consent_signals.json_text import read_json
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

__all__ = [
    "EXPORT_COLUMNS",
    "EXPORT_REQUIRED",
    "WEBHOOK_TOPICS",
    "read_customer",
    "read_export_row",
    "read_order",
    "read_webhook",
]

SOURCE = "shopify"
#: Columns of customers_export.csv, in small letters: without which it is none, and which are read.
EXPORT_REQUIRED = frozenset({"email", "total spent", "total orders"})
EXPORT_COLUMNS = ("accepts email marketing", "accepts (email) marketing", "accepts sms marketing")
_OPT_INS = frozenset({"single_opt_in", "confirmed_opt_in"})


class _Outside(BaseModel):
    """A part of what Shopify sends; it sends more, and adds to it, so the rest is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class _Marketing(_Outside):
    state: str | None = Field(default=None, max_length=64)
    opt_in_level: str | None = Field(default=None, max_length=64)
    consent_updated_at: str | None = Field(default=None, max_length=64)


class _Customer(_Outside):
    email: str | None = Field(default=None, max_length=320)
    email_marketing_consent: _Marketing | None = None
    sms_marketing_consent: _Marketing | None = None


class _Order(_Outside):
    email: str | None = Field(default=None, max_length=320)
    customer: _Customer | None = None


class _EmailConsentUpdate(_Outside):
    email_address: str | None = Field(default=None, max_length=320)
    email_marketing_consent: _Marketing


def read_customer(value: object, *, now: int) -> Reading:
    """Say what a customer of Shopify's JSON says of marketing; anything else is unreadable."""
    try:
        customer = _Customer.model_validate(value)
    except ValidationError:
        return Reading(remarks=(Remark.UNREADABLE,))
    return _customer(customer, now=now)


def read_order(value: object, *, now: int) -> Reading:
    """Say what the customer inside an order says; the order's own `buyer_accepts_marketing` is not read."""
    try:
        order = _Order.model_validate(value)
    except ValidationError:
        return Reading(remarks=(Remark.UNREADABLE,))
    if order.customer is None:
        return Reading()
    return _customer(order.customer, now=now)


def read_webhook(topic: str, body: bytes, *, now: int) -> Reading | None:
    """Say what a webhook says; None for a topic that is not about marketing.

    The caller has checked the signature over the raw body: nothing here tells who sent it.
    """
    read = WEBHOOK_TOPICS.get(topic.strip().casefold())
    return None if read is None else read(read_json(body), now)


def read_export_row(row: Mapping[str, str], *, now: int) -> Reading:
    """Say what a row of customers_export.csv says: never an answer, as it has no date.

    Args:
        row: cells by column name in small letters.
        now: microseconds since 1970-01-01 UTC.
    """
    remarks: list[Remark] = []
    for column in EXPORT_COLUMNS:
        for_yes = Remark.NOT_ASKED_HERE if "sms" in column else Remark.UNDATED_YES
        remarks += _undated(row.get(column, ""), for_yes)
    return Reading(remarks=tuple(remarks))


def _undated(cell: str, for_yes: Remark) -> list[Remark]:
    said = cell.strip().casefold()
    if said in ("", "no", "false"):
        return []
    return [for_yes if said in ("yes", "true") else Remark.UNKNOWN_VALUE]


def _customer(customer: _Customer, *, now: int) -> Reading:
    email, sms = customer.email_marketing_consent, customer.sms_marketing_consent
    if email is None and sms is None:
        return Reading()
    fields = customer.model_dump(mode="json")
    origin = origin_of(email_address(customer.email or ""), SOURCE, fields, method=Method.IMPORT, now=now)
    if origin is None:
        return Reading(remarks=(Remark.NO_CUSTOMER,))
    reading = Reading()
    if email is not None:
        reading += _marketing(origin, email, Channel.EMAIL)
    if sms is not None:
        reading += _marketing(origin, sms, Channel.SMS)
    return reading


def _marketing(origin: Origin, said: _Marketing, channel: Channel) -> Reading:
    state, at = (said.state or "").casefold(), read_span(said.consent_updated_at or "")
    if state in ("unsubscribed", "redacted"):
        return no(origin, Purpose.EMAIL_MARKETING, channel, at, act=Act.WITHDRAWN)
    if state == "subscribed":
        return _subscribed(origin, said, channel, at)
    remark = {
        "not_subscribed": Remark.NEVER_ASKED,
        "pending": Remark.UNCONFIRMED,
        "invalid": Remark.UNDELIVERABLE,
    }
    return Reading(remarks=(remark.get(state, Remark.UNKNOWN_VALUE),))


def _subscribed(origin: Origin, said: _Marketing, channel: Channel, at: Span | None) -> Reading:
    if channel is not Channel.EMAIL:
        return Reading(remarks=(Remark.NOT_ASKED_HERE,))
    if (said.opt_in_level or "").casefold() not in _OPT_INS:
        return Reading(remarks=(Remark.UNKNOWN_OPT_IN,))
    return yes(origin, Purpose.EMAIL_MARKETING, channel, at)


def _email_consent(value: object, now: int) -> Reading:
    try:
        update = _EmailConsentUpdate.model_validate(value)
    except ValidationError:
        return Reading(remarks=(Remark.UNREADABLE,))
    return _customer(
        _Customer(email=update.email_address, email_marketing_consent=update.email_marketing_consent), now=now
    )


#: Topics that say something of marketing, and their readers.
WEBHOOK_TOPICS: Mapping[str, Callable[[object, int], Reading]] = {
    "customers/create": lambda value, now: read_customer(value, now=now),
    "customers/update": lambda value, now: read_customer(value, now=now),
    "customers_email_marketing_consent/update": _email_consent,
    "orders/create": lambda value, now: read_order(value, now=now),
    "orders/updated": lambda value, now: read_order(value, now=now),
}
