"""A customer's copy of their data is whole and theirs alone; restriction and objection hold at once."""

from __future__ import annotations

import hashlib
import json
import stat
import threading
from datetime import UTC, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest

from highstreet.audit.commitments import commit
from highstreet.audit.consent import Act, ConsentState, Method, Purpose
from highstreet.audit.limits import StoreLimits
from highstreet.client import rights_desk
from highstreet.client.consent import ConsentDesk, How
from highstreet.client.consented_cohort import still_granted
from highstreet.client.erasure import erase_customers
from highstreet.client.errors import UnknownCustomerError
from highstreet.client.home import StoreHome
from highstreet.client.person_counts import PersonCounts
from highstreet.client.personal_record import gather_record
from highstreet.client.record_page import record_page
from highstreet.client.rights_desk import make_record, object_to, set_restriction
from highstreet.client.rights_files import remove_expired
from highstreet.client.suggestions import Policy, suggest
from highstreet.client.vault import Vault
from tests.client.conftest import NOW
from tests.client.lived_in_store import CUP, EMAIL, LOYALTY, ORDERS, PERSON, SOURCE, live


@pytest.fixture
def home(coop: Any, tmp_path: Any, limits: StoreLimits) -> StoreHome:
    return live(StoreHome(tmp_path / "store"), coop, limits, tmp_path / "exports")


