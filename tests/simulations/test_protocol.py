import numpy as np
import pytest
from journeys import made_up_federation, made_up_tables

from highstreet.models.schema import FeatureSchema
from highstreet.simulations.errors import InvalidSplitError
from highstreet.simulations.protocol import REPORT, TUNE, Protocol, Split, build_federation, parse_weeks


def test_published_splits_are_the_benchmarks():
    assert (TUNE.fit_until, TUNE.predict_from, TUNE.predict_until, TUNE.catalogue_until) == (40, 41, 45, 40)
    assert (REPORT.fit_until, REPORT.predict_from, REPORT.predict_until, REPORT.catalogue_until) == (
        45,
        46,
        53,
        40,
    )


def test_earlier_splits_choose_their_products_before_the_weeks_predicted():
    assert Split.rolling(fit_until=30, predict=(31, 35)).catalogue_until == 30


@pytest.mark.parametrize(("fit", "predict"), [(40, (40, 45)), (40, (45, 41)), (0, (1, 2))])
def test_splits_that_overlap_or_run_backwards_are_refused(fit, predict):
    with pytest.raises(InvalidSplitError):
        Split.rolling(fit_until=fit, predict=predict)


@pytest.mark.parametrize("text", ["", "a-b", "41-45-50", "-3"])
def test_ranges_that_are_none_are_refused(text):
    with pytest.raises(InvalidSplitError):
        parse_weeks(text)


def test_a_single_week_is_a_range():
    assert parse_weeks("41") == (41, 41)


def test_nothing_of_the_weeks_predicted_is_fitted_on():
    federation = made_up_federation()
    for store in federation.stores:
        assert store.shop.purchases.day.max() < store.shop.as_of


def test_units_are_customers_with_a_past_who_buy_later():
    federation = made_up_federation()
    for store in federation.stores:
        with_past = np.unique(store.shop.purchases.customer)
        assert len(with_past) == len(store.persons)
        assert set(store.judged) <= set(with_past.tolist())
    assert federation.units > 0


def test_one_household_is_the_same_person_in_two_shops():
    federation = made_up_federation()
    names = {
        (store.shop.customer_ids[row], int(person))
        for store in federation.stores
        for row, person in enumerate(store.persons)
    }
    assert len(names) == len({name for name, _ in names}) < federation.customers


def test_catalogue_holds_the_products_most_pairs_bought():
    federation = made_up_federation()
    tables = made_up_tables()
    fitted = tables.orders.filter(tables.orders["week"] <= 8)
    pairs = fitted.unique(["store_id", "customer_id", "product_id"])["product_id"].value_counts()
    counts = dict(pairs.iter_rows())
    least = min(counts[name] for name in federation.catalogue.product_ids)
    left_out = set(counts) - set(federation.catalogue.product_ids)
    assert len(federation.catalogue) == 20
    assert all(counts[name] <= least for name in left_out)


def test_without_bar_codes_products_link_by_attributes():
    tables = made_up_tables()
    split = Split.rolling(fit_until=8, predict=(9, 10))
    protocol = Protocol(split=split, minimum_customers=2, link="descriptors")
    catalogue = build_federation(tables, protocol, FeatureSchema()).catalogue
    assert len(set(catalogue.shared_key.tolist())) <= len(catalogue)
    assert (catalogue.shared_key > 0).all()


def test_splits_beyond_the_data_and_shops_too_small_are_refused():
    with pytest.raises(InvalidSplitError, match="end in week"):
        made_up_federation(fit_until=20, predict=(21, 22))
    with pytest.raises(InvalidSplitError, match="No shop"):
        made_up_federation(minimum_customers=1000)
