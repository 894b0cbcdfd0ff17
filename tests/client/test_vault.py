"""The vault: private, durable, and never half changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from highstreet.client.errors import (
    UnknownCustomerError,
    VaultBusyError,
    VaultError,
    VaultFullError,
    VaultUnreadableError,
)
from highstreet.client.vault import Vault


def test_a_failed_write_changes_nothing(vault: Vault) -> None:
    rows = [("ann",), ("ben",), ("ann",)]
    with pytest.raises(VaultError), vault.write() as connection:
        connection.executemany("INSERT INTO customers (customer_id) VALUES (?)", rows)
    with vault.read() as connection:
        assert connection.execute("SELECT count(*) FROM customers").fetchone() == (0,)


def test_an_order_of_a_customer_who_does_not_exist_is_refused(vault: Vault) -> None:
    with pytest.raises(VaultError), vault.write() as connection:
        connection.execute("INSERT INTO orders (order_id, customer, ordered_at) VALUES ('1', 99, 0)")


def test_opening_again_keeps_data_and_name(tmp_path: Path) -> None:
    path = tmp_path / "vault" / "vault.db"
    with Vault.open(path) as vault:
        name = vault.vault_id
        with vault.write() as connection:
            connection.execute("INSERT INTO customers (customer_id) VALUES ('ann')")
    with Vault.open(path) as vault:
        assert vault.vault_id == name
        assert vault.customer_key(" ann ") == 1


def test_customers_row_keys_are_never_used_twice(vault: Vault) -> None:
    with vault.write() as connection:
        connection.execute("INSERT INTO customers (customer_id) VALUES ('ann'), ('ben')")
        connection.execute("DELETE FROM customers WHERE customer_id = 'ben'")
        connection.execute("INSERT INTO customers (customer_id) VALUES ('ben')")
    assert vault.customer_key("ben") == 3


def test_a_damaged_file_is_told_and_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "vault" / "vault.db"
    path.parent.mkdir()
    path.write_bytes(b"x" * 8192)
    with pytest.raises(VaultUnreadableError, match="damaged") as caught:
        Vault.open(path)
    assert "do not delete" in caught.value.for_user()
    assert path.read_bytes() == b"x" * 8192


def test_a_full_disk_is_told_and_changes_nothing(vault: Vault) -> None:
    vault.connection.execute("PRAGMA max_page_count = 30")
    with pytest.raises(VaultFullError, match="full") as caught, vault.write() as connection:
        connection.execute("INSERT INTO customers (customer_id) VALUES (?)", ("x" * 1_000_000,))
    assert "Free some space" in caught.value.for_user()
    with vault.read() as connection:
        assert connection.execute("SELECT count(*) FROM customers").fetchone() == (0,)


def test_a_second_writer_is_told_to_wait(vault: Vault) -> None:
    with Vault.open(vault.path) as other:
        other.connection.execute("PRAGMA busy_timeout = 1")
        with vault.write(), pytest.raises(VaultBusyError, match="Another Highstreet command"), other.write():
            pass


def test_an_unknown_customer_is_refused_without_repeating_the_name(vault: Vault) -> None:
    with pytest.raises(UnknownCustomerError) as caught:
        vault.customer_key("ann@example.com")
    assert "ann" not in caught.value.for_user()


def test_consent_events_can_be_neither_changed_nor_removed(full_vault: Vault) -> None:
    for statement in ("UPDATE consents SET act = 'given'", "DELETE FROM consents"):
        with pytest.raises(VaultError), full_vault.write() as connection:
            connection.execute(statement)
