"""The rights desk: a customer's copy of their data, restriction and objection, each put on record.

Erasure and rectification, which reach into every file, have modules of their own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from highstreet.audit.consent import Act, Method, Purpose
from highstreet.client.consent import ConsentDesk, How
from highstreet.client.consented_cohort import Exclusion
from highstreet.client.home import StoreHome
from highstreet.client.matching_withdrawals import forget_withdrawn_at
from highstreet.client.personal_file import forget_model
from highstreet.client.personal_record import PersonalRecord, gather_record
from highstreet.client.rights_files import keep_record, new_folder_name, remove_expired
from highstreet.client.rights_requests import RequestKind, note_request
from highstreet.client.vault import Vault

__all__ = ["MadeRecord", "make_record", "object_to", "set_restriction"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeRecord:
    """A customer's record and the private folder that holds it in both forms."""

    record: PersonalRecord
    folder: Path


def make_record(home: StoreHome, customer_id: str, *, source: str, now: datetime) -> MadeRecord:
    """Write all that the store holds of a customer into a folder of its own, for them.

    The folder's name says nothing of whom it is for. It is removed with the customer, or after 30
    days (`retention`).

    Raises:
        UnknownCustomerError: no such customer. ClientError: a part cannot be read; nothing is written,
        since half a record would pass for a whole one.
    """
    # Imported here: only this needs the template's library.
    from highstreet.client.record_page import record_page

    with Vault.open(home.vault) as vault:
        remove_expired(home, vault, now=now)
        record = gather_record(home, vault, customer_id, now=now)
        for_programs = json.dumps(record.to_dict(), indent=2, ensure_ascii=False).encode()
        for_people = record_page(record).encode()
        customer, name = vault.customer_key(customer_id), new_folder_name()
        with vault.write() as connection:
            # Under this lock an erasure is either done, and the entry refused, or finds the folder.
            note_request(
                connection,
                RequestKind.ACCESS,
                customer,
                made_at=int(now.timestamp()),
                source=source,
                folder=name,
            )
            folder = keep_record(home, name, for_programs=for_programs, for_people=for_people)
    return MadeRecord(record=record, folder=folder)


def set_restriction(
    home: StoreHome, customer_id: str, *, is_restricted: bool, source: str, now: datetime
) -> None:
    """Use a customer's data for nothing from now on, or use them again as far as they agreed.

    Whatever is computed next is without them, a round under way included. The shop's own model is fitted
    anew.

    Raises:
        UnknownCustomerError: no such customer.
    """
    kind = RequestKind.RESTRICT if is_restricted else RequestKind.LIFT
    with Vault.open(home.vault) as vault:
        desk, customer = ConsentDesk(vault), vault.customer_key(customer_id)
        (desk.exclude if is_restricted else desk.include)(customer_id, Exclusion.RESTRICTED)
        with vault.write() as connection:
            note_request(connection, kind, customer, made_at=int(now.timestamp()), source=source)
            forget_model(home)


def object_to(
    home: StoreHome, customer_id: str, purposes: tuple[Purpose, ...], *, source: str, now: datetime
) -> None:
    """Write down an objection: from now on the data are not used for these purposes.

    Raises:
        UnknownCustomerError: no such customer.
    """
    with Vault.open(home.vault) as vault:
        desk, customer = ConsentDesk(vault), vault.customer_key(customer_id)
        for purpose in purposes:
            desk.record(customer_id, purpose, Act.OBJECTED, How(method=Method.SPOKEN, source=source))
        with vault.write() as connection:
            note_request(
                connection, RequestKind.OBJECT, customer, made_at=int(now.timestamp()), source=source
            )
            forget_model(home)
        forget_withdrawn_at(home, vault)
