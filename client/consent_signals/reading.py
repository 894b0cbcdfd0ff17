"""What one record of a foreign source says: signals, and remarks on what was not taken for an answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from highstreet.audit.consent import Act, Channel, Method, Purpose
from highstreet.audit.consent_signals import Signal
from highstreet.client.consent_signals.moments import Span

__all__ = ["Origin", "Reading", "Remark", "email_address", "evidence", "no", "origin_of", "yes"]

#: Clocks that are corrected over the network are ahead of each other by less than this.
_CLOCK_TOLERANCE_MICROSECONDS = 10_000_000
_MAX_ADDRESS_CHARACTERS = 320


class Remark(StrEnum):
    """Why something that was read is no answer here, in an owner's words."""

    NO_CUSTOMER = "no customer number or e-mail address that can be one"
    UNDATED_YES = "a yes without a date that can be read (no evidence of when)"
    FUTURE_YES = "a yes dated in the future"
    OLD_YES = "a yes of a cookie banner that is older than 13 months"
    UNCONFIRMED = "signed up, but nothing says that they confirmed it"
    UNKNOWN_OPT_IN = "subscribed, but the tool does not know how they were signed up"
    UNKNOWN_VALUE = "a value that has no meaning here"
    UNREADABLE = "something damaged or made up"
    NEVER_ASKED = "never asked, by that tool's word"
    UNDELIVERABLE = "an address that mail does not reach (no answer to anything)"
    PRESET = "a preset of the web page, which nobody chose"
    OTHERS_ONLY = "a yes to other companies on the web page, which says nothing of this shop"
    NOT_ASKED_HERE = "a yes to offers by text message, about which there is no question here"
    UNKNOWN_LIST = "an address from a list whose kind the file's name does not tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one record says; `+` puts two together."""

    signals: tuple[Signal, ...] = ()
    remarks: tuple[Remark, ...] = ()

    def __add__(self, other: Reading) -> Reading:
        return Reading(signals=self.signals + other.signals, remarks=self.remarks + other.remarks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a record comes from: what every signal of it has in common.

    Attributes:
        customer_id: what the source knows the customer by.
        source: kind of the source.
        method: `Method.SIGNAL` or `Method.IMPORT`.
        evidence_sha256: hash of what was read.
        now: the present moment, in microseconds since 1970-01-01 UTC.
    """

    customer_id: str
    source: str
    method: Method
    evidence_sha256: bytes
    now: int


def evidence(source: str, fields: Mapping[str, object]) -> bytes:
    """Return what stands for what was read: a SHA-256 over source and fields, as sorted ASCII JSON."""
    # Not canonical JSON: what comes from outside may hold halves of characters, which have no UTF-8.
    value = {"domain": "highstreet/consent-signal/v1", "source": source, "fields": dict(fields)}
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")).digest()


def origin_of(
    customer_id: str, source: str, fields: Mapping[str, object], *, method: Method, now: int
) -> Origin | None:
    """Return the origin of a record, None when it names no customer."""
    customer_id = customer_id.strip()
    if not 0 < len(customer_id) <= _MAX_ADDRESS_CHARACTERS or not customer_id.isprintable():
        return None
    return Origin(
        customer_id=customer_id,
        source=source,
        method=method,
        evidence_sha256=evidence(source, fields),
        now=now,
    )


def email_address(text: str) -> str:
    """Return an address as the vault names customers by it, in small letters; empty when it cannot be one.

    >>> email_address(" Ann@Example.org ")
    'ann@example.org'
    """
    address = text.strip().casefold()
    name, _, host = address.rpartition("@")
    parts = (name, host)
    if len(address) > _MAX_ADDRESS_CHARACTERS or not all(parts) or "@" in name:
        return ""
    return address if address.isprintable() and not any(c.isspace() for c in address) else ""


def yes(origin: Origin, purpose: Purpose, channel: Channel, at: Span | None) -> Reading:
    """Return a grant, dated as early as it may be; a remark when it is undated or of the future."""
    if at is None:
        return Reading(remarks=(Remark.UNDATED_YES,))
    if at.earliest > origin.now + _CLOCK_TOLERANCE_MICROSECONDS:
        return Reading(remarks=(Remark.FUTURE_YES,))
    return Reading(signals=(_signal(origin, purpose, channel, Act.GIVEN, min(at.earliest, origin.now)),))


def no(origin: Origin, purpose: Purpose, channel: Channel, at: Span | None, *, act: Act) -> Reading:
    """Return what ends a consent, dated as late as may be; undated or of the future, it counts from now."""
    when = origin.now if at is None else min(at.latest, origin.now)
    return Reading(signals=(_signal(origin, purpose, channel, act, when),))


def _signal(origin: Origin, purpose: Purpose, channel: Channel, act: Act, at: int) -> Signal:
    return Signal(
        customer_id=origin.customer_id,
        purpose=purpose,
        channel=channel,
        act=act,
        at=at,
        method=origin.method,
        source=origin.source,
        evidence_sha256=origin.evidence_sha256,
    )
