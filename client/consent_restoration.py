"""Accepting a consent log that was put back: the owner says so, and nobody's yes of before counts any longer.

What an older copy lacks cannot be known: it could be anybody's withdrawal of anything. So every yes ends that
was said until now, by date as well as by its place in the log, and customers are asked again. Nothing that is
imported later and dated before brings one back. Counts of matchings go as well: what they were taken under is
among what may be lost.
"""

from __future__ import annotations

from highstreet.audit.errors import ConsentLogRewoundError
from highstreet.client.consent import ConsentDesk
from highstreet.client.consent_anchor import ConsentHead
from highstreet.client.home import StoreHome
from highstreet.client.matching_withdrawals import forget_everybody_at
from highstreet.client.vault import Vault

__all__ = ["accept_restored_log", "is_rewound"]


def is_rewound(vault: Vault) -> bool:
    """Say whether the consent log is not the one that this shop has known.

    Raises:
        InconsistentConsentLogError: it cannot be relied on for another reason, and never accepted.
    """
    try:
        ConsentDesk(vault).root()
    except ConsentLogRewoundError:
        return True
    return False


def accept_restored_log(home: StoreHome) -> ConsentHead:
    """Rely on the consent log as it is from now on, with nobody's yes; broken off anywhere it is done again.

    Returns:
        The log's head from now on.

    Raises:
        InconsistentConsentLogError: an entry does not fit its leaf; such a log can never be accepted.
        PersonCountsError, FileAccessError: the counts cannot be forgotten; nothing was accepted.
    """
    with Vault.open(home.vault) as vault:
        forget_everybody_at(home, vault)
        return ConsentDesk(vault).accept_restored()
