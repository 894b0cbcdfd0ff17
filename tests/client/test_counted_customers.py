"""Counted customers: a count stays with the person it was read for, whatever becomes of the shop's data."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

from highstreet.client.consent import ConsentDesk
from highstreet.client.counted_customers import CountedCustomers
from highstreet.client.importing.importer import Importer
from highstreet.client.matching_inputs import MATCHING_PURPOSES, matching_inputs
from highstreet.client.person_counts import PersonCounts
from highstreet.client.vault import Vault
from highstreet.privacy.matching import Counts, IdentifierKind

TABLE = b"t" * 32
_COLUMNS = "customer_id,email,consent_coop_learning,consent_matching,consent_recorded_at"


def _import(vault: Vault, folder: Path, **emails: str) -> None:
    folder.mkdir()
    rows = [f"{name},{email},yes,yes,2025-01-01T10:00:00Z" for name, email in emails.items()]
    (folder / "customers.csv").write_text("\n".join([_COLUMNS, *rows]) + "\n")
    assert list(Importer(vault, now=datetime(2025, 5, 30, tzinfo=UTC)).run([folder]))


def _match(vault: Vault, path: Path, **shops: int) -> None:
    """Leave behind what a matching of everybody who agrees leaves behind."""
    desk = ConsentDesk(vault)
    inputs = matching_inputs(vault, desk.cohort(*MATCHING_PURPOSES), IdentifierKind.EMAIL).by_customer
    counts = {str(vault.customer_key(name)): k for name, k in shops.items()}
    book = PersonCounts(path, vault_id=vault.vault_id)
    book.save(TABLE, Counts(counts), inputs, consent_position=desk.position())


def _weights(vault: Vault, path: Path) -> dict[str, float]:
    counts = PersonCounts(path, vault_id=vault.vault_id)
    read = CountedCustomers.read(vault, counts, TABLE, most_shops=4).of_agreeing(vault)
    with vault.read() as connection:
        rows = connection.execute("SELECT customer, customer_id FROM customers").fetchall()
    return {name: read[str(key)] for key, name in rows if str(key) in read}


def test_in_a_vault_put_back_from_an_older_copy_nobody_has_another_persons_count(tmp_path: Path) -> None:
    path, copy, counts = tmp_path / "vault.db", tmp_path / "copy.db", tmp_path / "counts.json"
    head, copied_head = tmp_path / "consent.head", tmp_path / "copy.head"
    with Vault.open(path) as vault:
        _import(vault, tmp_path / "first", old="old@example.org")
    shutil.copy(path, copy)
    shutil.copy(head, copied_head)
    with Vault.open(path) as vault:
        _import(vault, tmp_path / "second", alice="alice@example.org")
        alice = vault.customer_key("alice")
        _match(vault, counts, old=2, alice=1)
        assert _weights(vault, counts) == {"old": 0.5, "alice": 1.0}
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    shutil.copy(copy, path)
    shutil.copy(copied_head, head)  # without it, the log's being older is noticed, and nobody is used at all
    with Vault.open(path) as vault:
        _import(vault, tmp_path / "third", bob="bob@example.org", alice="alice@example.org")
        assert vault.customer_key("bob") == alice  # or nothing is tried here: the key has moved
        # The twin: who has the same key and the same identifier is who was matched.
        assert _weights(vault, counts) == {"old": 0.5}
