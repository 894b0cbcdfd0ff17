"""What is wrong is put right as a whole, in every file, and nobody else's data change."""

from __future__ import annotations

from typing import Any

import pytest

from highstreet.audit.limits import StoreLimits
from highstreet.client.errors import CorrectionRefusedError, UnknownCustomerError
from highstreet.client.home import StoreHome
from highstreet.client.matching_state import MatchingState
from highstreet.client.person_counts import PersonCounts
from highstreet.client.personal_record import gather_record
from highstreet.client.rectification import Correction, correct
from highstreet.client.vault import Vault
from highstreet.privacy.matching.errors import InvalidIdentifierError
from highstreet.privacy.matching.identifiers import IdentifierKind
from tests.client.conftest import NOW
from tests.client.lived_in_store import CUP, EMAIL, LOYALTY, ORDERS, PERSON, live

EMAIL_NOW = "zenobia@right.example"


@pytest.fixture
def home(coop: Any, tmp_path: Any, limits: StoreLimits) -> StoreHome:
    return live(StoreHome(tmp_path / "store"), coop, limits, tmp_path / "exports")


def _correct(home: StoreHome, correction: Correction, customer: str = PERSON) -> dict[str, int]:
    return correct(home, customer, correction, source="test", now=NOW)


def _record(home: StoreHome, customer: str = PERSON) -> dict[str, Any]:
    with Vault.open(home.vault) as vault:
        return gather_record(home, vault, customer, now=NOW).to_dict()


def test_identifiers_are_put_right_and_the_wrong_ones_are_in_no_database(home: StoreHome) -> None:
    changed = _correct(
        home,
        Correction(
            identifiers={IdentifierKind.EMAIL: " Zenobia@Right.example", IdentifierKind.LOYALTY_NUMBER: ""}
        ),
    )
    assert changed == {"identifiers": 2}
    assert _record(home)["identifiers"] == {"email": EMAIL_NOW}
    for name in ("vault.db", "vault.db-wal", "matching.db", "coop/person_counts.json"):
        path = home.root / name
        held = path.read_bytes() if path.exists() else b""
        assert EMAIL.encode() not in held, name
        assert LOYALTY.encode() not in held, name


def test_a_count_read_for_another_identifier_goes_with_it(home: StoreHome) -> None:
    _correct(home, Correction(identifiers={IdentifierKind.EMAIL: EMAIL_NOW}))
    with Vault.open(home.vault) as vault:
        kept = PersonCounts(home.person_counts, vault_id=vault.vault_id).latest()
        other = str(vault.customer_key("c1"))
    assert kept is not None
    assert kept.shops == {other: 2}


def test_an_order_that_is_somebody_elses_goes_and_takes_its_own_product_along(home: StoreHome) -> None:
    assert _correct(home, Correction(not_theirs=[ORDERS[0]])) == {"orders removed": 1}
    assert [order["order_id"] for order in _record(home)["orders"]] == [ORDERS[1]]
    assert CUP.encode() not in home.vault.read_bytes()


def test_a_number_is_put_right_and_the_answers_stay(home: StoreHome) -> None:
    before = _record(home)["answers"]
    assert _correct(home, Correction(customer_id="Z-1")) == {"number": 1}
    assert _record(home, "Z-1")["answers"] == before
    with pytest.raises(UnknownCustomerError):
        _record(home)


@pytest.mark.parametrize(
    "correction",
    [
        Correction(),
        Correction(customer_id=PERSON, identifiers={IdentifierKind.EMAIL: EMAIL}),
        Correction(customer_id="c1"),
        Correction(customer_id=" "),
        Correction(customer_id="a\nb"),
        Correction(customer_id="c" * 129),
        Correction(identifiers={IdentifierKind.EMAIL: "new@right.example"}, not_theirs=["o1-1"]),
    ],
)
def test_what_contradicts_others_or_says_nothing_changes_nothing(
    home: StoreHome, correction: Correction
) -> None:
    before = _record(home)
    with pytest.raises(CorrectionRefusedError) as refused:
        _correct(home, correction)
    assert PERSON not in refused.value.for_user()
    assert _record(home) == before


def test_an_identifier_that_cannot_be_one_changes_nothing(home: StoreHome) -> None:
    before = _record(home)
    with pytest.raises(InvalidIdentifierError):
        _correct(home, Correction(customer_id="Z-1", identifiers={IdentifierKind.EMAIL: "a\x00b"}))
    assert _record(home) == before


def test_one_that_is_killed_once_it_counts_leaves_nothing_to_do_but_what_saying_it_again_does(
    home: StoreHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    correction = Correction(identifiers={IdentifierKind.EMAIL: EMAIL_NOW})
    with monkeypatch.context() as patched:
        patched.setattr(Vault, "rewrite", _killed)
        with pytest.raises(KeyboardInterrupt):
            _correct(home, correction)
    assert _record(home)["identifiers"]["email"] == EMAIL_NOW  # it counts
    for name in ("matching.db", "coop/person_counts.json"):
        assert not _names_the_person(home, name)
    rewritten: list[Vault] = []
    monkeypatch.setattr(Vault, "rewrite", lambda vault: rewritten.append(vault))
    with pytest.raises(CorrectionRefusedError, match="so already"):
        _correct(home, correction)
    assert len(rewritten) == 1


def _killed(_: Vault) -> None:
    raise KeyboardInterrupt


def _names_the_person(home: StoreHome, name: str) -> bool:
    with Vault.open(home.vault) as vault:
        key, vault_id = str(vault.customer_key(PERSON)), vault.vault_id
    if name == "matching.db":
        with MatchingState.open(home.matching, vault_id=vault_id) as state:
            return bool(state.erase({key}))
    kept = PersonCounts(home.person_counts, vault_id=vault_id).latest()
    return kept is not None and key in (kept.shops or {})
