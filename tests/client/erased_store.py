"""An erasure in a store with a life behind it, and a search for what is left in its files."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from highstreet.client import erasure as erasure_module
from highstreet.client.erasure import erase_customers
from highstreet.client.home import StoreHome
from highstreet.privacy.budget import Budget
from tests.client.conftest import NOW
from tests.client.lived_in_store import PERSON, PLANTED

LATER = NOW + timedelta(days=1)
BUDGET = Budget(epsilon=3.0, delta=1e-5, period_days=365)


def files_holding(root: Path, values: tuple[bytes, ...] = PLANTED) -> dict[str, list[bytes]]:
    """Which values are in which file, looked for in a way of its own: whole files, every one there is."""
    found: dict[str, list[bytes]] = {}
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            data = path.read_bytes()
            held = [value for value in values if value in data]
            if held:
                found[path.relative_to(root).as_posix()] = held
    return found


def erase_now(home: StoreHome, customer: str = PERSON) -> erasure_module.Erasure:
    return erase_customers(home, [customer], source="test", now=LATER)
