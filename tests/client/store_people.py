"""People of a made-up store: what is planted of each, and what the account says of them."""

from __future__ import annotations

from dataclasses import dataclass

from highstreet.client.vault import Vault

__all__ = ["Person", "newcomer"]


@dataclass
class Person:
    """Somebody, and every string that is planted of them."""

    name: str
    key: int
    planted: tuple[bytes, ...]
    is_restricted: bool = False


def newcomer(vault: Vault, number: int, *, ordered_at: int) -> Person:
    """Put somebody who bought something into the vault."""
    mark = f"{number:06}"
    name, email, order = f"Zoe-Planted-{mark}", f"zoe{mark}@planted.example", f"ORDER-PLANTED-{mark}"
    with vault.write() as connection:
        key = connection.execute("INSERT INTO customers (customer_id) VALUES (?)", (name,)).lastrowid
        connection.execute("INSERT INTO identifiers VALUES (?, 'email', ?)", (key, email))
        placed = connection.execute(
            "INSERT INTO orders (order_id, customer, ordered_at) VALUES (?, ?, ?)", (order, key, ordered_at)
        ).lastrowid
        product = connection.execute(
            "INSERT INTO products (product_id, title) VALUES (?, ?)", (f"cup-{mark}", f"Cup of {name}")
        ).lastrowid
        connection.execute(
            'INSERT INTO lines ("order", product, quantity) VALUES (?, ?, 1)', (placed, product)
        )
    planted = (name, name.lower(), email, order, f"cup-{mark}", f"Cup of {name}")
    return Person(name, int(key or 0), tuple(each.encode() for each in planted))
