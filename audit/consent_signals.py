"""A consent signal: what a foreign source says of one customer's will, in our own vocabulary.

Cookie banners, newsletter tools and browsers speak of purposes of their own. A signal is what of it has a
meaning here, proposed to the consent desk as an event. It can take away anything, and can grant only what
`GRANTABLE` lists: a yes to something else is never a yes to learning with other shops, to being matched, or
to the use of sensitive categories, so a signal that says so cannot be made.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from highstreet.audit.consent import Act, Channel, Method, Purpose
from highstreet.audit.errors import SignalError

__all__ = ["GRANTABLE", "Signal", "stricter_of_each"]

_MAX_CUSTOMER_ID_CHARACTERS = 320
_MAX_SOURCE_CHARACTERS = 64


#: What a signal may grant, and where: each row of docs/consent-signals.md that grants is one of these.
GRANTABLE: frozenset[tuple[Purpose, Channel]] = frozenset(
    {
        (Purpose.SUGGESTIONS_HERE, Channel.WEB),
        (Purpose.SHOP_MODEL, Channel.WEB),
        (Purpose.EMAIL_MARKETING, Channel.EMAIL),
    }
)

#: The strictest act wins where two cannot both be true; being asked is no answer, so an answer beats it.
_STRICTNESS = (
    Act.ASKED,
    Act.GIVEN,
    Act.RECONSENT_NEEDED,
    Act.EXPIRED,
    Act.REFUSED,
    Act.WITHDRAWN,
    Act.OBJECTED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One proposed event of the consent log.

    Attributes:
        customer_id: what the source knows the customer by: the shop's own number, or the e-mail address in
            small letters.
        purpose: of ours.
        channel: where it holds.
        act: what was said.
        at: when, in microseconds since 1970-01-01 UTC.
        method: `signal` for what a browser sent, `import` for what a tool's file says.
        source: kind of the source, for example `mailchimp-unsubscribed`; never the file's name, never free
            text.
        evidence_sha256: SHA-256 of what was read (`highstreet.client.consent_signals.reading.evidence`). Of
            guessable content, so it is personal data and is erased with the person.

    Raises:
        SignalError: it would grant what no signal can grant, or a field is out of its range.
    """

    customer_id: str
    purpose: Purpose
    channel: Channel
    act: Act
    at: int
    method: Method
    source: str
    evidence_sha256: bytes

    def __post_init__(self) -> None:
        if self.act is Act.GIVEN and (self.purpose, self.channel) not in GRANTABLE:
            raise SignalError(
                f"No signal can grant {self.purpose.value} on the channel {self.channel.value}."
            )
        if self.method not in (Method.IMPORT, Method.SIGNAL):
            raise SignalError(f"Nobody said this to a person, so it is not {self.method.value}.")
        if not 0 < len(self.customer_id) <= _MAX_CUSTOMER_ID_CHARACTERS:
            raise SignalError("A signal needs a customer's number or address of at most 320 characters.")
        if not (0 < len(self.source) <= _MAX_SOURCE_CHARACTERS and self.source.isascii()):
            raise SignalError("A signal names the kind of its source in at most 64 ASCII characters.")
        if self.at < 0 or len(self.evidence_sha256) != 32:
            raise SignalError("A signal needs a moment after 1970 and a SHA-256 of its evidence.")


def stricter_of_each(signals: Iterable[Signal]) -> tuple[Signal, ...]:
    """Leave one signal per customer, purpose, channel and instant: the strictest. In order of time.

    Which signals come first does not matter; at different instants both stay, and the later one counts.
    """
    strictest: dict[tuple[str, Purpose, Channel, int], Signal] = {}
    for signal in signals:
        key = (signal.customer_id, signal.purpose, signal.channel, signal.at)
        known = strictest.get(key)
        if known is None or _rank(signal) > _rank(known):
            strictest[key] = signal
    return tuple(sorted(strictest.values(), key=lambda s: (s.at, s.customer_id, s.purpose, s.channel)))


def _rank(signal: Signal) -> tuple[int, str, bytes]:
    return _STRICTNESS.index(signal.act), signal.source, signal.evidence_sha256
