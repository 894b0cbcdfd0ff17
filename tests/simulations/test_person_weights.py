from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import polars as pl
from journeys import made_up_federation, made_up_tables

from highstreet.privacy.releases import Weighting
from highstreet.simulations.conditions import choose, conditions_for
from highstreet.simulations.newcomers import with_newcomers
from highstreet.simulations.person_weights import STORES_PER_PERSON, contributions_of, weighted_shops
from highstreet.simulations.replay import jobs_for


def totals(stores, weighting):
    """Sum of weights per person over all stores."""
    found = defaultdict(float)
    for store, shop in zip(stores, weighted_shops(stores, weighting), strict=True):
        for person, weight in zip(store.persons, shop.weights, strict=True):
            found[int(person)] += weight
    return found


def test_k_is_what_a_plain_count_over_the_order_lines_gives():
    """Counted anew from the tables, in the weeks fitted on: shops by household."""
    federation = made_up_federation(stores=4, households=9)
    fitted = made_up_tables(stores=4, households=9).orders.filter(pl.col("week") <= 8)
    products = set(federation.catalogue.product_ids)
    shops = defaultdict(set)
    for row in fitted.iter_rows(named=True):
        if row["product_id"] in products:
            shops[row["customer_id"]].add(row["store_id"])
    for store, counts in zip(federation.training, contributions_of(federation.training), strict=True):
        assert counts.tolist() == [len(shops[name]) for name in store.shop.customer_ids]
    assert {len(each) for each in shops.values()} == {1, 2}


def test_only_shops_that_train_count():
    federation = made_up_federation(stores=6)
    joined = with_newcomers(federation, past_weeks=0)
    counted = Counter(int(person) for store in joined.training for person in store.persons)
    for store, counts in zip(joined.training, contributions_of(joined.training), strict=True):
        assert counts.tolist() == [counted[int(person)] for person in store.persons]
    everywhere = Counter(int(person) for store in federation.stores for person in store.persons)
    assert any(counted[person] not in (0, count) for person, count in everywhere.items())


def test_nobody_has_more_than_one_whole_contribution():
    stores = made_up_federation(stores=4, households=9).stores
    exact = totals(stores, Weighting.ONE_OVER_SHOPS)
    assert all(np.isclose(total, 1, rtol=1e-15, atol=0) for total in exact.values())
    worst = totals(stores, Weighting.ONE_OVER_MOST)
    assert set(np.round(list(worst.values()), 12)) == {1 / STORES_PER_PERSON, 2 / STORES_PER_PERSON}
    assert all(shop.weights is None for shop in weighted_shops(stores, Weighting.WHOLE))


def test_whoever_shops_in_more_shops_than_are_allowed_for_has_no_weight():
    store = made_up_federation().stores[0]
    many = [store] * STORES_PER_PERSON
    assert (weighted_shops(many, Weighting.ONE_OVER_SHOPS)[0].weights == 1 / STORES_PER_PERSON).all()
    for weighting in (Weighting.ONE_OVER_SHOPS, Weighting.ONE_OVER_MOST):
        assert not weighted_shops([*many, store], weighting)[0].weights.any()


def test_who_is_the_same_person_changes_results_with_weights_only():
    federation = made_up_federation(stores=4, households=9)
    first = federation.stores[0]
    # Two customers of a shop that are judged change places: the same persons in another order of weights.
    swapped = replace(
        federation, members=(replace(first, persons=first.persons[::-1]), *federation.stores[1:])
    )
    before = replace(federation, members=federation.stores)
    names = ["alone", "no-privacy", "epsilon-3-per-store", "epsilon-3-person-in-sum"]
    conditions = choose(conditions_for((3.0,)), names)
    pairs = zip(jobs_for(before, conditions, seeds=1), jobs_for(swapped, conditions, seeds=1), strict=True)
    changed = {one.condition.name for one, other in pairs if one.fingerprint != other.fingerprint}
    assert changed == {"epsilon-3-person-in-sum"}
