"""The inventory names every file and table that a store ever makes, and the page shows all of it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from highstreet.audit.limits import StoreLimits
from highstreet.client.departure import leave_coop
from highstreet.client.erasure import erase_customers
from highstreet.client.home import StoreHome
from highstreet.client.identity import load_or_make_identity
from highstreet.client.inventory import PLACES, Content, as_table, place_of_file, place_of_table
from highstreet.client.ledger_file import LEDGER_KIND
from highstreet.client.matching_file import MATCHING_KIND
from highstreet.client.restoration import restore_store
from highstreet.client.shopify_privacy import keep_secret
from highstreet.client.vault import vault_kind
from tests.client.conftest import NOW
from tests.client.lived_in_store import PERSON, PLANTED, TODAY, live
from tests.client.witnesses import fetch_witnessed

ROOT = Path(__file__).resolve().parents[2]
KINDS = {"vault.db": vault_kind(), "ledger.db": LEDGER_KIND, "matching.db": MATCHING_KIND}


def _tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
        return {name for (name,) in rows}


def _unknown(root: Path) -> set[str]:
    """Files, and tables of databases, that the inventory does not name."""
    unknown = set()
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        if path.is_dir():
            continue
        if place_of_file(name) is None:
            unknown.add(name)
        if name in KINDS:
            unknown |= {f"{name}:{table}" for table in _tables(path) if place_of_table(name, table) is None}
    return unknown


@pytest.fixture
def lived_in(coop: Any, tmp_path: Path, limits: StoreLimits) -> StoreHome:
    from published import publish

    home = live(StoreHome(tmp_path / "store"), coop, limits, tmp_path / "exports")
    publish(coop, 1)
    assert fetch_witnessed(coop, home, max_state_bytes=1 << 20) is not None
    keep_secret(home, "corner.myshopify.com", "s" * 32)
    return home


def test_every_file_and_table_of_a_store_is_in_the_inventory(lived_in: StoreHome) -> None:
    assert _unknown(lived_in.root) == set()
    erase_customers(lived_in, [PERSON], source="test", now=NOW)
    assert _unknown(lived_in.root) == set()
    leave_coop(lived_in)
    restore_store(lived_in, today=TODAY, alone=True)
    load_or_make_identity(lived_in)
    assert _unknown(lived_in.root) == set()


def test_a_new_file_or_table_is_told(lived_in: StoreHome) -> None:
    """The twin: what nobody thought about fails the test above."""
    (lived_in.root / "cache.bin").write_bytes(b"suggestions")
    (lived_in.root / "coop" / "deeper").mkdir()
    (lived_in.root / "coop" / "deeper" / "who.json").write_bytes(b"{}")
    with closing(sqlite3.connect(lived_in.vault)) as connection:
        connection.execute("CREATE TABLE birthdays (customer, day)")
    assert _unknown(lived_in.root) == {"cache.bin", "coop/deeper/who.json", "vault.db:birthdays"}


def test_the_schemas_have_no_table_that_is_not_in_the_inventory(tmp_path: Path) -> None:
    for name, kind in KINDS.items():
        script = "\n".join(kind.migrations)
        with closing(sqlite3.connect(":memory:")) as connection:
            for function, arguments in (("secure_bytes", 1), ("consent_leaf_1", -1)):
                connection.create_function(function, arguments, lambda *_: bytes(32))
            connection.executescript(script)
            rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        assert {table for (table,) in rows if place_of_table(name, table) is None} == set()


def test_the_inventory_names_no_table_that_is_gone(lived_in: StoreHome) -> None:
    named = {place.where for place in PLACES if ":" in place.where}
    there = {f"{name}:{table}" for name in KINDS for table in _tables(lived_in.root / name)}
    assert named <= there


def test_what_is_said_to_hold_nothing_of_a_person_holds_nothing(lived_in: StoreHome) -> None:
    for path in lived_in.root.rglob("*"):
        name = path.relative_to(lived_in.root).as_posix()
        place = place_of_file(name)
        if (
            path.is_file()
            and place is not None
            and place.content is Content.NOTHING
            and ":" not in place.where
        ):
            assert not [value for value in PLANTED if value in path.read_bytes()], name


@pytest.mark.checkout
def test_the_page_shows_the_inventory_as_it_is() -> None:
    page = (ROOT / "docs" / "rights.md").read_text(encoding="utf-8")
    assert as_table() in page


def test_a_path_may_be_known_by_its_folder_alone_where_that_is_said() -> None:
    assert place_of_file("run/node/flwr/anything") is not None
    assert place_of_file("coop/a/b") is None
    assert place_of_file("vault.db2") is None
