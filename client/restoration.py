"""Restoration: the owner says that the folder was put back or its ledger lost; the shop stays out a while.

Withdrawals may be lost with it: nobody's yes of before counts any longer (`consent_restoration`).

What a backup does not know of cannot be reckoned with: spends, which count against the budget until the
period is over, and agreements on committees, which bind the keys they were signed with. So the shop leaves
the co-op, which deletes those keys, and a new ledger begins with the restoration: it opens no round while a
spend that was forgotten would still count.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from highstreet.client.config import read_config
from highstreet.client.consent_restoration import accept_restored_log
from highstreet.client.departure import leave_coop
from highstreet.client.errors import LedgerError
from highstreet.client.home import StoreHome
from highstreet.client.ledger import Ledger
from highstreet.client.ledger_file import mark_path
from highstreet.client.membership import is_joined
from highstreet.files import access_error, make_private_folder, sync_folder
from highstreet.privacy.budget import Budget
from highstreet.processes import run_lock

__all__ = ["Restoration", "restore_store"]

_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoration:
    """What a restoration came to.

    Attributes:
        out_until: the first day on which the shop takes part again.
        aside: where the ledger from before lies now.
        has_left: whether the shop was in a co-op, and left it.
    """

    out_until: date
    aside: Path
    has_left: bool


def restore_store(home: StoreHome, *, today: date, alone: bool = False) -> Restoration:
    """Leave the co-op, put the ledger aside, begin a new one that opens no round until the period is over.

    Broken off anywhere it is done again: until the new ledger and its mark are both in place, the ledger is
    one that is refused, or the one from before.

    Args:
        home: the store's folder.
        today: by the store's clock; one that is before the latest spend which is known counts as that day.
        alone: leave although the coordinator is not asked.

    Raises:
        AlreadyRunningError: `highstreet store run` is running.
        CoopUnreachableError: the coordinator does not answer; nothing was changed.
        FileAccessError: a file could not be moved.
        InconsistentConsentLogError: the consent log is not only older, but damaged.
        StoreConfigError: the shop's limits cannot be read.
    """
    limits = read_config(home).limits.to_limits()
    budget = Budget(epsilon=limits.max_epsilon, delta=limits.delta, period_days=limits.period_days)
    joined = is_joined(home)
    if joined:
        leave_coop(home, alone=alone)
    with run_lock(home.lock, what="This store"):
        try:
            aside = _put_aside(home)
            out_until = _begin_anew(home, budget, today=max(today, _latest_known(aside, home)))
            if home.vault.exists():
                accept_restored_log(home)
        except OSError as error:
            raise access_error(home.root, error) from error
    return Restoration(out_until=out_until, aside=aside, has_left=joined)


def _put_aside(home: StoreHome) -> Path:
    """Copy the ledger with all that belongs to it; its write-ahead log must not meet the new one."""
    make_private_folder(home.former)
    prefix = f"{datetime.now(UTC):%Y%m%d}-ledger-"
    aside = Path(tempfile.mkdtemp(prefix=prefix, dir=home.former))
    for place in (home.ledger, mark_path(home.ledger)):
        if place.is_file():
            _copy(place, aside / place.name)
    for ending in ("-wal", "-shm"):
        log = home.ledger.with_name(home.ledger.name + ending)
        if log.is_file():
            log.replace(aside / log.name)
    for folder in (aside, home.former, home.root):
        sync_folder(folder)
    return aside


def _copy(place: Path, target: Path) -> None:
    """Copy a file and force the copy to the disk: a power cut must not take it once the other is replaced."""
    shutil.copy2(place, target)
    with target.open("rb+") as copy:
        os.fsync(copy.fileno())


def _latest_known(aside: Path, home: StoreHome) -> date:
    """Return the latest day that the ledger put aside knows of; a clock may have been set back since."""
    with suppress(LedgerError), closing(Ledger.open_put_aside(aside / home.ledger.name)) as ledger:
        return _EPOCH + timedelta(days=ledger.participation(()).latest_day)
    return _EPOCH


def _begin_anew(home: StoreHome, budget: Budget, *, today: date) -> date:
    with tempfile.TemporaryDirectory(prefix=".ledger-", dir=home.root) as folder:
        made = Path(folder) / home.ledger.name
        with closing(Ledger.open(made)) as ledger:
            ledger.restored(today=today)
            ends = ledger.out_until(budget)
        # First the ledger: with the mark of the old one, or with none, it is refused.
        os.replace(made, home.ledger)
        sync_folder(home.root)
        os.replace(mark_path(made), mark_path(home.ledger))
        sync_folder(home.root)
    return ends or today
