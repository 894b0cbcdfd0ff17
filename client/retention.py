"""Retention: what a shop keeps no longer is ended, emptied or removed, as its settings say.

One piece of work for the timer of a running store (`retention_watch`) and for `highstreet store consent
tidy`. Each part is a transaction, or a removal that is done again until nothing is left, so that a process
killed in the middle has lost nothing: the next time does the rest. It sends nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from highstreet.client.consent import ConsentDesk
from highstreet.client.erasure_register import note_erasure, read_register
from highstreet.client.home import StoreHome
from highstreet.client.importing.importer import one_at_a_time
from highstreet.client.matching_withdrawals import forget_withdrawn_at
from highstreet.client.rights_files import remove_expired
from highstreet.client.vault import Vault
from highstreet.errors import HighstreetError

__all__ = ["Tidied", "tidy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tidied:
    """What was done; counts only.

    Attributes:
        ended: answers that ran out and were written down as that.
        emptied: customers whose answers are kept no longer.
        copies: folders with a customer's copy of their data, removed.
        erasures: entries of the register of erasures, removed.
        troubles: of the parts that could not be done, one each.
    """

    ended: int = 0
    emptied: int = 0
    copies: int = 0
    erasures: int = 0
    troubles: tuple[HighstreetError, ...] = ()

    @property
    def is_nothing(self) -> bool:
        """Whether nothing was due."""
        return not (self.ended or self.emptied or self.copies or self.erasures)


def tidy(home: StoreHome, *, now: datetime) -> Tidied:
    """End, empty and remove what the shop keeps no longer at a moment; each part whatever became of the rest.

    Args:
        home: the store's folder; one without data has nothing to keep.
        now: the present moment, aware.

    Raises:
        VaultError: the vault cannot be opened; nothing was done.
    """
    if not home.vault.is_file():
        return Tidied()
    done = Tidied()
    with Vault.open(home.vault) as vault:
        for part in (_copies, _erasures, _answers):
            try:
                done = part(home, vault, now, done)
            except HighstreetError as error:
                done = replace(done, troubles=(*done.troubles, error))
    return done


def _copies(home: StoreHome, vault: Vault, now: datetime, done: Tidied) -> Tidied:
    return replace(done, copies=remove_expired(home, vault, now=now))


def _erasures(home: StoreHome, vault: Vault, now: datetime, done: Tidied) -> Tidied:
    """Remove what is due of the register; without anything due the lock of imports is left alone."""
    moment = int(now.timestamp())
    due = sum(each.until <= moment for each in read_register(home.root).erasures)
    if due:
        with one_at_a_time(vault):
            note_erasure(home.root, (), erasure_id="", now=moment, keep_seconds=0)
    return replace(done, erasures=due)


def _answers(home: StoreHome, vault: Vault, now: datetime, done: Tidied) -> Tidied:
    """Write down which yes ran out, and empty old answers.

    Counts of shops are forgotten in between: emptied, an answer does not say any more that a yes was taken
    back, and whoever agrees again later would have the old count.
    """
    desk = ConsentDesk(vault, clock=_clock(now))
    done = replace(done, ended=desk.note_expired())
    forget_withdrawn_at(home, vault)
    return replace(done, emptied=desk.forget_old())


def _clock(now: datetime) -> Callable[[], int]:
    microseconds = int(now.timestamp() * 1_000_000)
    return lambda: microseconds
