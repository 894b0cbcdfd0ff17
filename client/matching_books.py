"""The books of matchings of one shop: what it keeps of them on its disk, and its consented customers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from highstreet.audit.attestation import AttestedUse
from highstreet.client.attestation_book import AttestationBook
from highstreet.client.attested_use import commit_to_round
from highstreet.client.consent import ConsentDesk
from highstreet.client.errors import MatchingStateError
from highstreet.client.home import StoreHome
from highstreet.client.ledger import Ledger
from highstreet.client.matching_inputs import MATCHING_PURPOSES, MatchingInputs, matching_inputs
from highstreet.client.matching_papers import MatchingPapers
from highstreet.client.matching_records import MatchingBooks, UsedInMatching
from highstreet.client.matching_state import MatchingState
from highstreet.client.person_counts import PersonCounts
from highstreet.client.pseudonyms import ledger_names
from highstreet.client.store_policy import store_policy
from highstreet.client.vault import Vault
from highstreet.privacy.matching import IdentifierKind

__all__ = ["matching_books"]


@contextmanager
def matching_books(
    home: StoreHome, ledger: Ledger, *, approach: Callable[[], None] = lambda: None
) -> Iterator[MatchingBooks]:
    """Open a store's books of matchings while the block runs.

    Args:
        home: the store's folder.
        ledger: knows whether matchings may be forgotten, as the store was restored.
        approach: waits until shortly before what was made may leave.

    Raises:
        MatchingStateError: the file of matchings is damaged, of a newer version, locked or not writable.
        VaultError: the shop's data cannot be read.
    """
    with Vault.open(home.vault) as vault:
        vault_id = vault.vault_id

    @contextmanager
    def the_same() -> Iterator[Vault]:
        with Vault.open(home.vault) as vault:
            if vault.vault_id != vault_id:
                raise MatchingStateError(
                    "The shop's data was exchanged while the store ran.",
                    next_step="Start the store again with `highstreet store run`.",
                )
            yield vault

    def inputs(kind: IdentifierKind) -> MatchingInputs:
        with the_same() as vault:
            return matching_inputs(vault, ConsentDesk(vault).cohort(*MATCHING_PURPOSES), kind)

    def attest(used: UsedInMatching) -> AttestedUse:
        customers = [int(customer) for customer in used.customers]
        with the_same() as vault:
            pseudonyms = ledger_names(vault, customers)
        committed = commit_to_round(
            dict.fromkeys(customers, used.name.kind.purposes),
            pseudonyms,
            name=used.name,
            basis=used.basis,
            request_sha256=used.request_sha256,
            policy=store_policy(home),
            epsilon=0.0,  # nothing of a matching is noised
            delta=used.delta,
        )
        AttestationBook(home).keep(committed)
        return committed.use

    with MatchingState.open(home.matching, vault_id=vault_id) as secrets:
        yield MatchingBooks(
            secrets=secrets,
            papers=MatchingPapers(home.matchings),
            counts=PersonCounts(home.person_counts, vault_id=vault_id),
            inputs=inputs,
            attest=attest,
            restored_on=ledger.restored_on,
            approach=approach,
        )
