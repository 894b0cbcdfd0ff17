"""The real sample data under the published protocol; slow."""

import numpy as np
import pytest

from highstreet.models.schema import FeatureSchema
from highstreet.simulations.journey import load_journey
from highstreet.simulations.judging import METRICS
from highstreet.simulations.opponents import judge_opponent
from highstreet.simulations.protocol import REPORT, TUNE, Protocol, build_federation

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tables():
    return load_journey()


@pytest.fixture(scope="module")
def report(tables):
    return build_federation(tables, Protocol(split=REPORT), FeatureSchema())


def test_shops_customers_and_judged_pairs_are_the_published_ones(report):
    sizes = [len(store.persons) for store in report.stores]
    assert (len(sizes), sum(sizes), report.units) == (108, 8043, 3457)
    assert (min(sizes), int(np.median(sizes)), max(sizes)) == (20, 70, 189)
    assert len({person for store in report.stores for person in store.persons}) == 2421
    assert len(report.catalogue) == 5000


def test_weeks_are_the_publishers(tables):
    assert tables.last_week == 53


def test_the_tuning_split_sees_nothing_later(tables):
    tune = build_federation(tables, Protocol(split=TUNE), FeatureSchema())
    assert all(store.shop.purchases.day.max() < tune.stores[0].shop.as_of for store in tune.stores)
    assert tune.stores[0].shop.as_of == tables.day_number(41)


@pytest.mark.parametrize(
    ("opponent", "published"),
    [
        ("popularity", (0.1517, 0.1216, 0.0545, 0.0621)),
        ("store-popularity", (0.1642, 0.1360, 0.0576, 0.0666)),
    ],
)
def test_popularity_has_the_published_quality(report, opponent, published):
    means = np.nanmean(judge_opponent(report, opponent), axis=0)
    places = [
        METRICS.index(name) for name in ("all/ndcg10", "all/recall20", "novel/ndcg10", "novel/recall20")
    ]
    np.testing.assert_allclose(means[places], published, atol=5e-5)
