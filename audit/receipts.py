"""Receipts: what a customer is given about their consents, after ISO/IEC TS 27560 and ISO/IEC 29184.

A receipt holds what the shop's consent log says of one person: for each purpose where they stand, and what
was said when, how and where, with the notice that was shown. It is for that person: it names them by the
shop's own number, and nobody else gets it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from highstreet.audit.consent import (
    LAST_MOMENT,
    MAX_SOURCE_CHARACTERS,
    Channel,
    ConsentEvent,
    Purpose,
    read_spelling,
)
from highstreet.audit.consent_leaf import consent_leaf
from highstreet.audit.errors import ReceiptError
from highstreet.audit.receipt_context import STATES

__all__ = [
    "MAX_ENTRIES",
    "MAX_RECORD_CHARACTERS",
    "OddEntry",
    "Receipt",
    "ReceiptEntry",
    "ReceiptIssuer",
    "Standing",
    "oddity",
]

#: A receipt holds the latest ones; of older ones it says how many there are.
MAX_ENTRIES = 1000
#: Of an entry that is shown word for word.
MAX_RECORD_CHARACTERS = 2000
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
class OddEntry:
    """One entry of the log that a receipt's fields have no room for (`oddity`), so it stands word for word.

    Attributes:
        position: its number in the log.
        record: the event's one spelling, which the leaf commits to; empty where it is longer than
            MAX_RECORD_CHARACTERS, and the person finds it in the copy of their data.
        salt: as in `ReceiptEntry`.
        leaf: 32 bytes.
    """

    position: int
    record: str
    salt: bytes
    leaf: bytes

    @classmethod
    def of(cls, entry: ReceiptEntry) -> OddEntry:
        """Return an entry word for word."""
        record = entry.event.canonical().decode()
        return cls(
            position=entry.position,
            record=record if len(record) <= MAX_RECORD_CHARACTERS else "",
            salt=entry.salt,
            leaf=consent_leaf(entry.event, entry.salt),
        )


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
        odd_entries: others of these, in the order of the log, that no receipt can show as answers.
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
    odd_entries: tuple[OddEntry, ...] = ()

    def __post_init__(self) -> None:
        texts = (self.issuer.name, self.issuer.contact, self.customer_id)
        events = [entry.event for entry in self.entries]
        for event in events:
            fact = oddity(event)
            _check(fact is None, fact or "")
        _check(_UUID.fullmatch(self.receipt_id) is not None, "it is named by a UUID")
        _check(0 <= self.issued_at <= LAST_MOMENT, "a moment is out of range")
        _check(all(map(_is_text, texts)), "a text is empty or too long")
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
        count = len(order) + len(self.odd_entries)
        _check(count <= MAX_ENTRIES and self.older_entries >= 0, "it holds too many entries")
        odd_places = [odd.position for odd in self.odd_entries]
        _check(odd_places == sorted(odd_places), "its entries are out of order")
        for odd in self.odd_entries:
            self._check_odd(odd)
        _check(all(entry.event.customer == self.customer for entry in self.entries), "it is about two people")
        salts = [entry.salt for entry in self.entries] + [odd.salt for odd in self.odd_entries]
        _check(all(len(salt) == _HASH_BYTES for salt in salts), "a salt has 32 bytes")
        places = [*odd_places, *(entry.position for entry in self.entries)]
        _check(len(set(places)) == len(places), "two entries stand in one place")
        _check(all(0 < place <= self.log_position for place in places), "an entry is not in the log")
        _check(len(self.log_root) == _HASH_BYTES and self.customer > 0, "it names no log or nobody")

    def _check_odd(self, odd: OddEntry) -> None:
        _check(len(odd.salt) == len(odd.leaf) == _HASH_BYTES, "a hash has 32 bytes")
        if not odd.record:
            return
        _check(len(odd.record) <= MAX_RECORD_CHARACTERS, "a text is empty or too long")
        try:
            event = read_spelling(odd.record.encode())
        except ValueError as error:
            raise ReceiptError("This cannot be a receipt: an entry cannot be read.") from error
        _check(event.customer == self.customer, "it is about two people")
        _check(oddity(event) is not None, "an entry that is an answer is not shown as one")
        _check(consent_leaf(event, odd.salt) == odd.leaf, "an entry is not what its leaf stands for")


def oddity(event: ConsentEvent) -> str | None:
    """Say why a receipt's fields have no room for an event; None where they have.

    Nothing that is recorded now is odd; a log may hold what earlier versions, or other programs, wrote.
    """
    moments = (event.at, event.at if event.valid_until is None else event.valid_until)
    if not all(0 <= moment <= LAST_MOMENT for moment in moments):
        return "a moment is out of range"
    shown = () if event.notice is None else (event.notice.version, event.notice.language)
    if not all(map(_is_text, (event.event_id, event.source, *shown))):
        return "a text is empty or too long"
    hashes = (event.notice.sha256 if event.notice else None, event.evidence_sha256)
    if not all(each is None or len(each) == _HASH_BYTES for each in hashes):
        return "a hash has 32 bytes"
    return None


def _is_text(text: str) -> bool:
    return 0 < len(text) <= _MAX_TEXT_CHARACTERS


def _check(holds: bool, fact: str) -> None:
    if not holds:
        raise ReceiptError(f"This cannot be a receipt: {fact}.")
