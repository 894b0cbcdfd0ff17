"""A round that a store paid for, and the steps that its log tells."""

from __future__ import annotations

from datetime import UTC, datetime

from highstreet.audit.log_entries import LogEntry
from highstreet.client.ledger import Ledger, RoundKey
from highstreet.client.store_log import StoreLog
from highstreet.privacy.budget import Budget, SpendingLimits
from highstreet.privacy.releases import customer_release

_KEY = RoundKey(programme_id="00" * 8, phase=0, request_sha256=bytes(32))


def steps_in(log: StoreLog) -> list[tuple[str, object]]:
    entries = [LogEntry.from_document(line) for line in log.book.entries(0, 1000)]
    return [(entry.draft.kind.value, entry.draft.body.get("step")) for entry in entries]


def spend_once(ledger: Ledger, *, reply: bytes = b"reply") -> None:
    ledger.open_round(
        _KEY,
        release=customer_release(noise_multiplier=6.0),
        cohort=("customer-one", "customer-two"),
        limits=SpendingLimits(budget=Budget(epsilon=3.0, delta=1e-5, period_days=365)),
        today=datetime.now(UTC).date(),
    )
    ledger.store_reply(_KEY, reply)
