"""The withdrawals this store knows, kept once seen to be valid: withholding them then changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from highstreet.audit.roster import Roster
from highstreet.audit.withdrawals import Withdrawal, is_withdrawal
from highstreet.client.errors import StoreConfigError
from highstreet.client.home import StoreHome
from highstreet.client.locking import held
from highstreet.files import read_limited, write_private

__all__ = ["add_withdrawals", "known_withdrawals"]

_LIMIT_BYTES = 32 << 20
_WITHDRAWALS_LIMIT = 100_000


def known_withdrawals(home: StoreHome) -> list[Withdrawal]:
    """Return the withdrawals kept here, in the order they came.

    Raises:
        StoreConfigError: the file is damaged.
    """
    path = _file(home)
    if not path.exists():
        return []
    try:
        return [
            Withdrawal(voucher_id=str(voucher), subject_id=str(subject), signature=bytes.fromhex(signature))
            for voucher, subject, signature in json.loads(read_limited(path, limit_bytes=_LIMIT_BYTES))
        ]
    except (ValueError, TypeError) as error:
        raise StoreConfigError(f"{path} is damaged.", next_step="Restore it from a backup.") from error


def add_withdrawals(home: StoreHome, roster: Roster, withdrawals: Iterable[Withdrawal]) -> None:
    """Keep the withdrawals that are valid on a roster; others, and those kept already, change nothing."""
    with held(home.coop / "withdrawals.lock"):
        known = {(each.voucher_id, each.subject_id): each for each in known_withdrawals(home)}
        taken = {
            (each.voucher_id, each.subject_id): each
            for each in withdrawals
            if (each.voucher_id, each.subject_id) not in known and is_withdrawal(roster, each)
        }
        if taken:
            _write(home, roster, [*known.values(), *taken.values()])


def _write(home: StoreHome, roster: Roster, withdrawals: list[Withdrawal]) -> None:
    if len(withdrawals) > _WITHDRAWALS_LIMIT:
        withdrawals = [each for each in withdrawals if is_withdrawal(roster, each)]
    plain = [[each.voucher_id, each.subject_id, each.signature.hex()] for each in withdrawals]
    write_private(_file(home), json.dumps(plain, separators=(",", ":")).encode())


def _file(home: StoreHome) -> Path:
    return home.coop / "withdrawals.json"