class _Page(HTMLParser):
    """What a page shows, and what it would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text, self.tags, self.loads = "", [], []  # type: ignore[var-annotated]
        self.feed(text)

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [value for name, value in attrs if name in {"src", "href", "onload", "onclick"}]


def _record(home: StoreHome, customer: str = PERSON) -> dict[str, Any]:
    made = make_record(home, customer, source="test", now=NOW)
    plain: dict[str, Any] = json.loads((made.folder / "record.json").read_text())
    return plain


def test_a_record_holds_everything_that_is_held(home: StoreHome) -> None:
    record = _record(home)
    assert record["customer_id"] == PERSON
    assert record["identifiers"] == {"email": EMAIL, "loyalty-number": LOYALTY}
    assert [order["order_id"] for order in record["orders"]] == list(ORDERS)
    assert [line["product_id"] for order in record["orders"] for line in order["lines"]] == [
        "p1",
        CUP,
        "p2",
        "p3",
    ]
    assert record["orders"][1]["lines"][0] == {
        "product_id": "p2",
        "title": "Product 2",
        "quantity": 2.0,
        "unit_price": 3.2,
        "discount": 0.2,
    }
    stands = {each["purpose"]: each["state"] for each in record["purposes"]}
    assert stands["coop_learning"] == "granted"
    assert stands["email_marketing"] == "not_asked"
    assert {each["source"] for each in record["answers"]} == {SOURCE}
    assert record["shops_counted"] == 3
    assert [each["kind"] for each in record["requests"]] == ["access"]
    assert record["shop"]["coop_name"] == "Hill Road"


def test_with_a_record_its_customer_can_show_which_leaf_of_the_log_is_theirs(home: StoreHome) -> None:
    entries = _record(home)["answers"]
    with Vault.open(home.vault) as vault, vault.read() as connection:
        leaves = dict(connection.execute("SELECT position, leaf FROM consents").fetchall())
    assert len(entries) == 4
    for entry in entries:
        made = commit(
            bytes.fromhex(entry["salt"]), entry["record"].encode(), domain="highstreet/consent-event/v1"
        )
        assert hashlib.sha256(b"\x00" + made).digest() == leaves[entry["position"]]


def test_a_record_says_which_rounds_the_data_were_in_and_what_that_tells_at_most(home: StoreHome) -> None:
    record = _record(home)
    assert [(each["training"], each["round"], each["day"]) for each in record["rounds"]] == [
        ("p1", 1, "2026-11-22")
    ]
    assert record["rounds"][0]["left_the_shop"] is True
    loss = record["privacy_loss"]
    assert 0 < loss["epsilon"] == loss["epsilon_in_period"] == loss["most_anybody_lost_in_period"]
    assert 0.5 < loss["right_guesses"] < 1
    other = _record(home, "c23")  # agreed to nothing
    assert other["rounds"] == []
    assert other["privacy_loss"]["epsilon"] == 0
    assert other["privacy_loss"]["most_anybody_lost_in_period"] == loss["epsilon"]


def test_what_a_later_version_adds_is_in_the_record_and_goes_with_its_customer(
    home: StoreHome,
) -> None:
    assert _record(home)["further"] == {}
    with Vault.open(home.vault) as vault, vault.write() as connection:
        connection.execute("ALTER TABLE customers ADD COLUMN age_band TEXT")
        connection.execute(
            "CREATE TABLE pets (customer INTEGER REFERENCES customers ON DELETE CASCADE, name)"
        )
        connection.execute("UPDATE customers SET age_band = '45-54' WHERE customer_id = ?", (PERSON,))
        connection.execute("INSERT INTO pets SELECT customer, 'Rex-the-planted' FROM customers")
    assert _record(home)["further"] == {
        "customers": [{"age_band": "45-54"}],
        "pets": [{"name": "Rex-the-planted"}],
    }
    erase_customers(home, [PERSON], source="test", now=NOW)
    with Vault.open(home.vault) as vault, vault.read() as connection:
        assert connection.execute("SELECT count(*) FROM pets").fetchone() == (24,)


def test_no_table_names_customers_without_an_erasure_reaching_it(home: StoreHome) -> None:
    """Whoever adds one lets its rows go with the customer, or takes them out in `erased_rows`."""
    taken_out = {"orders", "consents"}
    with Vault.open(home.vault) as vault, vault.read() as connection:
        naming = connection.execute(
            "SELECT m.name, (SELECT f.on_delete FROM pragma_foreign_key_list(m.name) AS f"
            " WHERE f.\"from\" = 'customer')"
            " FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c"
            " WHERE m.type = 'table' AND c.name = 'customer' AND m.name <> 'customers'"
        ).fetchall()
    assert {table for table, _ in naming} > taken_out
    assert {table for table, rule in naming if rule not in {"CASCADE", "SET NULL"}} == taken_out


def test_a_record_is_of_one_customer_alone(home: StoreHome) -> None:
    text = json.dumps(_record(home, "c1"))
    assert "c1@example.org" in text
    for other in (PERSON, EMAIL, ORDERS[0], "c2@example.org", '"c2"'):
        assert other not in text


def test_both_forms_are_for_the_owner_alone_and_their_folder_says_nothing(home: StoreHome) -> None:
    made = make_record(home, PERSON, source="test", now=NOW)
    assert made.folder.parent == home.rights
    assert PERSON not in made.folder.name
    for path, mode in (
        (home.rights, 0o700),
        (made.folder, 0o700),
        *((f, 0o600) for f in made.folder.iterdir()),
    ):
        assert stat.S_IMODE(path.stat().st_mode) == mode


def test_the_page_shows_what_the_file_says_escapes_it_and_loads_nothing(home: StoreHome) -> None:
    with Vault.open(home.vault) as vault:
        with vault.write() as connection:
            connection.execute(
                "UPDATE products SET title = '<script>alert(1)</script>' WHERE product_id = 'p1'"
            )
        record = gather_record(home, vault, PERSON, now=NOW)
    page = _Page(record_page(record))
    assert "<script>alert(1)</script>" in page.text  # as text
    assert "script" not in page.tags
    assert page.loads == []
    for shown in (PERSON, EMAIL, LOYALTY, *ORDERS, CUP, SOURCE, "epsilon"):
        assert shown in page.text
    assert page.tags.count("h1") == 1
    assert page.tags.count("table") == page.tags.count("caption")


def test_a_copy_is_removed_after_thirty_days_and_with_the_person(home: StoreHome) -> None:
    old = make_record(home, PERSON, source="test", now=NOW).folder
    new = make_record(home, "c1", source="test", now=NOW + timedelta(days=29)).folder
    assert old.exists()
    make_record(home, "c2", source="test", now=NOW + timedelta(days=31))
    assert (old.exists(), new.exists()) == (False, True)
    erase_customers(home, ["c1"], source="test", now=NOW + timedelta(days=31))
    assert not new.exists()


def test_two_copies_made_at_one_moment_are_both_kept(
    home: StoreHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy whose journal's entry is not committed yet is not one that a killed command left."""
    keep = rights_desk.keep_record
    others: list[threading.Thread] = []

    def remove() -> None:
        with Vault.open(home.vault) as vault:
            remove_expired(home, vault, now=NOW)

    def keep_while_another_removes(*args: Any, **kwargs: Any) -> Any:
        folder = keep(*args, **kwargs)
        others.append(threading.Thread(target=remove))
        others[0].start()
        others[0].join(timeout=0.5)
        return folder

    monkeypatch.setattr(rights_desk, "keep_record", keep_while_another_removes)
    made = make_record(home, PERSON, source="test", now=NOW)
    others[0].join()
    assert (made.folder / "record.json").is_file()


