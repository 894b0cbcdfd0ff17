"""The store's papers about an attestation: its opening for an auditor, and one customer's proof."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing

from highstreet.audit.attestation import AttestedKind
from highstreet.audit.attestation_papers import (
    AttestationOpening,
    CohortEntry,
    LogEntryOpening,
    MembershipProof,
)
from highstreet.audit.cohort_commitment import customer_leaf
from highstreet.audit.consent import Purpose
from highstreet.audit.signing import SignedDocument
from highstreet.client.attestation_book import AttestationBook
from highstreet.client.attested_names import AttestedName
from highstreet.client.attested_use import CommittedRound, customer_salt
from highstreet.client.consent_log import ConsentLog
from highstreet.client.errors import AttestationRecordError
from highstreet.client.home import StoreHome
from highstreet.client.identity import load_identity
from highstreet.client.ledger import Ledger, RoundKey
from highstreet.client.matching_papers import MatchingPapers
from highstreet.client.pseudonyms import known_names
from highstreet.client.round_replies import attestation_of
from highstreet.client.vault import Vault

__all__ = ["open_attested", "prove_membership"]

#: What a customer's data can be used for beside the co-op's learning.
_FURTHER = (Purpose.MATCHING, Purpose.SENSITIVE_CATEGORIES)


def open_attested(home: StoreHome, vault: Vault, name: AttestedName) -> AttestationOpening:
    """Open all that was attested of a contribution, for an auditor: consent events, and no identity.

    Raises:
        AttestationRecordError: nothing of it is kept, or nothing was sent.
        InconsistentConsentLogError: the consent log cannot be relied on.
        LedgerError: the ledger cannot be trusted or read.
    """
    kept = AttestationBook(home).find(name)
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


def prove_membership(home: StoreHome, vault: Vault, customer_id: str, name: AttestedName) -> MembershipProof:
    """Make a customer's proof that their data was behind a contribution. For the customer alone.

    Raises:
        UnknownCustomerError: no such customer.
        AttestationRecordError: they were not in it; or see `open_attested`.
    """
    customer = vault.customer_key(customer_id)
    kept = AttestationBook(home).find(name)
    places = {leaf: slot for slot, leaf in kept.tree.leaves.items()}
    entry = next(_found(vault, kept, places, [customer]), None)
    if entry is None:
        raise AttestationRecordError(
            f"This customer's data was not used in {name}.",
            next_step="An auditor can see that in its opening: highstreet store attestation export",
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
    """Return the attestation as it left, from the reply that is kept."""
    reply = _reply(home, kept)
    signed = None if reply is None else attestation_of(reply)
    if signed is None:
        raise AttestationRecordError(
            f"Of {kept.name} no reply is kept that was attested.",
            next_step="See what was sent: highstreet store rounds. Of matchings the latest four are kept.",
        )
    return signed


def _reply(home: StoreHome, kept: CommittedRound) -> bytes | None:
    """Return what left, sealed: from the ledger, or of a matching from its papers."""
    if kept.name.kind is AttestedKind.TRAINING:
        key = RoundKey(
            programme_id=kept.name.programme_id, phase=kept.name.round, request_sha256=kept.request_sha256
        )
        with closing(Ledger.open(home.ledger)) as ledger:
            answered = ledger.answered(key)
        return None if answered is None else answered.reply
    papers = MatchingPapers(home.matchings)
    if kept.name.kind is AttestedKind.MATCHING_LIST:
        return papers.list(kept.request_sha256)
    return papers.table_given_to(kept.request_sha256)
