"""Exposure and calibration: the papers' formulas on numbers worked by hand, and what always holds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from highstreet.models.calibration_of_lists import category_shares, list_shares, miscalibration
from highstreet.models.exposure import (
    InvalidListsError,
    concentration,
    exposure_shares,
    gini,
    place_exposure,
    popularity_tenths,
    price_classes,
    private_label,
    small_suppliers,
    tail_share,
)
from highstreet.models.features import FeatureSpace
from highstreet.models.programme import default_plan, initial_state
from highstreet.models.schema import FeatureSchema
from highstreet.models.settings import Settings
from highstreet.models.shop import Catalogue, Product


def test_places_have_the_exposure_of_the_discount() -> None:
    # 1, 1 / log2 3 = .63093, 1 / log2 4 = .5; together 2.13093.
    assert place_exposure(3).tolist() == pytest.approx([0.46928, 0.29608, 0.23464], abs=1e-5)
    assert place_exposure(10).sum() == pytest.approx(1.0)
    with pytest.raises(InvalidListsError):
        place_exposure(0)


def test_shares_of_a_list_follow_its_places() -> None:
    shares = exposure_shares(np.array([[2, 0, 1], [1, 1, 0]]), np.array([0, 1, -1]), number_of_classes=2)
    first, second, third = place_exposure(3)
    assert shares[0].tolist() == pytest.approx([second, third])
    assert shares[1].tolist() == pytest.approx([third, first + second])


@pytest.mark.parametrize(
    ("lists", "classes"),
    [([[0, 3]], [0, 0, 0]), ([[-1, 0]], [0, 0]), ([[0, 1]], [0, 2]), ([[0, 1]], [-2, 0])],
)
def test_lists_and_classes_that_do_not_fit_are_refused(lists: list[list[int]], classes: list[int]) -> None:
    with pytest.raises(InvalidListsError):
        exposure_shares(np.array(lists), np.array(classes), number_of_classes=2)


def test_an_empty_list_exposes_nothing() -> None:
    assert (
        exposure_shares(np.zeros((2, 0), int), np.zeros(0, int), number_of_classes=2).tolist() == [[0, 0]] * 2
    )
    assert list_shares(np.zeros((1, 0), int), np.zeros(0, int), n=2).tolist() == [[0, 0]]


@given(st.integers(1, 12), st.integers(1, 5), st.integers(0, 2**31))
def test_shares_over_all_classes_add_to_one(k: int, classes: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    lists = generator.integers(0, 20, size=(6, k))
    of = generator.integers(0, classes, size=20)
    shares = exposure_shares(lists, of, number_of_classes=classes)
    assert shares.min() >= 0
    assert shares.sum(axis=1).tolist() == pytest.approx([1.0] * 6)


def test_the_gini_coefficient_of_small_examples() -> None:
    assert gini(np.array([1.0, 1.0, 1.0])) == pytest.approx(0.0)
    # (1, 3): (2 * 1 - 2 - 1) * 1 + (2 * 2 - 2 - 1) * 3 = 2, over n sum = 8.
    assert gini(np.array([3.0, 1.0])) == pytest.approx(0.25)
    assert concentration(np.array([3.0, 1.0])) == pytest.approx(-0.25)
    assert np.isnan(gini(np.zeros(3)))
    assert np.isnan(gini(np.zeros(0)))


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30).filter(lambda x: sum(x) > 1e-3))
def test_concentration_is_at_most_gini_and_gini_is_the_mean_difference(amounts: list[float]) -> None:
    x = np.array(amounts)
    # Another way: half the relative mean absolute difference.
    mean_difference = np.abs(x[:, None] - x[None, :]).mean() / (2 * x.mean())
    assert gini(x) == pytest.approx(mean_difference, abs=1e-9)
    assert concentration(x) <= gini(x) + 1e-9
    assert concentration(np.sort(x)) == pytest.approx(gini(x))


def test_the_tail_is_all_but_the_most_popular_fifth() -> None:
    assert tail_share(np.array([1, 0, 0, 0, 0, 0, 0, 1, 1, 1])) == pytest.approx(0.5)
    assert np.isnan(tail_share(np.zeros(10)))


def test_tenths_hold_equal_numbers_and_the_last_holds_the_most_popular() -> None:
    popularity = np.array([5.0, 1.0, 9.0, 3.0, 7.0] * 4)
    tenths = popularity_tenths(popularity)
    assert np.bincount(tenths).tolist() == [2] * 10
    assert set(popularity[tenths == 9]) == {9.0}
    assert set(popularity[tenths == 0]) == {1.0}
    # Equal ones: the earlier row is the more popular one, as it is ranked.
    assert popularity_tenths(np.ones(10)).tolist() == list(range(9, -1, -1))
    assert popularity_tenths(np.zeros(0)).shape == (0,)


def _catalogue(schema: FeatureSchema) -> Catalogue:
    rows = [
        Product(product_id="a", brand="Own Brand", maker="big", price=0.5),
        Product(product_id="b", brand="Acme", maker="big", price=3.5),
        Product(product_id="c", brand=" PRIVATE ", maker="small", price=20.0),
        Product(product_id="d", maker="", price=None),
    ]
    return Catalogue.build(schema, rows)


def test_private_label_and_price_classes_are_read_from_the_catalogue() -> None:
    schema = FeatureSchema()
    stock = _catalogue(schema)
    assert private_label(schema, stock).tolist() == [True, False, True, False]
    # Nine bands in thirds: .5 is band 1, 3.5 band 5, 20 band 9; none without a price.
    assert price_classes(schema, stock).tolist() == [0, 1, 2, -1]


def test_small_suppliers_are_the_least_sold_makers_up_to_a_fifth() -> None:
    schema, settings = FeatureSchema(), Settings()
    stock = _catalogue(schema)
    sums = np.zeros(schema.maker_buckets, dtype=np.float32)
    big, small = schema.bucket("maker", "big"), schema.bucket("maker", "small")
    state = initial_state(default_plan(schema, noise_multiplier=1.0))

    def found(of_small: float) -> list[bool]:
        sums[big], sums[small] = 90.0, of_small
        shared = state.updated({"popularity/maker": sums.copy(), "popularity/maker_stddev": np.array([0.0])})
        return small_suppliers(FeatureSpace(schema, settings, shared, stock).view).tolist()

    assert found(10.0) == [False, False, True, False]
    assert found(40.0) == [False] * 4


def test_miscalibration_is_stecks_divergence_over_its_largest_value() -> None:
    p, q = np.array([[0.7, 0.3]]), np.array([[0.5, 0.5]])
    mixed = 0.99 * q + 0.01 * p
    by_hand = (0.7 * math.log(0.7 / mixed[0, 0]) + 0.3 * math.log(0.3 / mixed[0, 1])) / math.log(100)
    assert miscalibration(p, q)[0] == pytest.approx(by_hand)
    assert miscalibration(p, p)[0] == pytest.approx(0.0)
    assert miscalibration(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]))[0] == pytest.approx(1.0)
    assert miscalibration(np.zeros((1, 2)), q)[0] == 0.0


@given(st.integers(0, 2**31), st.integers(1, 6))
def test_miscalibration_lies_between_0_and_1(seed: int, n: int) -> None:
    generator = np.random.default_rng(seed)
    p, q = (generator.dirichlet(np.full(n, 0.3), size=8) for _ in range(2))
    found = miscalibration(p, q)
    assert ((found >= 0) & (found <= 1)).all()


def test_shares_by_category_leave_out_products_of_none() -> None:
    categories = np.array([0, 1, 1, -1])
    assert category_shares(np.array([[1.0, 1.0, 2.0, 9.0], [0, 0, 0, 1.0]]), categories, n=2).tolist() == [
        [0.25, 0.75],
        [0.0, 0.0],
    ]
    first, second = place_exposure(2)
    assert list_shares(np.array([[1, 3]]), categories, n=2).tolist() == [[0.0, 1.0]]
    assert list_shares(np.array([[1, 0]]), categories, n=2)[0].tolist() == pytest.approx([second, first])
