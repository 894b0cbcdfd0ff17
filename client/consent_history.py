"""One customer's entries in the consent log, as they are shown to that customer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from highstreet.client.consent import ConsentDesk

__all__ = ["ConsentEntry", "consent_history"]

_START = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentEntry:
    """One entry.

    Attributes:
        position: its place in the log.
        purpose, channel, said: to what, where, and what.
        at: moment, UTC, in ISO form.
        valid_until: of a yes, until when; empty without an end.
        method, source: how it came.
        notice: version and language of the text that was shown; empty where it is not known.
        notice_sha256: of that text, in hex.
        record: the entry's one spelling, which is committed to (docs/consent.md).
        salt: with it the customer can show that the log's leaf is this entry; in hex.
        leaf: in hex.
    """

    position: int
    purpose: str
    channel: str
    said: str
    at: str
    valid_until: str
    method: str
    source: str
    notice: str
    notice_sha256: str
    record: str
    salt: str
    leaf: str

    def to_dict(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return asdict(self)


def consent_history(desk: ConsentDesk, customer: int) -> tuple[ConsentEntry, ...]:
    """Return a customer's entries (row key), in the order of the log.

    Raises:
        InconsistentConsentLogError: the log cannot be relied on.
    """
    return tuple(
        ConsentEntry(
            position=entry.position,
            purpose=entry.event.purpose.value,
            channel=entry.event.channel.value,
            said=entry.event.act.value,
            at=_moment(entry.event.at),
            valid_until=_moment(entry.event.valid_until),
            method=entry.event.method.value,
            source=entry.event.source,
            notice=""
            if entry.event.notice is None
            else f"{entry.event.notice.version} {entry.event.notice.language}",
            notice_sha256="" if entry.event.notice is None else entry.event.notice.sha256.hex(),
            record=entry.event.canonical().decode(),
            salt="" if entry.salt is None else entry.salt.hex(),
            leaf=entry.leaf.hex(),
        )
        for entry in desk.history(customer)
        if entry.event is not None
    )


def _moment(microseconds: int | None) -> str:
    if microseconds is None:
        return ""
    try:
        return (_START + timedelta(microseconds=microseconds)).isoformat(timespec="seconds")
    except OverflowError:
        return f"{microseconds} microseconds since 1970"  # before the year 1 or after 9999
