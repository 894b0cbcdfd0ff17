"""Who is erased is in no byte of any file of the store, does not come back, and has a certificate."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from highstreet.audit.consent import Purpose
from highstreet.audit.erasure_certificate import person_commitment, read_certificate
from highstreet.audit.limits import StoreLimits
from highstreet.audit.signing import SignedDocument
from highstreet.client import erasure
from highstreet.client.consent import ConsentDesk
from highstreet.client.erasure import erase_again, erase_customers, erase_everybody
from highstreet.client.erasure_register import read_register
from highstreet.client.errors import UnknownCustomerError, VaultRewoundError
from highstreet.client.home import StoreHome
from highstreet.client.identity import load_identity
from highstreet.client.importing.importer import Importer
from highstreet.client.ledger import Ledger
from highstreet.client.person_counts import PersonCounts
from highstreet.client.suggestions import suggest
from highstreet.client.vault import Vault
from tests.client.conftest import NOW
from tests.client.erased_store import BUDGET, LATER, erase_now, files_holding
from tests.client.lived_in_store import EMAIL, ORDERS, PERSON, PLANTED, TODAY, live, plant


@pytest.fixture
def home(coop: Any, tmp_path: Path, limits: StoreLimits) -> StoreHome:
    return live(StoreHome(tmp_path / "store"), coop, limits, tmp_path / "exports")


def test_the_person_was_planted_in_every_kind_of_file_that_can_hold_one(home: StoreHome) -> None:
    holding = files_holding(home.root)
    assert {
        "vault.db",
        "vault.db-staging",
        "matching.db",
        "coop/.person_counts.json.4711.tmp",
    } <= holding.keys()
    assert any(name.startswith("rights/") and name.endswith(".json") for name in holding)
    assert any(name.startswith("rights/") and name.endswith(".html") for name in holding)
    assert any(name.startswith("personal/") for name in holding)


def test_after_an_erasure_no_byte_of_any_file_names_the_person(home: StoreHome) -> None:
    erase_now(home)
    assert files_holding(home.root) == {}


def test_what_was_removed_is_removed_on_the_disk_before_a_certificate_says_so(
    home: StoreHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    write = erasure.write_private

    def noting_write(path: Path, data: bytes) -> None:
        steps.append("certificate")
        write(path, data)

    monkeypatch.setattr(erasure, "sync_folder", lambda folder: steps.append(folder.name))
    monkeypatch.setattr(erasure, "write_private", noting_write)
    erase_now(home)
    assert steps == ["store", "rights", "personal", "coop", "certificate"]


def test_what_is_deleted_without_being_erased_is_found_by_the_same_search(home: StoreHome) -> None:
    """The twin: deleting the customer's rows in SQLite alone leaves the person in other files."""
    with closing(sqlite3.connect(home.vault)) as connection:
        (key,) = connection.execute(
            "SELECT customer FROM customers WHERE customer_id = ?", (PERSON,)
        ).fetchone()
        connection.execute("PRAGMA foreign_keys = OFF")
        for table in ("customers", "identifiers"):
            connection.execute(f"DELETE FROM {table} WHERE customer = ?", (key,))  # noqa: S608
        connection.commit()
    assert len(files_holding(home.root)) > 3


def test_everybody_else_is_as_before(home: StoreHome) -> None:
    def others() -> list[tuple[object, ...]]:
        with Vault.open(home.vault) as vault, vault.read() as connection:
            return connection.execute(
                'SELECT customer_id, order_id, product_id, quantity FROM lines JOIN orders USING ("order")'
                " JOIN customers USING (customer) JOIN products USING (product) WHERE customer_id <> ?"
                " ORDER BY 1, 2, 3, 4",
                (PERSON,),
            ).fetchall()

    before = others()
    erase_now(home)
    assert others() == before
    with Vault.open(home.vault) as vault:
        assert ConsentDesk(vault).counts()[Purpose.COOP_LEARNING].granted == 22
        kept = PersonCounts(home.person_counts, vault_id=vault.vault_id).latest()
        other = str(vault.customer_key("c1"))
    assert kept is not None
    assert kept.shops == {other: 2}
    assert suggest(home, "c3", k=3).items


def test_the_certificate_is_signed_by_the_shop_and_only_the_person_can_show_that_it_is_theirs(
    home: StoreHome,
) -> None:
    done = erase_now(home)
    kept = SignedDocument.from_file_bytes(done.file.read_bytes())
    certificate = read_certificate(kept)
    assert certificate.shop_public_key == load_identity(home).signing_public_key.hex()
    assert certificate.person == person_commitment(done.salt, PERSON)
    assert certificate.person != person_commitment(bytes(32), PERSON)
    assert done.salt.hex() not in done.file.read_text()
    assert certificate.removed["orders"] == 2
    assert certificate.removed["order lines"] == 4
    assert certificate.removed["answers"] == 4
    assert certificate.removed["products that only they bought"] == 1
    assert certificate.files_searched > 10
    assert certificate.values_searched >= 5


