"""Withdrawals after a matching: who takes back a yes has no count any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from highstreet.client.consent import ConsentDesk
from highstreet.client.home import StoreHome
from highstreet.client.vault import Vault

if TYPE_CHECKING:
    from highstreet.client.person_counts import PersonCounts

__all__ = ["forget_everybody_at", "forget_withdrawn", "forget_withdrawn_at"]


def forget_withdrawn_at(home: StoreHome, vault: Vault) -> None:
    """Do what `forget_withdrawn` does where there are counts; for commands.

    Raises:
        InconsistentConsentLogError, PersonCountsError, FileAccessError: as there.
    """
    if not home.person_counts.exists():
        return
    # Imported here: it brings a library that is unpacked on the disk.
    from highstreet.client.person_counts import PersonCounts

    forget_withdrawn(vault, PersonCounts(home.person_counts, vault_id=vault.vault_id))


def forget_everybody_at(home: StoreHome, vault: Vault) -> None:
    """Take everybody out of the counts: which withdrawals there were is not known any more.

    Raises:
        PersonCountsError, FileAccessError: as `forget_withdrawn`.
    """
    if not home.person_counts.exists():
        return
    # Imported here: it brings a library that is unpacked on the disk.
    from highstreet.client.person_counts import PersonCounts

    counts = PersonCounts(home.person_counts, vault_id=vault.vault_id)
    kept = counts.latest()
    if kept is not None and kept.shops:
        counts.forget(kept.shops.keys())


def forget_withdrawn(vault: Vault, counts: PersonCounts) -> None:
    """Take everybody out of the counts who took back a yes to co-op learning or to matching.

    They weigh nothing until a later matching, also if they said yes again before anybody looked: withdrawals
    are looked for in the log behind its last entry when the matching's list was drawn. Where the log is
    shorter than that, an older copy of it was put back, withdrawals may be lost, and everybody is taken out.

    Raises:
        InconsistentConsentLogError: the log of consent cannot be relied on; nothing was changed.
        PersonCountsError: the counts are damaged; nobody has a weight then.
        FileAccessError: they cannot be written.
    """
    # Imported here: it brings a library that is unpacked on the disk.
    from highstreet.client.matching_inputs import MATCHING_PURPOSES

    kept = counts.latest()
    if kept is None or not kept.shops:
        return
    desk, since = ConsentDesk(vault), kept.consent_position
    if desk.position() < since:
        counts.forget(kept.shops.keys())
        return
    withdrawn = {str(customer) for customer in desk.withdrawn(*MATCHING_PURPOSES, since=since)}
    counts.forget(kept.shops.keys() & withdrawn)
