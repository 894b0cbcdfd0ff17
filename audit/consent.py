"""Consent events: what a customer said about one purpose and channel, how, where and when.

After ISO/IEC TS 27560 (records of consent) and the W3C Data Privacy Vocabulary. Purposes are apart: a yes to
one says nothing about another, and each is off until the customer said yes. Events are only ever added; where
a customer stands follows from all of them (`audit.consent_states`). What cannot be read is refused, not
skipped: it could be a withdrawal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from highstreet.audit.canonical import canonical_json
from highstreet.audit.errors import InconsistentConsentLogError, UnknownChannelError, UnknownPurposeError

__all__ = [
    "EVERYBODY",
    "LAST_MOMENT",
    "MAX_SOURCE_CHARACTERS",
    "Act",
    "Channel",
    "ConsentEvent",
    "ConsentState",
    "Method",
    "NoticeName",
    "Purpose",
    "inconsistent",
    "read_event",
    "read_spelling",
]

#: Of an event's source: a receipt shows it, and takes no more.
MAX_SOURCE_CHARACTERS = 500
#: The latest moment that a receipt can show: the end of the year 9999, microseconds since 1970-01-01 UTC.
LAST_MOMENT = 253_402_300_799_999_999
#: In the place of a customer: the event is about everybody who said yes before it.
EVERYBODY = 0
_FORMAT_VERSION = 1
_EVENT_ID = re.compile(r"[0-9a-f]{32}")
_HASH_BYTES = 32
_SPELLED_HASHES = ("notice_sha256", "evidence_sha256")


class Purpose(StrEnum):
    """What a customer can agree to, each for itself."""

    SUGGESTIONS_HERE = "suggestions_here"
    SHOP_MODEL = "shop_model"
    COOP_LEARNING = "coop_learning"
    EMAIL_MARKETING = "email_marketing"
    MATCHING = "matching"
    SENSITIVE_CATEGORIES = "sensitive_categories"

    @classmethod
    def parse(cls, text: str) -> Purpose:
        """Return the purpose of that name.

        Raises:
            UnknownPurposeError: there is none of that name.
        """
        try:
            return cls(text.strip().casefold().replace("-", "_"))
        except ValueError as error:
            raise UnknownPurposeError(
                "There is no purpose of that name that a customer could agree to.",
                next_step=f"Purposes are: {', '.join(cls)}.",
            ) from error

    @property
    def plain_words(self) -> str:
        """The purpose as an owner would say it."""
        return _PLAIN_WORDS[self]


_PLAIN_WORDS = {
    Purpose.SUGGESTIONS_HERE: "personal suggestions in this shop",
    Purpose.SHOP_MODEL: "training this shop's own model",
    Purpose.COOP_LEARNING: "learning together with the co-op",
    Purpose.EMAIL_MARKETING: "offers by e-mail",
    Purpose.MATCHING: "counting at how many of our co-op's shops you shop",
    Purpose.SENSITIVE_CATEGORIES: "using purchases of a sensitive kind (health, baby, adult, religion) too",
}


class Channel(StrEnum):
    """Where a purpose is pursued. `EVERYWHERE` covers all the others, and what has no channel."""

    EVERYWHERE = "everywhere"
    TILL = "till"
    WEB = "web"
    EMAIL = "email"
    SMS = "sms"
    PHONE = "phone"
    POST = "post"

    @classmethod
    def parse(cls, text: str) -> Channel:
        """Return the channel of that name.

        Raises:
            UnknownChannelError: there is none of that name.
        """
        try:
            return cls(text.strip().casefold())
        except ValueError as error:
            raise UnknownChannelError(
                "There is no channel of that name.", next_step=f"Channels are: {', '.join(cls)}."
            ) from error


class Act(StrEnum):
    """What happened. A first "no" is a refusal; a later one is a withdrawal; both end what was given."""

    ASKED = "asked"
    GIVEN = "given"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    RECONSENT_NEEDED = "reconsent_needed"
    OBJECTED = "objected"

    @property
    def is_no(self) -> bool:
        """Whether the customer said no, in whatever form."""
        return self in _NOES

    @property
    def is_lapse(self) -> bool:
        """Whether a yes ended though the customer did not say no."""
        return self in _LAPSES


_NOES = frozenset({Act.REFUSED, Act.WITHDRAWN, Act.OBJECTED})
_LAPSES = frozenset({Act.EXPIRED, Act.RECONSENT_NEEDED})


class Method(StrEnum):
    """How the shop came to know of it."""

    SPOKEN = "spoken"
    FORM = "form"
    CLICK = "click"
    IMPORT = "import"
    SIGNAL = "signal"
    #: Nobody said anything: a rule of the shop applied (a yes ran out, a backup was put back).
    RULE = "rule"


class ConsentState(StrEnum):
    """What follows from all that a customer said about one purpose on one channel."""

    GRANTED = "granted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    OBJECTED = "objected"
    EXPIRED = "expired"
    RECONSENT_NEEDED = "reconsent_needed"
    ASKED = "asked"
    NOT_ASKED = "not_asked"

    @property
    def is_no(self) -> bool:
        """Whether the customer's last word is no."""
        return self in _NO_STATES

    @property
    def is_lapsed(self) -> bool:
        """Whether there was a yes that counts no longer, and no no."""
        return self in _LAPSED_STATES


