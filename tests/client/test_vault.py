"""The vault: private, durable, and never half changed."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from highstreet.client.errors import (
    UnknownCustomerError,
    VaultBusyError,
    VaultError,
    VaultFullError,
    VaultTooNewError,
    VaultUnreadableError,
)
from highstreet.client.vault import SCHEMA_VERSION, Vault


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_only_the_owner_can_read_the_files_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        path = tmp_path / "store" / "vault.db"
        with Vault.open(path) as vault, vault.write() as connection:
            connection.execute("INSERT INTO customers (customer_id) VALUES ('ann')")
            files = list(path.parent.iterdir())
            assert {file.name for file in files} == {"vault.db", "vault.db-wal", "vault.db-shm"}
            assert {_mode(file) for file in files} == {0o600}
        assert _mode(path.parent) == 0o700
    finally:
        os.umask(before)


def test_files_that_became_readable_to_others_are_made_private_again(tmp_path: Path) -> None:
    path = tmp_path / "store" / "vault.db"
    Vault.open(path).close()
    path.chmod(0o644)
    path.parent.chmod(0o755)
    Vault.open(path).close()
    assert (_mode(path), _mode(path.parent)) == (0o600, 0o700)


def test_writes_are_durable_and_checked(vault: Vault) -> None:
    assert vault.connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert vault.connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert vault.connection.execute("PRAGMA foreign_keys").fetchone() == (1,)


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


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "vault" / "vault.db"
    with Vault.open(path) as vault:
        vault.connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    before = path.read_bytes()
    with pytest.raises(VaultTooNewError, match="newer Highstreet") as caught:
        Vault.open(path)
    assert "Update Highstreet" in caught.value.for_user()
    assert path.read_bytes() == before


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vault" / "vault.db"
    path.parent.mkdir()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE mail (body)")
    with pytest.raises(VaultUnreadableError, match="another program"):
        Vault.open(path)


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
    for statement in ("UPDATE consents SET answer = 'grant'", "DELETE FROM consents"):
        with pytest.raises(VaultError), full_vault.write() as connection:
            connection.execute(statement)


def test_the_last_order_day_is_that_of_the_latest_order(full_vault: Vault, tmp_path: Path) -> None:
    assert full_vault.last_order_day() == 20614  # 2026-06-10
    with Vault.open(tmp_path / "empty" / "vault.db") as empty:
        assert empty.last_order_day() is None
