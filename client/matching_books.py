"""The books of matchings of one shop: secrets, papers and counts on its disk, and its consented customers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from highstreet.client.consent import ConsentDesk
from highstreet.client.errors import MatchingStateError
from highstreet.client.home import StoreHome
from highstreet.client.matching_inputs import MATCHING_PURPOSES, matching_inputs
from highstreet.client.matching_papers import MatchingPapers
from highstreet.client.matching_records import MatchingBooks
from highstreet.client.matching_state import MatchingState
from highstreet.client.person_counts import PersonCounts
from highstreet.client.vault import Vault
from highstreet.privacy.matching import IdentifierKind

__all__ = ["matching_books"]


@contextmanager
def matching_books(home: StoreHome) -> Iterator[MatchingBooks]:
    """Open a store's books of matchings while the block runs.

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

    def inputs(kind: IdentifierKind) -> dict[str, bytes]:
        with the_same() as vault:
            return matching_inputs(vault, ConsentDesk(vault).cohort(*MATCHING_PURPOSES), kind)

    def consent_position() -> int:
        with the_same() as vault:
            return ConsentDesk(vault).position()

    with MatchingState.open(home.matching, vault_id=vault_id) as secrets:
        yield MatchingBooks(
            secrets=secrets,
            papers=MatchingPapers(home.coop / "matchings"),
            counts=PersonCounts(home.person_counts, vault_id=vault_id),
            inputs=inputs,
            consent_position=consent_position,
        )