def test_what_left_is_in_the_certificate_as_epsilon_and_stays_counted(home: StoreHome) -> None:
    with closing(Ledger.open(home.ledger)) as ledger:
        before = ledger.spending(BUDGET, today=TODAY)
    certificate = read_certificate(erase_now(home).certificate)
    with closing(Ledger.open(home.ledger)) as ledger:
        after = ledger.spending(BUDGET, today=TODAY)
    assert after == before
    assert certificate.rounds == 1
    assert certificate.epsilon == pytest.approx(before.counted_epsilon)
    assert certificate.counted_epsilon == pytest.approx(before.counted_epsilon)
    assert 0.5 < certificate.right_guesses < 1


def test_nobody_can_tell_any_more_whose_an_entry_of_the_ledger_was(home: StoreHome) -> None:
    with Vault.open(home.vault) as vault:
        customers = [key for (key,) in vault.connection.execute("SELECT customer FROM customers")]
        person = vault.customer_key(PERSON)
    with closing(Ledger.open(home.ledger)) as ledger:
        exposed = {row[0] for row in ledger._connection.execute("SELECT customer FROM exposures")}
        by_key = {ledger._commit_to(str(customer)) for customer in customers}
    assert not exposed & by_key
    erase_now(home)
    with Vault.open(home.vault) as vault, vault.read() as connection:
        names = connection.execute("SELECT customer, pseudonym FROM pseudonyms").fetchall()
    assert person not in {customer for customer, _ in names}
    with closing(Ledger.open(home.ledger)) as ledger:
        left = exposed - {ledger._commit_to(name.hex()) for _, name in names}
    assert len(left) == 1


def test_somebody_unknown_is_not_erased_and_nothing_changes(home: StoreHome) -> None:
    with pytest.raises(UnknownCustomerError):
        erase_now(home, "nobody of that name")
    assert not home.erasures.exists()
    with pytest.raises(UnknownCustomerError):
        erase_customers(home, [PERSON, "nobody of that name"], source="test", now=LATER)
    assert EMAIL.encode() in home.vault.read_bytes()


def test_a_vault_put_back_from_before_is_refused_until_the_person_is_erased_again(home: StoreHome) -> None:
    copy = home.root.parent / "backup.db"
    shutil.copy(home.vault, copy)
    erase_now(home)
    shutil.copy(copy, home.vault)
    assert EMAIL.encode() in home.vault.read_bytes()
    with pytest.raises(VaultRewoundError):
        Vault.open(home.vault)
    assert erase_again(home, now=LATER) == 1
    assert files_holding(home.root) == {}
    with Vault.open(home.vault):
        pass
    assert erase_again(home, now=LATER) == 0


def test_an_old_export_does_not_bring_the_person_back_and_a_new_order_does(
    home: StoreHome, tmp_path: Path
) -> None:
    erase_now(home)
    again = tmp_path / "again"
    again.mkdir()
    plant(again)
    for number, path in enumerate(sorted(again.iterdir())):
        text = path.read_text() + "\n"  # another file, by its hash
        path.unlink()
        (again / f"{number}.csv").write_text(text)
    with Vault.open(home.vault) as vault:
        list(Importer(vault, now=LATER).run([again]))
        with pytest.raises(UnknownCustomerError):
            vault.customer_key(PERSON)
    assert files_holding(home.root, PLANTED[:6]) == {}
    come_back = again / "come back.csv"
    old = (again / "0.csv").read_text()
    assert ORDERS[0] in old
    come_back.write_text(old + f"NEW-1,2026-12-24T09:00:00,{PERSON},p1,1,4.50,0\n")
    with Vault.open(home.vault) as vault:
        list(Importer(vault, now=NOW + timedelta(days=60)).run([come_back]))
        key = vault.customer_key(PERSON)
        with vault.read() as connection:
            orders = connection.execute("SELECT order_id FROM orders WHERE customer = ?", (key,)).fetchall()
    assert orders == [("NEW-1",)]


def test_the_register_forgets_when_no_backup_can_be_left(home: StoreHome) -> None:
    erase_now(home)
    register = read_register(home.root)
    assert register.erased_at(PERSON) == int(LATER.timestamp())
    assert register.erased_at("c3") is None
    erase_customers(home, ["c3"], source="test", now=LATER + timedelta(days=36))
    register = read_register(home.root)
    assert register.erased_at(PERSON) is None
    assert len(register.erasures) == 1


def test_everybody_can_be_erased_at_once(home: StoreHome) -> None:
    done = erase_everybody(home, source="test", now=LATER)
    certificate = read_certificate(done.certificate)
    assert certificate.people == 25
    assert certificate.person == ""
    assert files_holding(home.root) == {}
    with Vault.open(home.vault) as vault, vault.read() as connection:
        for table in ("customers", "identifiers", "pseudonyms"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)  # noqa: S608
        assert connection.execute("SELECT count(*) FROM products").fetchone() == (32,)
