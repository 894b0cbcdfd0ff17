"""The report says whom the charter's epsilon is for, and what the others have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from highstreet.audit.charter import Charter
from highstreet.privacy.releases import PrivacyUnit, Weighting
from highstreet.simulations.demo.collect import promised
from tests.client.made_up_coop import by_counts

CUSTOMER = "a customer of one shop"


def test_a_customers_promise_stands_beside_the_worst_case_of_a_person(
    charter_with: Callable[..., Charter],
) -> None:
    customer, person, everywhere = promised(charter_with(), stores=6)
    assert (customer.unit, customer.limit, person.limit) == (CUSTOMER, 1.2, None)
    assert person.unit == "a person who shops in up to 4 shops"
    assert everywhere.unit == "a person who shops in all 6 shops"
    assert customer.epsilon < person.epsilon < everywhere.epsilon


def test_a_persons_promise_has_the_limit_and_more_shops_than_promised_cost_whole_contributions(
    charter_with: Callable[..., Charter],
) -> None:
    usual = charter_with()
    terms = replace(
        usual.privacy,
        privacy_unit=PrivacyUnit.PERSON,
        weighting=Weighting.ONE_OVER_MOST,
        shops_per_person=2,
    )
    customer, person, everywhere = promised(replace(usual, privacy=terms), stores=6)
    assert (customer.unit, customer.limit, person.limit) == (CUSTOMER, None, 1.2)
    assert person.unit == "a person who shops in up to 2 shops, each contribution divided by that number"
    assert customer.epsilon == person.epsilon < everywhere.epsilon
    # Six shops, each of a half: three whole contributions, as of a person in three shops that divide nothing.
    three = replace(usual, privacy=replace(usual.privacy, shops_per_person=3))
    assert everywhere.epsilon == pytest.approx(promised(three, stores=3)[1].epsilon)
    assert len(promised(replace(usual, privacy=terms), stores=2)) == 2


def test_where_shops_know_the_number_nobody_has_more_than_one_contribution(
    charter_with: Callable[..., Charter],
) -> None:
    customer, person, everywhere = promised(by_counts(charter_with(), shops=2), stores=6)
    assert person.unit == "a person who shops in up to 2 shops, each contribution divided by their number"
    assert customer.epsilon == person.epsilon == everywhere.epsilon
