"""Withdrawals after a matching: who takes back a yes has no count any more."""

from __future__ import annotations

from highstreet.client.consent import ConsentDesk
from highstreet.client.home import StoreHome
from highstreet.client.vault import Vault

__all__ = ["forget_withdrawn"]


def forget_withdrawn(home: StoreHome, vault: Vault) -> None:
    """Take everybody out of the counts who does not agree to co-op learning and matching at this moment.

    They weigh nothing until a later matching, also if they say yes again.

    Raises:
        InconsistentConsentLogError: the log of consent cannot be relied on; nothing was changed.
        PersonCountsError: the counts are damaged; nobody has a weight then.
        FileAccessError: they cannot be written.
    """
    if not home.person_counts.exists():
        return
    # Imported here: they bring a library that is unpacked on the disk.
    from highstreet.client.matching_inputs import MATCHING_PURPOSES
    from highstreet.client.person_counts import PersonCounts

    counts = PersonCounts(home.person_counts, vault_id=vault.vault_id)
    kept = counts.latest()
    if kept is None or not kept.shops:
        return
    agreeing = {str(customer) for customer in ConsentDesk(vault).cohort(*MATCHING_PURPOSES).customers}
    counts.forget(kept.shops.keys() - agreeing)
