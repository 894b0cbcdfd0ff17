"""The store's papers about an attestation: its opening for an auditor, and one customer's proof."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing

from highstreet.audit.attestation_papers import (
    AttestationOpening,
    CohortEntry,
    LogEntryOpening,
    MembershipProof,
)
from highstreet.audit.cohort_commitment import customer_leaf
from highstreet.audit.consent import Purpose
from highstreet.audit.requests import attestation_in
from highstreet.audit.signing import SignedDocument
from highstreet.client.attestation_book import AttestationBook
from highstreet.client.attested_use import CommittedRound, customer_salt
from highstreet.client.consent_log import ConsentLog
from highstreet.client.errors import AttestationRecordError
from highstreet.client.home import StoreHome
from highstreet.client.identity import load_identity
from highstreet.client.ledger import Ledger, RoundKey
from highstreet.client.pseudonyms import known_names
from highstreet.client.vault import Vault
from highstreet.protos.rounds_pb2 import RoundReply, SignedReply

__all__ = ["named_round", "open_attested", "prove_membership"]

#: What a customer's data can be used for beside the co-op's learning.
_FURTHER = (Purpose.MATCHING, Purpose.SENSITIVE_CATEGORIES)


def named_round(text: str) -> tuple[str, int]:
    """Return programme and number of a round as people write it: PROGRAMME/NUMBER.

    Raises:
        AttestationRecordError: it is not so written.
    """
    programme_id, _, number = text.strip().rpartition("/")
    if not programme_id or not (number.isascii() and number.isdigit()):
        raise AttestationRecordError(
            "That is no round.", next_step="Write it as `highstreet store rounds` does: PROGRAMME/NUMBER."
        )
    return programme_id, int(number)


def open_attested(
    home: StoreHome, vault: Vault, *, programme_id: str, round_number: int
) -> AttestationOpening:
    """Open all that was attested of a round, for an auditor. It holds consent events, and no identity.

    Raises:
        AttestationRecordError: nothing of that round is kept, or nothing of it was sent.
        InconsistentConsentLogError: the consent log cannot be relied on.
        LedgerError: the ledger cannot be trusted or read.
    """
    kept = AttestationBook(home).find(programme_id, round_number)
    signed = _sent(home, kept)
    log = ConsentLog(vault)
    with log.reading() as (connection, folded):
        customers = sorted(folded.states.customers(Purpose.COOP_LEARNING))
        entries = tuple(
            LogEntryOpening(leaf=each.leaf, event=each.event, salt=each.salt)
            for each in itertools.takewhile(
                lambda each: each.position <= kept.basis.position, log.entries_after(connection, 0)
            )
        )
    places = {leaf: slot for slot, leaf in kept.tree.leaves.items()}
    cohort = sorted(_found(vault, kept, places, customers), key=lambda entry: entry.slot)
    known = {entry.slot for entry in cohort}
    return AttestationOpening(
        signed=signed,
        public_key=load_identity(home).signing_public_key,
        basis=kept.basis,
        consent_salt=kept.consent_salt,
        policy=kept.policy,
        pad_key=kept.tree.pad_key,
        cohort=tuple(cohort),
        erased={slot: leaf for slot, leaf in kept.tree.leaves.items() if slot not in known},
        entries=entries,
    )


def prove_membership(
    home: StoreHome, vault: Vault, customer_id: str, *, programme_id: str, round_number: int
) -> MembershipProof:
    """Make a customer's proof that their data could be used in a round. For the customer alone.

    Raises:
        UnknownCustomerError: no such customer.
        AttestationRecordError: they were not in it; or see `open_attested`.
    """
    customer = vault.customer_key(customer_id)
    kept = AttestationBook(home).find(programme_id, round_number)
    places = {leaf: slot for slot, leaf in kept.tree.leaves.items()}
    entry = next(_found(vault, kept, places, [customer]), None)
    if entry is None:
        raise AttestationRecordError(
            "This customer's data was not used in that round.",
            next_step="An auditor can see that in the round's opening: highstreet store attestation export",
        )
    return MembershipProof(
        signed=_sent(home, kept),
        public_key=load_identity(home).signing_public_key,
        entry=entry,
        path=kept.tree.proof(entry.slot),
    )


def _found(
    vault: Vault, kept: CommittedRound, places: dict[bytes, int], customers: list[int]
) -> Iterator[CohortEntry]:
    """Yield those of some customers whose leaf is in the tree: whichever purposes it was made for."""
    for customer, name in known_names(vault, customers).items():
        salt = customer_salt(bytes.fromhex(name), kept.request_sha256)
        for count in range(len(_FURTHER) + 1):
            for further in itertools.combinations(_FURTHER, count):
                purposes = frozenset({Purpose.COOP_LEARNING, *further})
                slot = places.get(customer_leaf(salt, customer, purposes))
                if slot is not None:
                    yield CohortEntry(slot=slot, customer=customer, purposes=purposes, salt=salt)


def _sent(home: StoreHome, kept: CommittedRound) -> SignedDocument:
    """Return the attestation as it left, from the reply that the ledger keeps."""
    key = RoundKey(programme_id=kept.programme_id, phase=kept.round, request_sha256=kept.request_sha256)
    with closing(Ledger.open(home.ledger)) as ledger:
        answered = ledger.answered(key)
    signed = (
        None
        if answered is None
        else attestation_in(RoundReply.FromString(SignedReply.FromString(answered.reply).reply))
    )
    if signed is None:
        raise AttestationRecordError(
            "Nothing was sent for that round that could be attested.",
            next_step="See what was: highstreet store rounds",
        )
    return signed
