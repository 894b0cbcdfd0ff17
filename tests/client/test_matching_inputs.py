"""Inputs of a matching: of customers who agreed to both purposes, looked up anew, and of nobody else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from highstreet.audit.consent import Act, Method, Purpose
from highstreet.client.consent import ConsentDesk, How
from highstreet.client.consented_cohort import COHORT_LIFETIME_SECONDS, ConsentedCohort
from highstreet.client.errors import CohortExpiredError, ForgedCohortError, WrongPurposeError
from highstreet.client.matching_inputs import MATCHING_PURPOSES, matching_inputs
from highstreet.client.vault import Vault
from highstreet.privacy.matching import IdentifierKind, identifier_input

EMAIL, NUMBER = IdentifierKind.EMAIL, IdentifierKind.LOYALTY_NUMBER
CUSTOMERS = """customer_id,consent_coop_learning,consent_matching,consent_recorded_at,email,loyalty_number
ann,yes,yes,2025-01-02T10:00:00Z,Ann@Example.org,7
ben,yes,no,2025-01-02T10:00:00Z,ben@example.org,8
cat,no,yes,2025-01-02T10:00:00Z,cat@example.org,9
dan,yes,yes,2025-01-02T10:00:00Z,,10
eve,yes,,2025-01-02T10:00:00Z,eve@example.org,11
"""


@pytest.fixture
def shop(vault: Vault, load: Callable[..., object], tmp_path: Path) -> Vault:
    (tmp_path / "c.csv").write_text(CUSTOMERS)
    load(tmp_path / "c.csv")
    return vault


def _key(vault: Vault, name: str) -> str:
    return str(vault.customer_key(name))


def test_only_customers_who_agreed_to_both_and_have_an_identifier_are_there(shop: Vault) -> None:
    cohort = ConsentDesk(shop).cohort(*MATCHING_PURPOSES)
    assert matching_inputs(shop, cohort, EMAIL).by_customer == {
        _key(shop, "ann"): identifier_input(EMAIL, "ann@example.org")
    }
    assert matching_inputs(shop, cohort, NUMBER).by_customer == {
        _key(shop, "ann"): identifier_input(NUMBER, "7"),
        _key(shop, "dan"): identifier_input(NUMBER, "10"),
    }


@pytest.mark.parametrize(
    "purposes", [(Purpose.COOP_LEARNING,), (Purpose.MATCHING,), (Purpose.EMAIL_MARKETING,)]
)
def test_a_cohort_for_less_opens_no_identifier(shop: Vault, purposes: tuple[Purpose, ...]) -> None:
    with pytest.raises(WrongPurposeError) as caught:
        matching_inputs(shop, ConsentDesk(shop).cohort(*purposes), EMAIL)
    assert caught.value.next_step


@pytest.mark.parametrize("purpose", MATCHING_PURPOSES)
def test_either_withdrawal_beats_a_cohort_already_made(shop: Vault, purpose: Purpose) -> None:
    desk = ConsentDesk(shop)
    cohort = desk.cohort(*MATCHING_PURPOSES)
    desk.record("ann", purpose, Act.WITHDRAWN, How(method=Method.SPOKEN, source="test"))
    assert matching_inputs(shop, cohort, EMAIL).by_customer == {}


def test_who_agrees_later_is_not_slipped_into_an_older_cohort(shop: Vault) -> None:
    desk = ConsentDesk(shop)
    cohort = desk.cohort(*MATCHING_PURPOSES)
    desk.record("eve", Purpose.MATCHING, Act.GIVEN, How(method=Method.SPOKEN, source="test"))
    assert _key(shop, "eve") not in matching_inputs(shop, cohort, EMAIL).by_customer
    anew = matching_inputs(shop, desk.cohort(*MATCHING_PURPOSES), EMAIL)
    assert _key(shop, "eve") in anew.by_customer


def test_nothing_but_a_cohort_of_this_vault_that_is_still_good_opens_it(shop: Vault, tmp_path: Path) -> None:
    moments = [0.0]
    cohort = ConsentDesk(shop, monotonic=lambda: moments[0]).cohort(*MATCHING_PURPOSES)
    for forged in (None, [1, 2], object.__new__(ConsentedCohort)):
        with pytest.raises(ForgedCohortError):
            matching_inputs(shop, forged, EMAIL)  # type: ignore[arg-type]  # what a careless caller might pass
    with Vault.open(tmp_path / "other" / "vault.db") as other, pytest.raises(ForgedCohortError):
        matching_inputs(other, cohort, EMAIL)
    moments[0] = COHORT_LIFETIME_SECONDS
    with pytest.raises(CohortExpiredError):
        matching_inputs(shop, cohort, EMAIL)


def test_a_value_that_no_import_would_have_kept_is_left_out_alone(shop: Vault) -> None:
    with shop.write() as connection:
        connection.execute("UPDATE identifiers SET value = char(8203) WHERE value = '7'")
    cohort = ConsentDesk(shop).cohort(*MATCHING_PURPOSES)
    assert set(matching_inputs(shop, cohort, NUMBER).by_customer) == {_key(shop, "dan")}
