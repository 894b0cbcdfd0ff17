"""Receipts: what a customer is given about their consents, after ISO/IEC TS 27560 and ISO/IEC 29184.

A receipt holds what the shop's consent log says of one person: for each purpose where they stand, and what
was said when, how and where, with the notice that was shown. It is for that person: it names them by the
shop's own number, and nobody else gets it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from highstreet.audit.consent import LAST_MOMENT, MAX_SOURCE_CHARACTERS, Channel, ConsentEvent, Purpose
from highstreet.audit.errors import ReceiptError
from highstreet.audit.receipt_context import STATES

__all__ = ["MAX_ENTRIES", "Receipt", "ReceiptEntry", "ReceiptIssuer", "Standing"]

#: A receipt holds the latest ones; of older ones it says how many there are.
MAX_ENTRIES = 1000
_MAX_STANDINGS = 100
_MAX_TEXT_CHARACTERS = MAX_SOURCE_CHARACTERS
_HASH_BYTES = 32
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptEntry:
    """One entry of the shop's consent log about the person.

    Attributes:
        position: its number in the log.
        event: what was said.
        salt: 32 bytes with which the person can show that the entry's leaf stands for this event. The shop
            destroys its own copy when it erases the person; then only the person can.
    """

    position: int
    event: ConsentEvent
    salt: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where the person stands on a purpose on a channel when the receipt is made.

    Attributes:
        purpose, channel: on what.
        state: the consent desk's word, one of `receipt_context.STATES`.
    """

    purpose: Purpose
    channel: Channel
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptIssuer:
    """The shop that answers for the data.

    Attributes:
        name: as customers know it.
        contact: where to withdraw and to ask: an address, a telephone number or an e-mail address.
        country: two capital letters (ISO 3166-1); empty where it is not said.
        public_key: raw Ed25519 key the receipt is signed by, 32 bytes.
    """

    name: str
    contact: str
    country: str
    public_key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One receipt.

    Attributes:
        receipt_id: a random UUID.
        issued_at: microseconds since 1970-01-01 UTC.
        issuer: the shop.
        customer_id: the person, by the shop's own number.
        customer: the person's row key, as in the events.
        standings: where they stand, at least one.
        entries: what was said, by time and name; at most the latest 1,000.
        older_entries: how many before those.
        log_position: number of the log's last entry when the receipt was made.
        log_root: root of the tree over its leaves then (RFC 9162), 32 bytes: the shop cannot show another
            history later without contradicting its own signature.

    Raises:
        ReceiptError: a field is out of its range.
    """

    receipt_id: str
    issued_at: int
    issuer: ReceiptIssuer
    customer_id: str
    customer: int
    standings: tuple[Standing, ...]
    entries: tuple[ReceiptEntry, ...]
    older_entries: int
    log_position: int
    log_root: bytes

    def __post_init__(self) -> None:
        moments = [self.issued_at]
        texts = [self.issuer.name, self.issuer.contact, self.customer_id]
        events = [entry.event for entry in self.entries]
        for event in events:
            moments += [event.at, event.at if event.valid_until is None else event.valid_until]
            texts += [event.event_id, event.source]
            if event.notice is not None:
                texts += [event.notice.version, event.notice.language]
            hashes = (event.notice.sha256 if event.notice else None, event.evidence_sha256)
            _check(all(each is None or len(each) == _HASH_BYTES for each in hashes), "a hash has 32 bytes")
        _check(_UUID.fullmatch(self.receipt_id) is not None, "it is named by a UUID")
        _check(all(0 <= moment <= LAST_MOMENT for moment in moments), "a moment is out of range")
        _check(all(0 < len(text) <= _MAX_TEXT_CHARACTERS for text in texts), "a text is empty or too long")
        _check(len(self.issuer.public_key) == _HASH_BYTES, "its key is not an Ed25519 key")
        _check(re.fullmatch(r"([A-Z]{2})?", self.issuer.country) is not None, "no such country")
        self._check_standings({event.purpose for event in events})
        self._check_entries()

    def _check_standings(self, said: set[Purpose]) -> None:
        _check(0 < len(self.standings) <= _MAX_STANDINGS, "it says of no purpose where the person stands")
        _check(all(each.state in STATES for each in self.standings), "a state has no meaning")
        pairs = [(each.purpose, each.channel) for each in self.standings]
        _check(len(set(pairs)) == len(pairs), "it says twice where the person stands")
        _check({each.purpose for each in self.standings} >= said, "an event's purpose has no standing")

    def _check_entries(self) -> None:
        order = [(entry.event.at, entry.event.event_id) for entry in self.entries]
        _check(order == sorted(set(order)), "its entries are out of order")
        _check(len(order) <= MAX_ENTRIES and self.older_entries >= 0, "it holds too many entries")
        _check(all(entry.event.customer == self.customer for entry in self.entries), "it is about two people")
        _check(all(len(entry.salt) == _HASH_BYTES for entry in self.entries), "a salt has 32 bytes")
        places = [entry.position for entry in self.entries]
        _check(len(set(places)) == len(places), "two entries stand in one place")
        _check(all(0 < place <= self.log_position for place in places), "an entry is not in the log")
        _check(len(self.log_root) == _HASH_BYTES and self.customer > 0, "it names no log or nobody")


def _check(holds: bool, fact: str) -> None:
    if not holds:
        raise ReceiptError(f"This cannot be a receipt: {fact}.")
