"""A small ledger to spend from: its budget, the keys of its rounds, and one with two rounds in it."""

from __future__ import annotations

import hashlib
import shutil
from datetime import date

from highstreet.client.ledger import Ledger, RoundKey
from highstreet.privacy.budget import Budget, SpendingLimits
from highstreet.privacy.gaussian import ClosedFormAccountant
from highstreet.privacy.releases import customer_release

TODAY = date(2026, 3, 1)
ONE = customer_release(noise_multiplier=5.0)  # epsilon 0.73 alone, 1.06 twice, 1.33 three times
BUDGET = Budget(epsilon=1.2, delta=1e-5, period_days=365)  # so two fit, three do not
LIMITS = SpendingLimits(budget=BUDGET, least_noise_multiplier=1.0, most_rounds=100)
COHORT = ("anna", "bela", "cora")


def key(phase=0, *, programme="p", request=b"request"):
    return RoundKey(
        programme_id=programme, phase=phase, request_sha256=hashlib.sha256(request + bytes([phase])).digest()
    )


def open_round(book, asked, **changes):
    usual = {"release": ONE, "cohort": COHORT, "limits": LIMITS, "today": TODAY}
    return book.open_round(asked, **{**usual, **changes})


def reopen(path):
    return Ledger.open(path, accountant=ClosedFormAccountant())


def spent(path, *, replies=True):
    """Make a ledger with two rounds, closed."""
    ledger = reopen(path)
    for phase in (0, 1):
        open_round(ledger, key(phase))
        if replies:
            ledger.store_reply(key(phase), b"noisy %d" % phase)
            ledger.agree(key(phase), bytes([7]) * 32)
    ledger.close()


def copies(path, folder):
    shutil.copytree(path.parent, folder)
    return folder
