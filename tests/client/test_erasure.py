"""Who is erased is in no byte of any file of the store, does not come back, and has a certificate."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from highstreet.audit.consent import Act, Method, Purpose
from highstreet.audit.erasure_certificate import person_commitment, read_certificate
from highstreet.audit.limits import StoreLimits
from highstreet.audit.signing import SignedDocument
from highstreet.client import erasure as erasure_module
from highstreet.client import leaving_out
from highstreet.client.consent import ConsentDesk, How
from highstreet.client.erasure import erase_again, erase_customers, erase_everybody, finish_erasures
from highstreet.client.erasure_register import read_register
from highstreet.client.errors import (
    ErasureIncompleteError,
    ImportBusyError,
    UnknownCustomerError,
    VaultBusyError,
    VaultRewoundError,
)
from highstreet.client.home import StoreHome
from highstreet.client.identity import load_identity
from highstreet.client.importing.importer import Importer, one_at_a_time
from highstreet.client.ledger import Ledger
from highstreet.client.person_counts import PersonCounts
from highstreet.client.rights_requests import unfinished_erasures
from highstreet.client.suggestions import suggest
from highstreet.client.vault import Vault
from highstreet.privacy.budget import Budget
from tests.client.conftest import NOW
from tests.client.lived_in_store import EMAIL, ORDERS, PERSON, PLANTED, TODAY, live, plant
from tests.client.played_till import PLAN, asked_for, plainly, till_of

LATER = NOW + timedelta(days=1)
BUDGET = Budget(epsilon=3.0, delta=1e-5, period_days=365)


@pytest.fixture
def home(coop: Any, tmp_path: Path, limits: StoreLimits) -> StoreHome:
    return live(StoreHome(tmp_path / "store"), coop, limits, tmp_path / "exports")


def _holding(root: Path, values: tuple[bytes, ...] = PLANTED) -> dict[str, list[bytes]]:
    """Which values are in which file, looked for in a way of its own: whole files, every one there is."""
    found: dict[str, list[bytes]] = {}
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            data = path.read_bytes()
            held = [value for value in values if value in data]
            if held:
                found[path.relative_to(root).as_posix()] = held
    return found


def _erase(home: StoreHome, customer: str = PERSON) -> erasure_module.Erasure:
    return erase_customers(home, [customer], source="test", now=LATER)


def test_the_person_was_planted_in_every_kind_of_file_that_can_hold_one(home: StoreHome) -> None:
    holding = _holding(home.root)
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
    _erase(home)
    assert _holding(home.root) == {}


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
    assert len(_holding(home.root)) > 3


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
    _erase(home)
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
    done = _erase(home)
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
    certificate = read_certificate(_erase(home).certificate)
    with closing(Ledger.open(home.ledger)) as ledger:
        after = ledger.spending(BUDGET, today=TODAY)
    assert after == before
    assert certificate.rounds == 1
    assert certificate.epsilon == pytest.approx(before.largest_epsilon)
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
    _erase(home)
    with Vault.open(home.vault) as vault, vault.read() as connection:
        names = connection.execute("SELECT customer, pseudonym FROM pseudonyms").fetchall()
    assert person not in {customer for customer, _ in names}
    with closing(Ledger.open(home.ledger)) as ledger:
        left = exposed - {ledger._commit_to(name.hex()) for _, name in names}
    assert len(left) == 1


def test_the_own_model_is_fitted_anew_without_the_person(home: StoreHome) -> None:
    before = {path.name for path in home.personal.glob("*.safetensors")}
    assert before
    _erase(home)
    assert not list(home.personal.glob("*"))
    suggest(home, "c3", k=3)
    assert {path.name for path in home.personal.glob("*.safetensors")}.isdisjoint(before)


def test_a_model_that_was_being_fitted_with_the_person_is_not_kept(
    home: StoreHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    from highstreet.client import personal_model

    shutil.rmtree(home.personal)
    fit, keep = personal_model.fit_local, personal_model.keep_model
    fitted: list[tuple[str, ...]] = []
    kept: list[int] = []

    def slowly(plan: Any, release: Any, shop: Any, **named: Any) -> Any:
        model = fit(plan, release, shop, **named)
        fitted.append(shop.customer_ids)
        if len(fitted) == 1:
            _erase(home)
        return model

    def noted(*arguments: Any) -> None:
        kept.append(len(fitted))
        keep(*arguments)

    with Vault.open(home.vault) as vault:
        person = str(vault.customer_key(PERSON))
    monkeypatch.setattr(personal_model, "fit_local", slowly)
    monkeypatch.setattr(personal_model, "keep_model", noted)
    suggest(home, PERSON, k=3)
    assert [person in each for each in fitted] == [True, False]
    assert kept == [2]


@pytest.mark.parametrize(("changes", "fits"), [(1, 2), (99, 3)])
def test_a_model_that_somebody_withdrew_from_while_it_was_fitted_is_not_handed_out(
    home: StoreHome, monkeypatch: pytest.MonkeyPatch, changes: int, fits: int
) -> None:
    """Each answer that overtakes a fit ends it; a shop where that never stops has no model for now."""
    from highstreet.client import personal_model

    shutil.rmtree(home.personal)
    fit = personal_model.fit_local
    fitted: list[tuple[str, ...]] = []
    with Vault.open(home.vault) as vault:
        person = str(vault.customer_key(PERSON))

        def slowly(plan: Any, release: Any, shop: Any, **named: Any) -> Any:
            if len(fitted) < changes:
                act = Act.GIVEN if len(fitted) % 2 else Act.WITHDRAWN
                said = How(method=Method.SPOKEN, source="till")
                ConsentDesk(vault).record(PERSON, Purpose.SHOP_MODEL, act, said)
            fitted.append(shop.customer_ids)
            return fit(plan, release, shop, **named)

        monkeypatch.setattr(personal_model, "fit_local", slowly)
        handed_out = personal_model.current_model(home, vault)
    assert len(fitted) == fits
    assert person in fitted[0]
    assert person not in fitted[1]
    assert (handed_out is None) == (changes >= fits)
    assert bool(list(home.personal.glob("*"))) == (handed_out is not None)


def test_a_contribution_computed_with_the_person_that_has_not_left_is_thrown_away(home: StoreHome) -> None:
    """Erased between the computing and the sending: what leaves was computed without them."""
    with Vault.open(home.vault) as vault:
        key = str(vault.customer_key(PERSON))
    computed_over: list[tuple[str, ...]] = []
    left: list[bytes] = []

    def compute(plan: object, phase: object, state: object, shop: Any, **_: object) -> NDArray[np.int64]:
        computed_over.append(shop.customer_ids)
        return np.full(PLAN.phases[0].dimension, len(computed_over), dtype=np.int64)

    def approach() -> None:
        if len(computed_over) == 1:
            _erase(home)

    with closing(Ledger.open(home.ledger)) as ledger, pytest.MonkeyPatch.context() as patch:
        patch.setattr(leaving_out, "contribute", compute)
        till = replace(till_of(home, ledger), approach=approach)
        left.append(till.take(asked_for(b"b", "p2"), plainly))
        assert ledger.spending(BUDGET, today=TODAY).rounds == 2  # paid for once
    first, second = computed_over
    assert key in first
    assert set(second) == set(first) - {key}
    assert left == [np.full(PLAN.phases[0].dimension, 2).astype("<i8").tobytes()]


def test_somebody_unknown_is_not_erased_and_nothing_changes(home: StoreHome) -> None:
    with pytest.raises(UnknownCustomerError):
        _erase(home, "nobody of that name")
    assert not home.erasures.exists()
    with pytest.raises(UnknownCustomerError):
        erase_customers(home, [PERSON, "nobody of that name"], source="test", now=LATER)
    assert EMAIL.encode() in home.vault.read_bytes()


def test_an_erasure_waits_for_no_import_and_no_reader(home: StoreHome) -> None:
    with Vault.open(home.vault) as vault, one_at_a_time(vault), pytest.raises(ImportBusyError):
        _erase(home)
    assert EMAIL.encode() in home.vault.read_bytes()


def test_what_an_open_reader_still_sees_is_not_called_erased(
    home: StoreHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    from highstreet.client import private_database

    monkeypatch.setattr(private_database, "_BUSY_TIMEOUT_SECONDS", 0.2)
    with Vault.open(home.vault) as reader, reader.read() as connection:
        connection.execute("SELECT count(*) FROM customers").fetchone()
        with pytest.raises(VaultBusyError):
            _erase(home)
        assert not list(home.rights.glob("certificates/*"))
    done = finish_erasures(home, now=LATER, customer_ids=[PERSON])
    assert _holding(home.root) == {}
    assert read_certificate(done[0].certificate).person == person_commitment(done[0].salt, PERSON)
    assert finish_erasures(home, now=LATER) == []


def test_a_file_of_the_owners_that_names_the_person_is_named_and_there_is_no_certificate(
    home: StoreHome,
) -> None:
    forgotten = home.root / "old export.csv"
    forgotten.write_text(f"name\n{EMAIL}\n")
    with pytest.raises(ErasureIncompleteError, match=r"old export\.csv") as refused:
        _erase(home)
    assert EMAIL not in refused.value.for_user()
    assert not list(home.rights.glob("certificates/*"))
    forgotten.unlink()
    assert len(finish_erasures(home, now=LATER)) == 1


def test_an_erasure_that_failed_is_not_certified_by_the_next_one_while_the_file_is_there(
    home: StoreHome,
) -> None:
    note = home.root / "note.txt"
    note.write_text("call " + PERSON.upper())
    with pytest.raises(ErasureIncompleteError):
        _erase(home)
    other = _erase(home, "c3")
    with pytest.raises(ErasureIncompleteError, match=r"note\.txt"):
        finish_erasures(home, now=LATER)
    assert list(home.rights.glob("certificates/*")) == [other.file]
    assert set(_holding(home.root)) == set()  # the journal's own note is not readable
    note.unlink()
    (done,) = finish_erasures(home, now=LATER)
    assert read_certificate(done.certificate).values_searched >= 5
    assert not list(home.rights.glob("*.key"))


def test_an_erasure_whose_key_is_lost_is_not_certified(home: StoreHome) -> None:
    note = home.root / "note.txt"
    note.write_text(PERSON)
    with pytest.raises(ErasureIncompleteError):
        _erase(home)
    note.unlink()
    (key,) = home.rights.glob("*.key")
    key.unlink()
    with pytest.raises(ErasureIncompleteError, match="cannot be read"):
        finish_erasures(home, now=LATER)
    assert not list(home.rights.glob("certificates/*"))


def test_a_link_out_of_the_folder_is_named_and_there_is_no_certificate(home: StoreHome) -> None:
    elsewhere = home.root.parent / "big disk"
    elsewhere.mkdir()
    (elsewhere / "backup.csv").write_text(PERSON)
    (home.root / "backups").symlink_to(elsewhere)
    with pytest.raises(ErasureIncompleteError, match="backups"):
        _erase(home)
    assert not list(home.rights.glob("certificates/*"))
    (home.root / "backups").unlink()
    assert len(finish_erasures(home, now=LATER)) == 1


@pytest.mark.parametrize(
    "step",
    [
        "note_erasure",
        "remove_folders",
        "erase_rows",
        "_erase_from_matchings",
        "forget_model",
        "search_folder",
        "_certify",
    ],
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_erasure_that_is_cut_off_anywhere_is_finished(
    home: StoreHome, monkeypatch: pytest.MonkeyPatch, step: str, when: str
) -> None:
    true: Callable[..., Any] = getattr(erasure_module, step)

    def cut_off(*arguments: Any, **named: Any) -> Any:
        if when == "after":
            true(*arguments, **named)
        raise KeyboardInterrupt

    monkeypatch.setattr(erasure_module, step, cut_off)
    with pytest.raises(KeyboardInterrupt):
        _erase(home)
    monkeypatch.setattr(erasure_module, step, true)
    with closing(sqlite3.connect(home.vault)) as connection:
        is_there = connection.execute("SELECT 1 FROM customers WHERE customer_id = ?", (PERSON,)).fetchone()
    if is_there:
        erase_again(home, now=LATER) or _erase(home)
    else:
        assert finish_erasures(home, now=LATER)
    assert _holding(home.root) == {}
    with Vault.open(home.vault) as vault, vault.read() as connection:
        assert unfinished_erasures(connection) == []


def test_a_vault_put_back_from_before_is_refused_until_the_person_is_erased_again(home: StoreHome) -> None:
    copy = home.root.parent / "backup.db"
    shutil.copy(home.vault, copy)
    _erase(home)
    shutil.copy(copy, home.vault)
    assert EMAIL.encode() in home.vault.read_bytes()
    with pytest.raises(VaultRewoundError):
        Vault.open(home.vault)
    assert erase_again(home, now=LATER) == 1
    assert _holding(home.root) == {}
    with Vault.open(home.vault):
        pass
    assert erase_again(home, now=LATER) == 0


def test_an_old_export_does_not_bring_the_person_back_and_a_new_order_does(
    home: StoreHome, tmp_path: Path
) -> None:
    _erase(home)
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
    assert _holding(home.root, PLANTED[:6]) == {}
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
    _erase(home)
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
    assert _holding(home.root) == {}
    with Vault.open(home.vault) as vault, vault.read() as connection:
        for table in ("customers", "identifiers", "pseudonyms"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)  # noqa: S608
        assert connection.execute("SELECT count(*) FROM products").fetchone() == (32,)
