"""What a contribution counts by under a charter."""

from __future__ import annotations

import pytest

from highstreet.audit.charter import PrivacyTerms
from highstreet.audit.weights import customer_weight, rounding_shops, whole_contributions
from highstreet.privacy.releases import PrivacyUnit, Weighting


def terms_with(weighting: Weighting, shops: int) -> PrivacyTerms:
    unit = PrivacyUnit.CUSTOMER_AT_STORE if weighting is Weighting.WHOLE else PrivacyUnit.PERSON
    return PrivacyTerms(
        epsilon=1.0, delta=1e-5, privacy_unit=unit, weighting=weighting, shops_per_person=shops
    )


@pytest.mark.parametrize("shops", [1, 3, 7, 20, 49, 100])
def test_contributions_in_the_most_shops_make_one_and_all_of_them_round(shops: int) -> None:
    terms = terms_with(Weighting.ONE_OVER_MOST, shops)
    # The sum of k rounded 1 / k is at most 1 + 2^-53, which `privacy.summing` allows for.
    assert sum([customer_weight(terms)] * shops) <= 1 + 2**-50
    assert rounding_shops(terms) == shops
    assert whole_contributions(terms, stores=shops) == 1
    assert whole_contributions(terms, stores=shops + 1) == 2
    assert whole_contributions(terms, stores=3 * shops) == 3


def test_whole_contributions_are_one_in_each_shop() -> None:
    terms = terms_with(Weighting.WHOLE, 4)
    assert (customer_weight(terms), rounding_shops(terms)) == (1.0, 1)
    assert whole_contributions(terms, stores=9) == 9


def test_where_shops_know_k_sums_count_persons_and_up_to_the_most_shops_round() -> None:
    terms = terms_with(Weighting.ONE_OVER_SHOPS, 4)
    assert (customer_weight(terms), rounding_shops(terms)) == (1.0, 4)
    # Whoever shops in more of them weighs nothing anywhere.
    assert [whole_contributions(terms, stores=stores) for stores in (4, 5, 100)] == [1, 1, 1]