_NO_STATES = frozenset({ConsentState.REFUSED, ConsentState.WITHDRAWN, ConsentState.OBJECTED})
_LAPSED_STATES = frozenset({ConsentState.EXPIRED, ConsentState.RECONSENT_NEEDED})


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeName:
    """Which text a customer was shown.

    Attributes:
        version: the shop's own name for the version.
        language: as in `en` or `de-AT`.
        sha256: of the exact text, 32 bytes.
    """

    version: str
    language: str
    sha256: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentEvent:
    """One entry of the consent log, without its place in it.

    Attributes:
        event_id: 32 hexadecimal digits, drawn at random.
        customer: opaque row key of the customer, or `EVERYBODY`.
        purpose, channel: what it is about.
        act: what happened.
        at: when, in microseconds since 1970-01-01 UTC.
        method, source: how, and where: a place or a kind of file.
        valid_until: of a yes, the moment from which it counts no longer; None when it was given without one.
        notice: the text that was shown; None where it is not known.
        evidence_sha256: of what shows it (a signal's bytes, a scan), 32 bytes; None without.
    """

    event_id: str
    customer: int
    purpose: Purpose
    channel: Channel
    act: Act
    at: int
    method: Method
    source: str
    valid_until: int | None = None
    notice: NoticeName | None = None
    evidence_sha256: bytes | None = None

    def canonical(self) -> bytes:
        """Return the one spelling of the event, which its commitment is made of (docs/consent.md)."""
        notice = self.notice
        return canonical_json(
            {
                "act": self.act.value,
                "at": self.at,
                "channel": self.channel.value,
                "customer": self.customer,
                "event_id": self.event_id,
                "evidence_sha256": None if self.evidence_sha256 is None else self.evidence_sha256.hex(),
                "format_version": _FORMAT_VERSION,
                "language": None if notice is None else notice.language,
                "method": self.method.value,
                "notice_sha256": None if notice is None else notice.sha256.hex(),
                "notice_version": None if notice is None else notice.version,
                "purpose": self.purpose.value,
                "source": self.source,
                "valid_until": self.valid_until,
            }
        )


def read_event(values: Sequence[object]) -> ConsentEvent:
    """Turn an entry's raw values into the event; nothing is guessed.

    Args:
        values: event_id, customer (None for everybody), purpose, channel, act, at, valid_until, method,
            source, notice version, language, notice hash, evidence hash.

    Raises:
        ValueError: a value has no meaning here, or they contradict one another.
    """
    event_id, customer, purpose, channel, act, at, valid_until, method, source, *shown = values
    version, language, notice_sha256, evidence = shown
    event = ConsentEvent(
        event_id=_text(event_id),
        customer=EVERYBODY if customer is None else _whole(customer),
        purpose=Purpose(_text(purpose)),
        channel=Channel(_text(channel)),
        act=Act(_text(act)),
        at=_whole(at),
        valid_until=None if valid_until is None else _whole(valid_until),
        method=Method(_text(method)),
        source=_text(source),
        notice=_notice(version, language, notice_sha256),
        evidence_sha256=None if evidence is None else _hash(evidence),
    )
    if _EVENT_ID.fullmatch(event.event_id) is None or event.customer < 0:
        raise ValueError("no name of an event")
    if customer is None and event.act is not Act.RECONSENT_NEEDED:
        raise ValueError("nobody speaks for everybody")
    return event


def read_spelling(spelling: bytes) -> ConsentEvent:
    """Return the event that `ConsentEvent.canonical` spelled so.

    Raises:
        ValueError: it is the spelling of no event.
    """
    try:
        plain = json.loads(spelling)
        hashes = [None if plain[name] is None else bytes.fromhex(plain[name]) for name in _SPELLED_HASHES]
        customer = plain["customer"]
        event = read_event(
            [
                plain["event_id"],
                None if customer == EVERYBODY else customer,
                *(plain[name] for name in ("purpose", "channel", "act", "at", "valid_until", "method")),
                *(plain[name] for name in ("source", "notice_version", "language")),
                *hashes,
            ]
        )
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError("no spelling of an event") from error
    if event.canonical() != spelling:
        raise ValueError("another spelling of an event")
    return event


def _whole(value: object) -> int:
    if type(value) is not int:
        raise ValueError("not a whole number")
    return value


def _text(value: object) -> str:
    if type(value) is not str:
        raise ValueError("not a text")
    return value


def _hash(value: object) -> bytes:
    if type(value) is not bytes or len(value) != _HASH_BYTES:
        raise ValueError("not a hash")
    return value


def _notice(version: object, language: object, sha256: object) -> NoticeName | None:
    if version is None and language is None and sha256 is None:
        return None
    return NoticeName(version=_text(version), language=_text(language), sha256=_hash(sha256))


def inconsistent(fact: str) -> InconsistentConsentLogError:
    """Return the error that says what is wrong with the consent log."""
    return InconsistentConsentLogError(
        f"The consent log cannot be relied on: {fact}.",
        next_step="Nobody's data is used until the shop's data is put back from a good copy.",
    )