def test_nobody_who_was_erased_meanwhile_gets_a_record_written(
    home: StoreHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    gather = rights_desk.gather_record

    def slowly(*arguments: Any, **named: Any) -> Any:
        record = gather(*arguments, **named)
        erase_customers(home, [PERSON], source="test", now=NOW)
        return record

    monkeypatch.setattr(rights_desk, "gather_record", slowly)
    with pytest.raises(UnknownCustomerError):
        make_record(home, PERSON, source="test", now=NOW)
    assert not list(home.rights.glob("*/record.*"))


def test_restricted_data_are_in_no_cohort_not_even_in_one_made_before(home: StoreHome) -> None:
    with Vault.open(home.vault) as vault:
        key, desk = vault.customer_key(PERSON), ConsentDesk(vault)
        before = desk.cohort(Purpose.COOP_LEARNING)
        assert key in before.customers
        set_restriction(home, PERSON, is_restricted=True, source="test", now=NOW)
        assert key not in desk.cohort(Purpose.COOP_LEARNING).customers
        with vault.read() as connection:
            assert key not in still_granted(before, vault, connection, Purpose.COOP_LEARNING)
        assert suggest(home, PERSON, k=3).policy is Policy.POPULAR
        assert _record(home)["is_restricted"] is True
        assert _record(home)["identifiers"]["email"] == EMAIL
        set_restriction(home, PERSON, is_restricted=False, source="test", now=NOW)
        assert key in desk.cohort(Purpose.COOP_LEARNING).customers
    assert suggest(home, PERSON, k=3).policy is Policy.PERSONALISED


def test_a_model_fitted_with_somebody_is_not_used_once_they_are_restricted(home: StoreHome) -> None:
    before = {path.name for path in home.personal.glob("*.safetensors")}
    set_restriction(home, PERSON, is_restricted=True, source="test", now=NOW)
    assert not list(home.personal.glob("*.safetensors"))
    suggest(home, "c1", k=3)
    assert {path.name for path in home.personal.glob("*.safetensors")}.isdisjoint(before)


def test_an_objection_takes_back_what_it_names_and_nothing_else(home: StoreHome) -> None:
    object_to(home, PERSON, (Purpose.COOP_LEARNING,), source="test", now=NOW)
    with Vault.open(home.vault) as vault:
        key, desk = vault.customer_key(PERSON), ConsentDesk(vault)
        assert desk.state(key, Purpose.COOP_LEARNING) is ConsentState.OBJECTED
        assert desk.state(key, Purpose.SHOP_MODEL) is ConsentState.GRANTED
        kept = PersonCounts(home.person_counts, vault_id=vault.vault_id).latest()
        assert kept is not None
        assert str(key) not in (kept.shops or {})


def test_every_request_is_on_record_and_no_number_of_the_person_is_in_a_log(home: StoreHome) -> None:
    set_restriction(home, PERSON, is_restricted=True, source="test", now=NOW)
    set_restriction(home, PERSON, is_restricted=False, source="test", now=NOW)
    object_to(home, PERSON, tuple(Purpose), source="test", now=NOW)
    kinds = [each["kind"] for each in _record(home)["requests"]]
    assert kinds == ["access", "restrict", "lift", "object"]
    assert NOW.astimezone(UTC).isoformat(timespec="seconds") == _record(home)["requests"][0]["at"]
    for log in home.logs.iterdir():
        assert PERSON.encode() not in log.read_bytes()


def test_nobody_unknown_is_restricted_or_objects(home: StoreHome) -> None:
    with pytest.raises(UnknownCustomerError):
        set_restriction(home, "nobody", is_restricted=True, source="test", now=NOW)
    with pytest.raises(UnknownCustomerError):
        object_to(home, "nobody", (Purpose.MATCHING,), source="test", now=NOW)


def test_a_grant_does_not_lift_a_restriction(home: StoreHome) -> None:
    set_restriction(home, PERSON, is_restricted=True, source="test", now=NOW)
    with Vault.open(home.vault) as vault:
        desk = ConsentDesk(vault)
        desk.record(PERSON, Purpose.COOP_LEARNING, Act.GIVEN, How(method=Method.FORM, source="form"))
        assert vault.customer_key(PERSON) not in desk.cohort(Purpose.COOP_LEARNING).customers
