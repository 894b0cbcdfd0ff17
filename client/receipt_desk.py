"""The receipt desk: makes one customer's receipt from the consent log, signed with the shop's key."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo

from highstreet.audit.consent import Channel, Purpose
from highstreet.audit.receipt_format import sign_receipt
from highstreet.audit.receipts import (
    MAX_ENTRIES,
    OddEntry,
    Receipt,
    ReceiptEntry,
    ReceiptIssuer,
    Standing,
    oddity,
)
from highstreet.audit.signing import DOCUMENT_LIMIT_BYTES, SignedDocument
from highstreet.client.config import ShopConfig
from highstreet.client.consent import ConsentDesk
from highstreet.client.consent_pages.receipt_page import receipt_page
from highstreet.client.errors import StoreConfigError
from highstreet.client.identity import Identity
from highstreet.client.vault import Vault

__all__ = ["IssuedReceipt", "issue_receipt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedReceipt:
    """A receipt as the customer gets it.

    Attributes:
        receipt: what it says.
        file: the signed file for programs.
        file_name: what it is called; the page beside it names it.
        page: the page for reading.
    """

    receipt: Receipt
    file: bytes
    file_name: str
    page: str


def issue_receipt(
    vault: Vault,
    desk: ConsentDesk,
    identity: Identity,
    shop: ShopConfig,
    customer_id: str,
    *,
    language: str,
    now: int,
    zone: tzinfo,
) -> IssuedReceipt:
    """Make and sign a customer's receipt as things stand now.

    Args:
        vault: the shop's data.
        desk: over that vault.
        identity: the shop's keys.
        shop: as its customers know it.
        customer_id: the shop's own number.
        language: of the page.
        now: microseconds since 1970-01-01 UTC.
        zone: for moments on the page.

    Raises:
        UnknownCustomerError: no such customer.
        StoreConfigError: the shop's name or contact is not written down, and a receipt says who answers.
        UnknownLanguageError: there are no pages in that language.
        InconsistentConsentLogError: the log cannot be relied on.
    """
    if not (shop.name.strip() and shop.contact.strip()):
        raise StoreConfigError(
            "A receipt says who answers for the data, and store.toml does not.",
            next_step="Write name and contact under [shop] in store.toml.",
        )
    key = vault.customer_key(customer_id)
    head, history = desk.root(), desk.history(key)  # in this order: what is added meanwhile is left out below
    every = [
        ReceiptEntry(position=logged.position, event=logged.event, salt=logged.salt)
        for logged in history
        if logged.event is not None and logged.salt is not None and logged.position <= head.position
    ]
    entries = sorted(
        (entry for entry in every if oddity(entry.event) is None),
        key=lambda entry: (entry.event.at, entry.event.event_id),
    )
    odd = [OddEntry.of(entry) for entry in every if oddity(entry.event) is not None]
    whole = Receipt(
        receipt_id=str(uuid.uuid4()),
        issued_at=now,
        issuer=ReceiptIssuer(
            name=shop.name.strip(),
            contact=shop.contact.strip(),
            country=shop.country,
            public_key=identity.signing_public_key,
        ),
        customer_id=customer_id,
        customer=key,
        standings=tuple(_standings(desk, key, every)),
        entries=(),
        older_entries=len(every),
        log_position=head.position,
        log_root=head.root,
    )
    receipt, signed = _signed(whole, entries, odd, identity)
    file_name = f"receipt-{receipt.receipt_id[:8]}.json"
    return IssuedReceipt(
        receipt=receipt,
        file=signed.to_file_bytes(),
        file_name=file_name,
        page=receipt_page(receipt, language=language, zone=zone, receipt_file=file_name),
    )


def _signed(
    whole: Receipt, entries: Sequence[ReceiptEntry], odd: Sequence[OddEntry], identity: Identity
) -> tuple[Receipt, SignedDocument]:
    """Sign a receipt with as many of the latest entries as a document has room for, odd ones the first."""
    most = MAX_ENTRIES
    while True:
        shown_odd = odd[-most:]
        shown = entries[-(most - len(shown_odd)) :] if most > len(shown_odd) else ()
        receipt = replace(
            whole,
            entries=tuple(shown),
            odd_entries=tuple(shown_odd),
            older_entries=whole.older_entries - len(shown) - len(shown_odd),
        )
        signed = sign_receipt(receipt, identity.signing)
        if len(signed.document) <= DOCUMENT_LIMIT_BYTES or most == 1:
            return receipt, signed
        most //= 2


def _standings(desk: ConsentDesk, customer: int, entries: list[ReceiptEntry]) -> Iterator[Standing]:
    """Every purpose everywhere, where the strictest counts, and on each channel that was spoken of."""
    for purpose in Purpose:
        channels = {entry.event.channel for entry in entries if entry.event.purpose is purpose}
        for channel in Channel:
            if channel in channels or channel is Channel.EVERYWHERE:
                state = desk.state(customer, purpose, channel)
                yield Standing(purpose=purpose, channel=channel, state=state.value)
