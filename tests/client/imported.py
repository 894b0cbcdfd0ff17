"""What is in a vault after an import, and the first line of orders to import."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from highstreet.client.importing.importer import Importer, ImportResult
from highstreet.client.vault import Vault
from tests.client.conftest import NOW, contents

Load = Callable[..., list[ImportResult]]
HEADER = "order_id,ordered_at,customer_id,product_id,quantity,unit_price,discount\n"


def saved_in(vault: Vault) -> dict[str, list[tuple[object, ...]]]:
    """What is in a vault, without the notes about files."""
    return {name: rows for name, rows in contents(vault).items() if name != "imports"}


def fresh_vault_of(files: list[tuple[str, bytes]]) -> dict[str, list[tuple[object, ...]]]:
    """What is in a new vault after importing these files one after another."""
    with tempfile.TemporaryDirectory() as folder, Vault.open(Path(folder) / "s" / "vault.db") as vault:
        for name, body in files:
            path = Path(folder) / name
            path.write_bytes(body)
            list(Importer(vault, now=NOW).run([path]))
        return saved_in(vault)
