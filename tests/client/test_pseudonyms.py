"""The ledger knows customers by random names that lie in the vault alone, and are nobody's once destroyed."""

from __future__ import annotations

import shutil
from pathlib import Path

from highstreet.client.pseudonyms import known_names, ledger_names
from highstreet.client.vault import Vault


def _keys(vault: Vault) -> list[int]:
    with vault.read() as connection:
        return [key for (key,) in connection.execute("SELECT customer FROM customers ORDER BY customer")]


def test_a_name_is_drawn_once_and_says_nothing(full_vault: Vault) -> None:
    keys = _keys(full_vault)
    assert known_names(full_vault, keys) == {}
    names = ledger_names(full_vault, keys)
    assert list(names) == keys
    assert len(set(names.values())) == len(keys)
    assert all(len(bytes.fromhex(name)) == 32 for name in names.values())
    assert ledger_names(full_vault, keys[::-1]) == names
    assert known_names(full_vault, keys[:1]) == {keys[0]: names[keys[0]]}


def test_nobody_who_is_no_customer_gets_a_name(full_vault: Vault) -> None:
    assert ledger_names(full_vault, [10_000]) == {}
    with full_vault.read() as connection:
        assert connection.execute("SELECT count(*) FROM pseudonyms").fetchone() == (0,)


def test_a_name_goes_with_its_customer(full_vault: Vault) -> None:
    keys = _keys(full_vault)
    name = bytes.fromhex(ledger_names(full_vault, keys)[keys[2]])
    with full_vault.write() as connection:
        connection.execute("DELETE FROM customers WHERE customer = ?", (keys[2],))
    assert known_names(full_vault, keys).keys() == set(keys[:2])
    full_vault.rewrite()
    assert name not in full_vault.path.read_bytes()


def test_a_row_key_given_to_somebody_else_by_an_older_copy_has_another_name(
    full_vault: Vault, tmp_path: Path
) -> None:
    full_vault.rewrite()
    for name in ("vault.db", "consent.head"):
        shutil.copy(full_vault.path.with_name(name), tmp_path / name)
    with full_vault.write() as connection:
        connection.execute("INSERT INTO customers (customer_id) VALUES ('dan')")
    with Vault.open(tmp_path / "vault.db") as older:
        with older.write() as connection:
            connection.execute("INSERT INTO customers (customer_id) VALUES ('eve')")
        key = older.customer_key("eve")
        assert key == full_vault.customer_key("dan")
        assert ledger_names(older, [key]) != ledger_names(full_vault, [key])
