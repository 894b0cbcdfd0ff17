import numpy as np
import pytest
from journeys import made_up_federation

from highstreet.models.baselines import bought
from highstreet.simulations.errors import InvalidSplitError
from highstreet.simulations.judging import best_sellers
from highstreet.simulations.newcomers import with_newcomers
from highstreet.simulations.opponents import judge_opponent


def test_newcomers_take_no_part_in_the_training():
    federation = made_up_federation(stores=6)
    joined = with_newcomers(federation, past_weeks=0)
    assert len(joined.stores) == 2
    assert len(joined.training) == 4
    by_id = {store.store_id: store.shop for store in federation.stores}
    trained = {id(store.shop) for store in joined.training}
    assert all(id(by_id[store.store_id]) not in trained for store in joined.stores)


def test_newcomers_have_at_most_twenty_customers_and_only_their_last_weeks():
    federation = made_up_federation(stores=3, households=30)
    (without,) = with_newcomers(federation, past_weeks=0).stores
    (recent,) = with_newcomers(federation, past_weeks=2).stores
    assert len(without.persons) == len(recent.persons) == 20
    assert len(without.shop.purchases) == 0
    assert recent.shop.purchases.day.min() >= recent.shop.as_of - 14
    assert recent.targets.sum() == without.targets.sum() > 0


def test_popularity_of_the_others_helps_a_shop_without_a_past():
    federation = with_newcomers(made_up_federation(stores=3, households=20), past_weeks=0)
    coop = np.nanmean(judge_opponent(federation, "popularity")[:, 0])
    assert coop == np.nanmean(judge_opponent(federation, "own-recency")[:, 0])
    assert coop > 0


def test_best_sellers_are_counted_where_there_is_a_past():
    federation = made_up_federation(stores=3, households=20)
    joined = with_newcomers(federation, past_weeks=0)
    sold = sum(bought(store.shop).sum(axis=0) for store in joined.training)
    top = best_sellers(joined)
    assert sorted(sold[top]) == sorted(sold)[-2:]
    assert set(top) != {0, 1}  # which they would be where nobody bought anything


def test_too_few_shops_are_refused():
    with pytest.raises(InvalidSplitError):
        with_newcomers(made_up_federation(stores=2), past_weeks=0)
