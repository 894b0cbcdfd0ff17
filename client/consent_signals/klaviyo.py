"""Klaviyo: the consent columns of a list's CSV, and the `subscriptions` of a profile in its API's JSON.

SUBSCRIBED with a time is a yes to offers by e-mail, UNSUBSCRIBED ends it, NEVER_SUBSCRIBED is no answer. A
profile that is suppressed is not mailed, whatever the consent beside it says, so a suppression beats a yes.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, ValidationError

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

__all__ = ["COLUMNS", "REQUIRED", "read_profile", "read_row"]

SOURCE = "klaviyo"
#: Column names in small letters without which a file is not of this kind.
REQUIRED = frozenset({"email", "email marketing consent"})
#: Columns that are read; all others are not.
COLUMNS = (
    "email",
    "email marketing consent",
    "email marketing consent timestamp",
    "email suppressions",
    "email suppressions timestamp",
    "sms marketing consent",
    "sms marketing consent timestamp",
)
#: Words in a suppression's reason that say the person did it; other reasons are the tool's own.
_BY_THE_PERSON = ("unsub", "spam", "user_suppressed", "user suppressed", "manual")
_MAX_SUPPRESSIONS = 64


def read_row(row: Mapping[str, str], *, now: int) -> Reading:
    """Say what one row of a list's CSV means.

    Args:
        row: cells by column name in small letters.
        now: microseconds since 1970-01-01 UTC.
    """
    cells = {name: row.get(name, "").strip() for name in COLUMNS}
    origin = origin_of(email_address(cells["email"]), SOURCE, cells, method=Method.IMPORT, now=now)
    if origin is None:
        return Reading(remarks=(Remark.NO_CUSTOMER,))
    reading = _email(
        origin,
        cells["email marketing consent"],
        read_span(cells["email marketing consent timestamp"]),
        suppressions=[cells["email suppressions"]] if cells["email suppressions"] else [],
        suppressed_at=read_span(cells["email suppressions timestamp"]),
    )
    return reading + _sms(
        origin, cells["sms marketing consent"], read_span(cells["sms marketing consent timestamp"])
    )


class _Outside(BaseModel):
    """A part of what Klaviyo sends; the rest is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class _Suppression(_Outside):
    reason: str = Field(default="", max_length=64)
    timestamp: str | None = Field(default=None, max_length=64)


class _Marketing(_Outside):
    consent: str | None = Field(default=None, max_length=64)
    consent_timestamp: str | None = Field(default=None, max_length=64)
    suppression: tuple[_Suppression, ...] = Field(default=(), max_length=_MAX_SUPPRESSIONS, strict=False)


class _ChannelConsent(_Outside):
    marketing: _Marketing | None = None


class _Subscriptions(_Outside):
    email: _ChannelConsent | None = None
    sms: _ChannelConsent | None = None


class _Attributes(_Outside):
    email: str | None = Field(default=None, max_length=320)
    subscriptions: _Subscriptions | None = None


class _Profile(_Outside):
    attributes: _Attributes


def read_profile(value: object, *, now: int) -> Reading:
    """Say what a profile of the API (`data`, with its `subscriptions`) means; anything else is unreadable."""
    try:
        attributes = _Profile.model_validate(value).attributes
    except ValidationError:
        return Reading(remarks=(Remark.UNREADABLE,))
    said = attributes.subscriptions
    if said is None:
        return Reading()
    fields = attributes.model_dump(mode="json")
    origin = origin_of(email_address(attributes.email or ""), SOURCE, fields, method=Method.IMPORT, now=now)
    if origin is None:
        return Reading(remarks=(Remark.NO_CUSTOMER,))
    reading = Reading()
    if said.email is not None and said.email.marketing is not None:
        marketing = said.email.marketing
        spans = [span for each in marketing.suppression if (span := read_span(each.timestamp or ""))]
        reading += _email(
            origin,
            marketing.consent or "",
            read_span(marketing.consent_timestamp or ""),
            suppressions=[each.reason or "?" for each in marketing.suppression],
            suppressed_at=max(spans, key=lambda span: span.latest, default=None),
        )
    if said.sms is not None and said.sms.marketing is not None:
        sms = said.sms.marketing
        reading += _sms(origin, sms.consent or "", read_span(sms.consent_timestamp or ""))
    return reading


def _email(
    origin: Origin,
    consent: str,
    at: Span | None,
    *,
    suppressions: list[str],
    suppressed_at: Span | None,
) -> Reading:
    purpose, channel, state = Purpose.EMAIL_MARKETING, Channel.EMAIL, _state(consent)
    if state == "unsubscribed":
        return no(origin, purpose, channel, at, act=Act.WITHDRAWN)
    if any(word in each.casefold() for each in suppressions for word in _BY_THE_PERSON):
        after = None if suppressed_at is None else _not_before(suppressed_at, at)
        return no(origin, purpose, channel, after, act=Act.WITHDRAWN)
    if suppressions:
        return Reading(remarks=(Remark.UNDELIVERABLE,))
    if state == "subscribed":
        return yes(origin, purpose, channel, at)
    return _no_answer(state)


def _sms(origin: Origin, consent: str, at: Span | None) -> Reading:
    state = _state(consent)
    if state == "unsubscribed":
        return no(origin, Purpose.EMAIL_MARKETING, Channel.SMS, at, act=Act.WITHDRAWN)
    if state == "subscribed":
        return Reading(remarks=(Remark.NOT_ASKED_HERE,))
    return _no_answer(state)


def _no_answer(state: str) -> Reading:
    if not state:
        return Reading()
    return Reading(remarks=(Remark.NEVER_ASKED if state == "never_subscribed" else Remark.UNKNOWN_VALUE,))


def _state(text: str) -> str:
    return text.strip().casefold().replace(" ", "_")


def _not_before(span: Span, other: Span | None) -> Span:
    """Put an end to what it stands beside, even if a clock says that came later."""
    latest = max(span.latest, other.latest) if other is not None else span.latest
    return Span(latest, latest)
